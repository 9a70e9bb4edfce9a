// The page of `paybell demo`: a shop on the left, its payment providers on the right. All that it
// knows of the order comes from Paybell.watchOrder, as in any shop.

const labels = {
  created: ['Waiting for payment', 'This page changes by itself as soon as you have paid.', 'wait'],
  pending: ['Payment on its way', 'The provider has it, and has not decided yet.', 'wait'],
  requires_action: ['Confirm with your bank', 'Your bank wants to know that it is you.', 'action'],
  authorized: ['Payment reserved', 'The money is reserved and will be taken soon.', 'wait'],
  partially_paid: ['Partly paid', 'A part has arrived; the rest is still open.', 'wait'],
  paid: ['Paid', 'Thank you! The bell is on its way.', 'paid'],
  failed: ['Payment failed', 'Nothing was taken. Please try again.', 'failed'],
  canceled: ['Order canceled', 'Nothing more will be taken.', 'failed'],
  expired: ['Time ran out', 'The order was not paid in time.', 'failed'],
  partially_refunded: ['Partly refunded', 'A part of the money is on its way back.', 'refunded'],
  refunded: ['Refunded', 'The money is on its way back to you.', 'refunded'],
  review: ['Being checked', 'Something does not fit; a person is looking at it.', 'review'],
}
const wayNames = { websocket: 'WebSocket', sse: 'SSE', longpoll: 'polling', poll: 'polling' }
const actions = ['pay-stripe', 'pay-backend', 'fail-3ds', 'refund', 'five-times', 'late-shuffled', 'forged', 'cut']

const $ = (id) => document.getElementById(id)

/** The order on show: { id, amount, currency, decimals, token, watch, updates, webhooks }. */
let current
let busy = false

// What the page shows

function show(order, state, arrival) {
  const [title, sentence, icon] = labels[state.status] ?? [state.status, '', 'wait']
  const status = $('status')
  status.textContent = title
  status.dataset.status = state.status
  status.closest('.waiting').dataset.status = state.status
  $('sentence').textContent = sentence
  $('icon').setAttribute('href', `#i-${icon}`)
  $('amount').textContent = money(state.amount || order.amount, state.currency ?? order.currency)
  $('paid').textContent = money(state.paid, state.currency ?? order.currency)
  $('refunded').textContent = money(state.refunded, state.currency ?? order.currency)
  $('version').textContent = state.version
  $('flag').textContent = [state.overpaid && 'overpaid', state.disputed && 'disputed'].filter(Boolean).join(', ')
  $('flag').hidden = !$('flag').textContent

  showMini()

  const position = `${state.epoch}.${state.version}`
  if (position === order.position) return // the same again, after another transport was chosen
  order.position = position
  const time = element('span', 'time', '')
  log(element('span', 'number', `v${state.version}`), element('span', 'what', state.status, { status: state.status }),
    element('span', 'way', wayNames[arrival.transport]), time)
  order.updates.push({ receivedAt: arrival.receivedAt, time })
  measure(order)
}

function showTransport(order, transport) {
  $('transport').textContent = transport ? wayNames[transport] : 'reconnecting'
  $('transport').dataset.transport = transport ?? ''
  if (transport !== order.lastTransport) log(transport ? `Connected by ${wayNames[transport]}.` : 'Connection lost.')
  order.lastTransport = transport
}

/** Adds a line to what the page heard; text alone is a line about the connection. */
function log(...parts) {
  const line = element('li', typeof parts[0] === 'string' ? 'connection' : 'change')
  line.append(...parts)
  $('log').prepend(line)
}

/** Finds how long each update was under way: since the last webhook sent before it arrived. The
 *  gateway is quicker than the answer to the button, so this runs when both are there. */
function measure(order) {
  if (busy) return
  for (const update of order.updates.splice(0)) {
    const sent = order.webhooks.filter(({ sent_at }) => sent_at <= update.receivedAt).at(-1)
    if (!sent) continue
    update.time.textContent = duration(update.receivedAt - sent.sent_at)
    $('latency').textContent = update.time.textContent
    $('latency').dataset.ms = update.receivedAt - sent.sent_at
    showMini()
  }
}

/** Repeats the status where small screens keep it in view. */
function showMini() {
  const mini = document.querySelector('.mini')
  mini.hidden = false
  mini.dataset.status = $('status').dataset.status
  $('mini-status').textContent = $('status').textContent
  $('mini-facts').textContent = `v${$('version').textContent} · ${$('latency').textContent}`
}

function showWebhooks({ webhooks, note }) {
  if (!webhooks.length && !note) return
  const entry = element('li')
  for (const { source, event, what, status, took_ms } of webhooks) {
    const hook = element('div', 'hook')
    const code = element('span', status < 300 ? 'code' : 'code refused', status)
    hook.append(code, element('span', 'what', what), element('span', 'took', duration(took_ms)),
      element('span'), element('small', '', `${source} · ${event}`))
    entry.append(hook)
  }
  if (note) entry.append(element('p', 'note', note))
  $('webhooks').prepend(entry)
}

// What the buttons do

async function newOrder() {
  current?.watch?.close()
  const { order: id, ...rest } = await post('/demo/orders')
  current = { id, ...rest, updates: [], webhooks: [] }
  $('log').replaceChildren()
  $('webhooks').replaceChildren()
  $('latency').textContent = '–'
  delete $('latency').dataset.ms
  $('order').textContent = id
  offerHosted(current)
  $('new-order').textContent = 'New order'
  for (const action of actions) $(action).disabled = false
  watch(current)
}

function watch(order) {
  order.watch?.close()
  $('transport').textContent = 'connecting'
  $('transport').dataset.transport = ''
  order.lastTransport = undefined
  const chosen = document.querySelector('input[name=transport]:checked').value
  order.watch = Paybell.watchOrder({
    url: '/',
    order: order.id,
    token: () => tokenOf(order),
    transports: chosen === 'auto' ? undefined : [Paybell[chosen]],
    onChange: (state, arrival) => show(order, state, arrival),
    onTransport: (transport) => showTransport(order, transport),
    onError: (error) => (error.fatal ? complain(error.message) : console.info(error.message)),
  })
}

/** The token that came with the order serves the first connection. */
async function tokenOf(order) {
  const { token, page } = order.token ? order : await post(`/demo/orders/${order.id}/token`)
  order.token = undefined
  order.page = page
  offerHosted(order)
  return token
}

/** Links to the page that the gateway itself has for the order, with the newest token. */
function offerHosted(order) {
  if (order !== current) return
  $('hosted').href = order.page
  $('hosted').hidden = false
}

async function act(action) {
  const order = current
  const answer = await post(`/demo/orders/${order.id}/${action}`)
  if (order !== current) return
  order.webhooks.push(...answer.webhooks)
  showWebhooks(answer)
}

/** Runs one button's work; a second press meanwhile does nothing. */
async function press(button, work) {
  if (busy) return
  setBusy(button, true)
  $('message').hidden = true
  try {
    await work()
  } catch (error) {
    complain(error.message)
  } finally {
    setBusy(button, false)
    if (current) measure(current)
  }
}

function setBusy(button, on) {
  busy = on
  button.setAttribute('aria-busy', on)
  for (const id of ['new-order', ...actions]) $(id).setAttribute('aria-disabled', on)
}

function complain(text) {
  $('message').textContent = text
  $('message').hidden = false
}

async function post(path) {
  const response = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' })
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}))
    throw new Error(problem.detail ?? problem.title ?? `The demo answered ${response.status}.`)
  }
  return response.json()
}

// Small things

function element(name, className = '', text = '', data = {}) {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  Object.assign(made.dataset, data)
  return made
}

function money(minor, currency) {
  // The gateway's own decimals: a browser's are fewer where nobody uses coins.
  const { decimals } = current
  return new Intl.NumberFormat('en', { style: 'currency', currency, minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    .format(minor / 10 ** decimals)
}

function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
}

$('new-order').addEventListener('click', (event) => press(event.currentTarget, newOrder))
for (const action of actions) $(action).addEventListener('click', (event) => press(event.currentTarget, () => act(action)))
for (const input of document.querySelectorAll('input[name=transport]')) {
  input.addEventListener('change', () => current && watch(current))
}
