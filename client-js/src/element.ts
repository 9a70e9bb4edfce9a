/** A custom element that shows the state of an order's payment.
 *
 *  ```html
 *  <paybell-status url="https://pay.example.com" order="A1001" token-url="/my/paybell-token" retry-url="/checkout"></paybell-status>
 *  <script src="https://pay.example.com/paybell-status.js"></script>
 *  ```
 *  The script defines the element. With a bundler: `import { defineStatus } from '@paybell/client/element'`, and `defineStatus()`.
 *  @module */
import { icons, moods } from './element-looks.ts'
import { languageFor, languages, unknown } from './element-texts.ts'
import { type OrderState, type Token, type Watch, type WatchError, watchOrder, type WatchOptions } from './full.ts'

const style = `
:host { display: block; font: 16px/1.5 system-ui, sans-serif; color: #1e2530; }
:host([hidden]) { display: none; }
.box { padding: 1.5rem; text-align: center; border: 1px solid #d8d8d8; border-radius: 12px; background: #fff; }
svg { width: 3rem; height: 3rem; fill: none; stroke: currentcolor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
[data-mood=action] svg { color: #5b2fb0; }
[data-mood=done] svg { color: #17703f; }
[data-mood=failed] svg { color: #b3261e; }
.title { margin: .5rem 0 0; font-size: 1.375rem; font-weight: 600; }
.text, .stale { margin: .25rem 0 0; color: #4c5663; }
.link { display: inline-block; margin-top: 1rem; padding: .6rem 1.4rem; border-radius: 8px; background: #1f4e9e; color: #fff; text-decoration: none; }
.link:focus-visible { outline: 3px solid #8ab4f8; outline-offset: 2px; }
[hidden] { display: none; }
@media (prefers-reduced-motion: no-preference) {
  [data-mood=waiting] svg { animation: breathe 2s ease-in-out infinite; }
  @keyframes breathe { 50% { opacity: .35; } }
}`

const template = `<div class="box" part="box">
  <svg part="icon" viewBox="0 0 24 24" aria-hidden="true"></svg>
  <div role="status">
    <p class="title" part="title"></p>
    <p class="text" part="text"></p>
    <p class="stale" part="stale" hidden></p>
  </div>
  <a class="link" part="link" hidden></a>
</div>`

/** A sheet that is adopted needs no place in the page's Content-Security-Policy, as a <style> does. */
function dress(root: ShadowRoot): void {
  if (root.adoptedStyleSheets) {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(style)
    root.adoptedStyleSheets = [sheet]
  } else root.innerHTML += `<style>${style}</style>`
}

/** Wallets open by schemes of their own, so that only those are left out which run in this page. */
const runsHere = (link: HTMLAnchorElement) => /^(javascript|data|blob|vbscript):/.test(link.protocol)

// Where there is no DOM, importing this module must do no harm.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement

/** What the element dispatches, beside the events of every element. */
export interface PaybellStatusEventMap extends HTMLElementEventMap {
  'paybell-change': CustomEvent<OrderState>
  'paybell-error': CustomEvent<WatchError>
}

export interface PaybellStatus {
  addEventListener<Name extends keyof PaybellStatusEventMap>(
    type: Name, listener: (this: PaybellStatus, event: PaybellStatusEventMap[Name]) => any, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void
  removeEventListener<Name extends keyof PaybellStatusEventMap>(
    type: Name, listener: (this: PaybellStatus, event: PaybellStatusEventMap[Name]) => any, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void
}

/** The element. Attributes: `url`, `order`, `token-url` (POST answers with the token, or with JSON
 *  whose `token` it is), `retry-url` (where a customer may try or order anew), `lang` (en, zh-CN; default: that
 *  of the nearest element with one, else the browser's). Parts to style: `box`, `icon`, `title`, `text`,
 *  `stale`, `link`. The host has `data-status` and `data-mood`. It dispatches `paybell-change`, whose
 *  `detail` is the order's state, and `paybell-error`, whose `detail` is the error. */
export class PaybellStatus extends Base {
  static readonly observedAttributes = ['url', 'order', 'token-url', 'token', 'retry-url', 'lang']

  private running: Watch | undefined
  private tokenSource: WatchOptions['token'] | undefined
  private isStale = false
  private isOver = false
  private isPlanned = false

  /** A token or a function that fetches one, in place of `token-url`. */
  get token(): WatchOptions['token'] | undefined { return this.tokenSource }
  set token(token) {
    this.tokenSource = token
    this.begin()
  }

  /** The newest known state. */
  get state(): OrderState | undefined { return this.running?.state }

  connectedCallback(): void {
    // What was set before the element was known stands in the way of the accessor.
    const early = Object.getOwnPropertyDescriptor(this, 'token')
    if (early) {
      delete (this as Partial<this>).token
      this.token = early.value
    }
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: 'open' })
      root.innerHTML = template
      dress(root)
    }
    this.begin()
  }

  disconnectedCallback(): void {
    this.end()
  }

  attributeChangedCallback(name: string): void {
    if (name === 'lang' || name === 'retry-url') this.render()
    else this.begin()
  }

  /** Several attributes that are set one after the other make one watch. */
  private begin(): void {
    this.end()
    this.render()
    if (this.isPlanned) return
    this.isPlanned = true
    queueMicrotask(() => {
      this.isPlanned = false
      if (this.isConnected) this.watch()
    })
  }

  private end(): void {
    this.running?.close()
    this.running = undefined
    this.isStale = this.isOver = false
  }

  private watch(): void {
    const url = this.getAttribute('url')
    const order = this.getAttribute('order')
    const tokenUrl = this.getAttribute('token-url')
    const token = this.tokenSource ?? (tokenUrl ? () => fetchToken(tokenUrl) : undefined)
    if (!url || !order || !token || this.running) return
    const tell = (type: string, detail: unknown) => this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
    const stale = (isStale: boolean) => () => {
      this.isStale = isStale
      this.render()
    }
    this.running = watchOrder({
      url, order, token,
      onChange: (state) => {
        this.render()
        tell('paybell-change', state)
      },
      onError: (error) => {
        this.isOver ||= error.fatal
        this.render()
        tell('paybell-error', error)
      },
    })
    this.running.on('slow', stale(true))
    this.running.on('stale', stale(true))
    this.running.on('fresh', stale(false))
  }

  private render(): void {
    const root = this.shadowRoot
    if (!root) return
    const { state } = this
    const language = languageFor(this.closest<HTMLElement>('[lang]')?.lang || navigator.language)
    const { texts, words } = languages[language]!
    const [title, text] = state ? texts[state.status] ?? texts[unknown]! : this.isOver ? words.trouble : words.connecting
    const mood = state ? moods[state.status] ?? 'waiting' : this.isOver ? 'failed' : 'waiting'
    this.dataset.status = state?.status ?? ''
    this.dataset.mood = mood
    const box = root.querySelector<HTMLElement>('.box')!
    if (box.dataset.mood !== mood) root.querySelector('svg')!.innerHTML = icons[mood]
    box.dataset.mood = mood
    box.lang = language
    write(root.querySelector('.title')!, title)
    write(root.querySelector('.text')!, text)
    write(root.querySelector('.stale')!, this.isStale ? words.stale : '')
    const link = root.querySelector<HTMLAnchorElement>('.link')!
    const address = mood === 'action' ? state?.action_url : mood === 'failed' ? this.getAttribute('retry-url') : null
    link.href = address ?? ''
    if (!address || runsHere(link)) link.removeAttribute('href')
    write(link, !link.hasAttribute('href') ? '' : mood === 'action' ? words.action : words.retry)
  }
}

/** Leaves alone what is right already, because a screen reader may say again what is written again. */
function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
  element.hidden = !text
}

async function fetchToken(url: string): Promise<Token> {
  // A network that was changed meanwhile may never bring the answer, and nothing else would ask again. Old browsers lack it.
  const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout?.(30_000) })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  const text = await response.text()
  return text.trim()[0] === '{' ? JSON.parse(text) : text
}

/** Makes the element known to the page; what is known already stays. Where there is no DOM, it does nothing. */
export function defineStatus(name = 'paybell-status'): void {
  const { customElements } = globalThis
  if (customElements && !customElements.get(name)) customElements.define(name, class extends PaybellStatus {})
}

/** The element's attributes. For JSX, a page declares them as its framework wants: see `docs/client.md`. */
export interface PaybellStatusAttributes {
  url: string
  order: string
  'token-url'?: string
  'retry-url'?: string
  lang?: string
}

declare global {
  interface HTMLElementTagNameMap {
    'paybell-status': PaybellStatus
  }
}
