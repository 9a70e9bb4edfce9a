/** The script of the hosted page, `/pay/{order}`. It is built into page.js, which the gateway puts into the
 *  page itself, so that a page and its script are of one version whichever node answers.
 *
 *  Everything it says stands in the page already: it only shows and hides. */
import { defineStatus, type PaybellStatus } from '../src/element.ts'
import type { OrderState } from '../src/index.ts'
import { clock, length, money } from './words.ts'

/** The answer of `POST /pay/{order}`. Times are in seconds from now. */
interface Admission {
  pass: string
  expires_in: number
  return_url: string | null
  order_expires_in: number | null
}

/** How long an answer is waited for, in ms: a network that was changed meanwhile may never bring it, and nothing else would
 *  ask again. */
const patience = 10_000

/** How long a customer reads what has become of the payment before the shop's page comes, in ms. */
const reading = 5000

const find = <Kind extends HTMLElement>(selector: string) => document.querySelector<Kind>(selector)!
const status = find<PaybellStatus>('paybell-status')
const back = find<HTMLAnchorElement>('#back a')
const isFramed = window.top !== window
const { lang } = document.documentElement

/** What was brought: a token or a ticket at first, then the last pass. Empty: the cookie has to do. */
let brought = location.hash.slice(1)
let renewAt = 0
let admission: Admission | undefined
let isReturning = false
let tick = () => {}

/** Comes in, however long the gateway is away, and then watches. The watch alone would not do: where another tab
 *  watches the same order, it asks for no pass. */
async function start(): Promise<void> {
  for (let wait = 500; !admission; wait = Math.min(2 * wait, 8000)) {
    try {
      admission = await enter(brought) ?? (brought ? await enter('') : undefined)
      if (!admission) return close()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())))
    }
  }
  keep(admission)
  begin(admission)
  status.token = pass
}

/** The pass in force, renewed when half of its life is over. Its errors are tried again by the watch. */
async function pass(): Promise<string> {
  if (Date.now() >= renewAt) {
    const renewed = await enter(brought)
    if (!renewed) {
      close()
      throw new Error('not admitted any more')
    }
    keep(renewed)
  }
  return brought
}

function keep({ pass, expires_in }: Admission): void {
  brought = pass
  renewAt = Date.now() + expires_in * 500
}

/** Asks to be let in. Undefined: what was brought is not good, or not any more. */
async function enter(pass: string): Promise<Admission | undefined> {
  const response = await fetch(location.pathname, {
    method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams(pass ? { pass } : {}),
    signal: AbortSignal.timeout?.(patience), // which old browsers lack
  })
  if (response.ok) return response.json()
  if (response.status < 500 && response.status !== 429) return undefined
  throw new Error(`HTTP ${response.status}`)
}

function begin({ return_url, order_expires_in }: Admission): void {
  // The cookie is there for who loads the page again. In a frame, or where cookies are off, there is none.
  if (location.hash && navigator.cookieEnabled && !isFramed) history.replaceState(history.state, '', location.pathname + location.search)
  const address = return_url ?? back.getAttribute('href')
  if (return_url) back.href = return_url
  if (address) status.setAttribute('retry-url', address)
  if (order_expires_in !== null) countDown(Date.now() + order_expires_in * 1000)
}

/** Without a pass there is nothing to show, and the customer is told what to do. What is final stays true. */
function close(): void {
  if (status.state?.final) return
  status.remove()
  find('#summary').hidden = find('#left').hidden = true
  find('#closed').hidden = false
  document.body.dataset.mood = 'failed'
}

function countDown(end: number): void {
  tick = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000))
    const { mood } = status.dataset
    const isOpen = seconds > 0 && !status.state?.final && (mood === 'waiting' || mood === 'action')
    find('#left').hidden = !isOpen
    find('#left [role=timer]').textContent = clock(seconds, lang)
    if (!seconds || status.state?.final) clearInterval(timer)
  }
  const timer = setInterval(() => tick(), 1000)
  tick()
}

function show(state: OrderState): void {
  const { mood = '' } = status.dataset
  document.body.dataset.mood = mood
  find('#order').textContent = state.order
  const amount = find('#amount')
  amount.textContent = state.currency && state.amount ? money(state.amount, state.currency, lang) : ''
  amount.dataset.length = length(amount.textContent)
  find('#summary').hidden = false
  const title = status.shadowRoot!.querySelector('[part=title]')!.textContent!
  document.title = [title, document.body.dataset.name].filter(Boolean).join(' · ')
  const address = admission?.return_url
  const returns = state.final && address && !isFramed
  // Who is taken back anyway is not asked to try again meanwhile.
  if (returns) status.removeAttribute('retry-url')
  // The element has a link of its own then.
  find('#back').hidden = !back.hasAttribute('href') || (mood === 'failed' && !returns)
  tick()
  if (!returns || isReturning) return
  isReturning = true
  find('#returning').hidden = false
  setTimeout(() => location.replace(address), reading)
}

status.addEventListener('paybell-change', (event) => show(event.detail))
status.addEventListener('paybell-error', (event) => {
  const { code, fatal } = event.detail
  if (code === 'unauthorized') renewAt = 0
  if (fatal) document.body.dataset.mood = 'failed'
})
// The same page with another link's token in its address is another page.
addEventListener('hashchange', () => location.reload())
defineStatus()
void start()
