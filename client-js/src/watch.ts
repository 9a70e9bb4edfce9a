import { askedWait, retryDelay, sleep } from './backoff.ts'
import { type Connection, type Limits, refusalsOfPlainToken, tooLate } from './connection.ts'
import type { InnerEvents, Inside } from './extra.ts'
import { type ActionState, type CoreOptions, type ErrorCode, type Watch, WatchError } from './options.ts'
import { isNews, type OrderState, readState } from './protocol.ts'
import type { End, Link, TransportName } from './transport.ts'

type Listeners = Set<[event: keyof InnerEvents, listener: ((...args: any[]) => void) | undefined]>

/** Watches one order until `close()`. See the `watchOrder` of `@paybell/client`. The limits are for tests.
 *  @throws TypeError when an option makes no sense. */
export function watchOrder(options: CoreOptions & { limits?: Limits }): Watch {
  const { signal, order, token: given, transports, limits = { answer: 5_000, silence: 60_000, stable: 10_000, renewal: 5_000 } } = options
  const base = new URL(options.url, globalThis.location?.href).href.replace(/\/*$/, '/')
  if (!transports[0] || !order || !given || !/^http/.test(base)) {
    throw new TypeError('paybell: url, order, token?')
  }
  const plain = typeof given === 'string'
  const listeners: Listeners = new Set([['change', options.onChange], ['transport', options.onTransport], ['error', options.onError]])

  let state: OrderState | undefined
  let transport: TransportName | null = null
  let tokenAskedAt = 0
  let unauthorized = 0
  let closed = false
  let over!: (failure?: WatchError) => void

  // Who is told

  const on: Inside['on'] = (event, listener) => {
    const entry: [typeof event, typeof listener] = [event, listener]
    listeners.add(entry)
    return () => listeners.delete(entry)
  }
  /** What a listener throws is its own affair, and must not end the watch. */
  const tell: Inside['tell'] = (event, ...args) => {
    for (const entry of [...listeners]) {
      try {
        if (entry[0] === event && listeners.has(entry)) entry[1]?.(...args)
      } catch (error) {
        setTimeout(() => { throw error })
      }
    }
  }

  // What is known

  const show: Inside['show'] = (value, snapshot, transport, onSnapshot) => {
    const next = readState(value)
    if (closed || next.order !== order) return
    if (snapshot) onSnapshot?.()
    if (!isNews(state, next, snapshot)) return
    state = next
    tell('change', next, { transport, receivedAt: performance.timeOrigin + performance.now() || Date.now() })
    tell(next.status as 'requires_action', next as ActionState) // no other event has the name of a status
  }
  const use: Inside['use'] = (next) => {
    if (next !== transport) tell('transport', transport = next)
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
      const answer: any = plain ? given : await given() // pages return the gateway's JSON, too
      return (answer.token ?? answer).trim()
    } catch (error) {
      report(`token: ${error}`, 'token')
    }
    return undefined
  }

  // Connections

  /** Opens one, in a moment: not before its owner knows it, because the page's own fetch may close the watch. */
  const open = (at: number): Connection => {
    const { name } = transports[at]!
    const abort = new AbortController()
    const { signal } = abort
    let timer: ReturnType<typeof setTimeout>
    const expect = (patience = 0) => {
      if (signal.aborted) return
      const limit = patience + (opened.confirmedAt || /poll/.test(name) ? limits.silence : limits.answer)
      const due = Date.now() + limit
      clearTimeout(timer)
      timer = setTimeout(() => {
        // What arrived meanwhile is read after the timers: give it a chance to be heard.
        if (Date.now() - due > tooLate) expect()
        else opened.end(opened.heardAt ? 'lost' : 'refused', 'silent')
      }, limit)
    }
    const opened: Link & Connection = {
      ...inside, name, signal,
      confirmedAt: 0,
      heardAt: 0,
      heard(patience = 0) {
        opened.heardAt = Date.now() + patience
        expect(patience)
      },
      received: (state, snapshot) => show(state, snapshot, name, opened.confirmed),
      confirmed() {
        if (opened.confirmedAt || signal.aborted) return
        opened.confirmedAt = Date.now()
        const before = inside.connection
        inside.connection = opened
        if (before !== opened) before?.end('goodbye')
        use(name)
      },
      // Waits until three quarters of the token's life are over, as far as this side can tell; spaced,
      // because a token that is always about to expire must not become a storm of requests.
      async renew(seconds, renewed) {
        tell('tokenExpiring', seconds)
        if (plain) return
        const age = Date.now() - tokenAskedAt
        await sleep(Math.max(limits.renewal - age, (seconds * 3000 - age) / 4 || 0), signal)
        if (signal.aborted) return
        const next = await askToken()
        if (next && next !== inside.token && !signal.aborted) renewed(inside.token = next)
      },
      end(...end) {
        if (signal.aborted) return
        clearTimeout(timer)
        abort.abort()
        if (opened === inside.connection) after(opened, end)
        else opened.onEnd?.()
      },
    }
    expect()
    Promise.resolve()
      .then(() => transports[at]!.open(opened))
      // A browser's error may quote the header or the sub-protocol that it does not like.
      .catch((error) => opened.end('lost', `${error}${state ? '' : ', origins?'}`.split(opened.token).join('…')))
    return opened
  }
  /** Waits as long as the gateway asked, if it did, and a random while on top. */
  const wait = (wish?: unknown) => {
    const asked = askedWait(wish)
    inside.hurryFrom = Date.now() + asked
    inside.waiting = new AbortController()
    return sleep(asked + retryDelay(inside.attempt++, options.random), inside.waiting.signal)
  }
  /** Connects when the gates are open and there is a token. */
  const next = async (renewed?: string | void) => {
    for (const gate of inside.gates) await gate
    if (closed) return
    const token = renewed ?? await askToken()
    if (closed) return
    if (token && !inside.gates.size) { // they may be shut again
      inside.token = token
      inside.connection = open(inside.plan.at)
    } else void wait().then(next)
  }
  /** Decides what follows the end of a connection, and waits as long as is due. */
  const after = ({ name, confirmedAt }: Connection, [kind, reason, asked, renewed]: End) => {
    inside.connection = undefined
    use(null)
    const sound = confirmedAt && Date.now() - confirmedAt >= limits.stable
    if (sound) inside.attempt = 0
    const refused = kind === 'unauthorized'
    const fatal = /forbidden|invalid/.test(kind) || (refused && plain && ++unauthorized >= refusalsOfPlainToken)
    if (kind !== 'goodbye' && (plain || !refused || !confirmedAt)) report(`${name}: ${reason}`, kind, fatal)
    if (closed) return
    if (renewed || inside.plan.missed?.(kind, confirmedAt, sound)) void next(renewed)
    else void wait(asked).then(next)
  }
  const cut = () => {
    inside.connection?.end('goodbye')
    inside.waiting?.abort()
  }
  const close = (failure?: WatchError) => {
    if (closed) return
    closed = true
    transport = null
    tell('close', failure)
    listeners.clear()
    signal?.removeEventListener('abort', abort)
    cut()
    over(failure)
  }
  const abort = () => close()
  const watch: Watch = {
    on,
    close: abort,
    closed: new Promise((resolve) => { over = resolve }),
    get state() { return state },
    get transport() { return transport },
  }
  const inside: Inside = {
    watch, options, limits, base, order, on, tell, show, use, open, cut, gates: new Set(), plan: { at: 0 }, token: '', attempt: 0, hurryFrom: 0,
  }
  options.extras?.forEach((extra) => extra(inside))
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) close()
  void Promise.resolve().then(next) // nothing is called before the page holds its handle
  return watch
}
