import { retryDelay, sleep } from './backoff.ts'
import { connect, type Connection, type Limits } from './connection.ts'
import { createEvents } from './events.ts'
import type { Inside } from './extra.ts'
import type { Plan } from './ladder.ts'
import { type ActionState, type CoreOptions, type ErrorCode, type Watch, WatchError } from './options.ts'
import { entityTag, isNews, type OrderState } from './protocol.ts'
import type { End, TransportName } from './transport.ts'

const production: Limits = { answer: 5_000, silence: 60_000, stable: 10_000, renewal: 5_000, slow: 3_000, climb: 60_000 }

/** A plain token may be refused so often before the watch is given up. */
const refusalsOfPlainToken = 3

/** Without the extra `fallBack`, the first transport is the only one. */
const firstOnly: Plan = { at: 0, worked() {}, forgive() {}, missed: () => false }

/** See `watchOrder`; tests set the limits. */
export function startWatch(options: CoreOptions, limits: Limits = production): Watch {
  const { WebSocket = globalThis.WebSocket, onChange, onTransport, onError, signal, order } = options
  const transports = options.transports.filter(({ name }) => name !== 'websocket' || WebSocket)
  const base = new URL(options.url, globalThis.location?.href).href.replace(/\/*$/, '/')
  if (!transports.length || !order || !options.token || !/^http/.test(base)) {
    throw new TypeError('paybell: needs url, order, token and a transport that works here')
  }
  const plain = typeof options.token === 'string' && options.token
  // A browser's fetch refuses to be a method.
  const fetch = (input: RequestInfo | URL, init?: RequestInit) => (options.fetch ?? globalThis.fetch)(input, init)
  const { on, tell, silence } = createEvents({ change: [onChange], transport: [onTransport], error: [onError] })
  const gates: (() => Promise<unknown> | undefined)[] = []

  let state: OrderState | undefined
  let transport: TransportName | null = null
  let connection: Connection | undefined
  let token = ''
  let tokenAskedAt = 0
  let attempt = 0
  let unauthorized = 0
  let hurryFrom = 0
  let cuts = 0
  let waiting: AbortController | undefined
  let plan = firstOnly
  let closed = false
  let over!: (failure?: WatchError) => void
  const ended = new Promise<WatchError | undefined>((resolve) => { over = resolve })

  // What is known

  const show: Inside['show'] = (next, snapshot, transport) => {
    if (closed || !isNews(state, next, snapshot)) return
    state = next
    tell('change', next, { transport, receivedAt: performance.timeOrigin + performance.now() || Date.now() })
    if (next.status === 'requires_action' && state === next) tell('requires_action', next as ActionState)
  }
  const use: Inside['use'] = (next) => {
    if (closed || next === transport) return
    transport = next
    tell('transport', next)
  }
  const report = (message: string, code: ErrorCode, fatal = false) => {
    const error = new WatchError(message, code, fatal, state)
    tell('error', error)
    if (fatal) close(error)
  }

  // Tokens

  const askToken = async (): Promise<string | undefined> => {
    tokenAskedAt = Date.now()
    try {
      return (plain || await (options.token as () => Promise<string>)()).trim()
    } catch (error) {
      report(`token: ${error}`, 'token')
    }
    return undefined
  }
  /** Waits until three quarters of the token's life are over, as far as this side can tell; spaced,
   *  because a token that is always about to expire must not become a storm of requests. */
  const renew = async (seconds: number, signal: AbortSignal) => {
    tell('tokenExpiring', seconds)
    if (plain) return undefined
    const age = Date.now() - tokenAskedAt
    await sleep(Math.max(limits.renewal - age, (seconds * 3000 - age) / 4 || 0), signal)
    const next = signal.aborted ? undefined : await askToken()
    return !next || next === token || signal.aborted ? undefined : token = next
  }

  // Connections

  const open = (rung: number): Connection => {
    const transport = transports[rung]!
    const opened = connect({
      transport, base, token, limits, WebSocket, order, fetch, renew,
      tag: () => state && entityTag(state),
      onState: (next, snapshot) => show(next, snapshot, transport.name),
      onConfirmed: () => {
        unauthorized = 0
        plan.worked(rung)
        const before = connection
        connection = opened
        if (before !== opened) before?.end({ kind: 'goodbye', reason: 'climbed' })
        use(transport.name)
      },
    })
    return opened
  }
  /** Waits as long as the gateway asked, if it did, and a random while on top. */
  const wait = async (asked = 0) => {
    const delay = asked + retryDelay(attempt++, options.random)
    if (closed) return // by the page's own `random`
    hurryFrom = Date.now() + asked
    waiting = new AbortController()
    await sleep(delay, waiting.signal)
  }
  /** Decides what follows the end of a connection, and waits as long as is due. */
  const after = async ({ kind, reason, wait: asked, token: next }: End, delivered: number) => {
    const { name } = transports[plan.at]!
    use(null)
    const sound = delivered > 0 && Date.now() - delivered >= limits.stable
    if (sound) {
      attempt = 0
      plan.forgive()
    }
    const refused = kind === 'unauthorized'
    const fatal = kind === 'forbidden' || kind === 'invalid' || (refused && !!plain && ++unauthorized >= refusalsOfPlainToken)
    const expired = refused && delivered && !plain
    if (kind !== 'goodbye' && !expired) report(`${name}: ${reason}`, kind, fatal)
    if (!closed && next === undefined && (sound || !plan.missed(kind, !!delivered))) await wait(asked)
  }
  const run = async () => {
    await null // nothing is called before the page holds its handle
    for (let end: End | undefined; !closed;) {
      for (const gate of gates) await gate()
      const before = cuts
      const next = closed ? undefined : end?.token ?? await askToken()
      if (closed || before !== cuts) continue // the gates may be shut again
      if (next === undefined) {
        await wait()
        continue
      }
      token = next
      let current = connection = open(plan.at)
      for (;;) {
        end = await current.ended
        if (current === connection) break
        current = connection! // a better one took its place
      }
      connection = undefined
      if (!closed) await after(end, current.confirmedAt())
    }
  }
  const cut = (reason: string) => {
    cuts++
    connection?.end({ kind: 'goodbye', reason })
    waiting?.abort()
  }
  const close = (failure?: WatchError) => {
    if (closed) return
    closed = true
    transport = null
    tell('close', failure)
    silence()
    signal?.removeEventListener('abort', abort)
    cut('closed')
    over(failure)
  }
  const abort = () => close()
  const watch: Watch = {
    on,
    close: abort,
    closed: ended,
    get state() { return state },
    get transport() { return transport },
  }
  options.extras?.forEach((extra) => extra({
    watch, options, limits, base, fetch, on, tell, show, use, open, cut,
    token: () => token,
    connection: () => connection,
    plan: (chosen) => { plan = chosen },
    hurry: () => {
      if (Date.now() < hurryFrom) return false
      attempt = 0
      waiting?.abort()
      return true
    },
    gate: (wait) => gates.push(wait),
  }))
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) close()
  void run()
  return watch
}
