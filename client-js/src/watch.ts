import { retryDelay, sleep } from './backoff.ts'
import { Connection, type Limits } from './connection.ts'
import { Ladder } from './ladder.ts'
import { longpoll } from './longpoll.ts'
import { entityTag, isNews, type OrderState } from './protocol.ts'
import { sse } from './sse.ts'
import type { End, EndKind, Transport, TransportName, WebSocketConstructor } from './transport.ts'
import { websocket } from './websocket.ts'

/** How a state reached the page. */
export interface Arrival {
  transport: TransportName
  /** Milliseconds since 1970, with fractions. */
  receivedAt: number
}

/** What to watch, and whom to tell. */
export interface WatchOptions {
  /** The gateway's address, for example `https://pay.example.com`; may be relative to the page. */
  url: string
  /** The order's id. */
  order: string
  /** A token that names the order, or a function that fetches one. The function is asked anew for
   *  every connection and before a token expires; a plain token ends the watch when it expires. */
  token: string | (() => string | Promise<string>)
  /** Called with the order's first known state and with every newer one. */
  onChange(state: OrderState, arrival: Arrival): void
  /** Called when a connection has shown itself to work, and with null when it is lost. */
  onTransport?: ((transport: TransportName | null) => void) | undefined
  /** Called for every trouble. Unless it is fatal, the watch goes on by itself. That a token comes to
   *  its end is no trouble when there is a function to ask for the next. */
  onError?: ((error: WatchError) => void) | undefined
  /** Which transports to try, in this order. Default: `['websocket', 'sse', 'poll']`. */
  transports?: readonly TransportName[] | undefined
  /** In place of the global `fetch`. */
  fetch?: typeof fetch | undefined
  /** In place of the global `WebSocket`. */
  WebSocket?: WebSocketConstructor | undefined
  /** In place of `Math.random`. */
  random?: (() => number) | undefined
}

/** A running watch. */
export interface Watch {
  /** Ends it. Nothing is called after this. */
  close(): void
  /** The newest known state; undefined before the first. */
  readonly state: OrderState | undefined
  /** The transport in use; null while there is no connection. */
  readonly transport: TransportName | null
}

/** Something that went wrong. Its message is for developers, not for customers. */
export class WatchError extends Error {
  override readonly name = 'WatchError'

  constructor(
    message: string,
    /** Why, for code to branch on; `token`: the token function rejected. */
    readonly code: EndKind | 'token',
    /** The watch is over: the token is not valid, or does not name the order. */
    readonly fatal: boolean,
  ) {
    super(message)
  }
}

const transports: Record<TransportName, Transport> = { websocket, sse, poll: longpoll }

const production: Limits = { answer: 5_000, silence: 60_000, stable: 10_000, renewal: 10_000 }

/** A plain token may be refused so often before the watch is given up. */
const refusalsOfPlainToken = 3

/** See {@link watchOrder}; tests set the limits. */
export function startWatch(options: WatchOptions, limits: Limits = production): Watch {
  const watcher = new Watcher(options, limits)
  void watcher.run()
  return {
    close: () => watcher.close(),
    get state() { return watcher.state },
    get transport() { return watcher.transport },
  }
}

class Watcher {
  state: OrderState | undefined
  transport: TransportName | null = null
  private readonly names: TransportName[]
  private readonly base: string
  private readonly ladder: Ladder
  private connection: Connection | undefined
  private closed = false
  private attempt = 0
  private unauthorized = 0
  private confirmedAt = 0
  private token = ''
  private askedAt = 0
  private stopWaiting: (() => void) | undefined
  private hurryFrom = 0

  constructor(private readonly options: WatchOptions, private readonly limits: Limits) {
    const WebSocket = options.WebSocket ?? globalThis.WebSocket
    this.names = (options.transports ?? ['websocket', 'sse', 'poll'])
      .filter((name) => transports[name] && (name !== 'websocket' || WebSocket))
    if (!this.names.length) throw new TypeError('paybell: none of the transports is available here')
    this.ladder = new Ladder(this.names.length)
    this.base = new URL(options.url, globalThis.location?.href).href.replace(/\/*$/, '/')
  }

  async run(): Promise<void> {
    this.listen('addEventListener')
    await null // nothing is called before the page holds its handle
    let end: End | undefined
    while (!this.closed) {
      const token = end?.token ?? await this.askToken()
      if (this.closed) return
      if (token === undefined) {
        await this.wait(0)
        continue
      }
      end = await this.connect(token)
      if (this.closed) return
      await this.after(end)
    }
  }

  close(): void {
    this.closed = true
    this.listen('removeEventListener')
    this.connection?.end({ kind: 'goodbye', reason: 'closed' })
    this.stopWaiting?.()
    this.transport = null
  }

  private connect(token: string): Promise<End> {
    const { options, limits, base } = this
    const { fetch = globalThis.fetch, WebSocket = globalThis.WebSocket } = options
    const name = this.names[this.ladder.at]!
    this.token = token
    this.confirmedAt = 0
    this.connection = new Connection({
      name, base, token, limits,
      order: options.order,
      transport: transports[name],
      fetch: (input, init) => fetch(input, init), // a browser's fetch refuses to be a method
      WebSocket,
      tag: () => this.state && entityTag(this.state),
      renew: (signal) => this.renew(signal),
      onConfirmed: () => this.confirmed(name),
      onState: (state, snapshot) => this.show(state, snapshot, name),
    })
    return this.connection.ended
  }

  private confirmed(name: TransportName): void {
    this.confirmedAt = Date.now()
    this.unauthorized = 0
    this.ladder.worked()
    this.transport = name
    this.tell(() => this.options.onTransport?.(name))
  }

  private show(state: OrderState, snapshot: boolean, transport: TransportName): void {
    if (this.closed || !isNews(this.state, state, snapshot)) return
    const receivedAt = performance.timeOrigin + performance.now()
    this.state = state
    this.tell(() => this.options.onChange(state, { transport, receivedAt }))
  }

  /** Decides what follows the end of a connection, and waits as long as is due. */
  private async after(end: End): Promise<void> {
    const { kind, wait = 0 } = end
    const name = this.names[this.ladder.at]
    const delivered = this.confirmedAt > 0
    if (delivered) {
      this.transport = null
      this.tell(() => this.options.onTransport?.(null))
      if (Date.now() - this.confirmedAt >= this.limits.stable) this.attempt = 0
    }
    const isPlain = typeof this.options.token === 'string'
    const refused = kind === 'unauthorized'
    const fatal = kind === 'forbidden' || (refused && ++this.unauthorized >= refusalsOfPlainToken && isPlain)
    const expired = refused && delivered && !isPlain
    if (kind !== 'goodbye' && !expired) this.report(`${name}: ${end.reason}`, kind, fatal)
    if (this.closed || end.token !== undefined) return
    if (!delivered && this.ladder.missed(kind)) return
    await this.wait(wait)
  }

  private async askToken(): Promise<string | undefined> {
    const { token } = this.options
    this.askedAt = Date.now()
    try {
      return (typeof token === 'string' ? token : await token()).trim()
    } catch (error) {
      this.report(`token: ${error}`, 'token', false)
      return undefined
    }
  }

  /** Spaced, because a token that is always about to expire must not become a storm of requests. */
  private async renew(signal: AbortSignal): Promise<string | undefined> {
    if (typeof this.options.token === 'string') return undefined
    await sleep(Math.max(0, this.askedAt + this.limits.renewal - Date.now()), signal).catch(() => {})
    if (signal.aborted) return undefined
    const token = await this.askToken()
    if (token === undefined || token === this.token || signal.aborted) return undefined
    return this.token = token
  }

  private report(message: string, code: WatchError['code'], fatal: boolean): void {
    this.tell(() => this.options.onError?.(new WatchError(`paybell: ${message}`, code, fatal)))
    if (fatal) this.close()
  }

  /** Calls into the page, unless that closed the watch. What it throws is its own affair, and must
   *  not end the watch. */
  private tell(call: () => void): void {
    if (this.closed) return
    try {
      call()
    } catch (error) {
      setTimeout(() => { throw error })
    }
  }

  /** Waits as long as the gateway asked, if it did, and a random while on top. */
  private async wait(asked: number): Promise<void> {
    const delay = asked + retryDelay(this.attempt++, this.options.random)
    if (this.closed) return // by the page's own `random`
    this.hurryFrom = Date.now() + asked
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay)
      this.stopWaiting = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** The device is online again, or the page is looked at again, perhaps out of the back/forward
   *  cache. Timers may have stood still meanwhile. A connection from before an outage is never
   *  trusted: the device may have another address, and nobody would tell. */
  private readonly wake = ({ type }: Event) => {
    const online = type === 'online'
    if (!online && globalThis.document?.hidden) return
    if (Date.now() >= this.hurryFrom) this.stopWaiting?.()
    this.connection?.endIfSilent(online ? 0 : this.limits.silence / 2)
  }

  private listen(how: 'addEventListener' | 'removeEventListener'): void {
    globalThis[how]?.('online', this.wake)
    globalThis[how]?.('pageshow', this.wake)
    globalThis.document?.[how]('visibilitychange', this.wake)
  }
}
