import type { Extra } from './extra.ts'
import type { OrderState } from './protocol.ts'
import type { EndKind, Transport, TransportName, WebSocketConstructor } from './transport.ts'

/** How a state reached the page. */
export interface Arrival {
  transport: TransportName
  /** Milliseconds since 1970, with fractions. */
  receivedAt: number
}

/** A state whose customer must act. */
export type ActionState = OrderState & { status: 'requires_action' }

/** What a watch tells. What a listener throws is its own affair, and ends nothing. */
export interface WatchEvents {
  /** The order's first known state, then every newer one. */
  change: (state: OrderState, arrival: Arrival) => void
  /** The customer must act, at `action_url` where there is one. Comes after `change`. */
  requires_action: (state: ActionState) => void
  /** Nothing is known of the order yet, and for 3 s there was no word from the gateway. */
  slow: () => void
  /** For 3 s there was no connection: what is shown may be old. */
  stale: () => void
  /** After `slow` or `stale`: what is shown is the newest again. */
  fresh: () => void
  /** The transport in use, once it has shown itself to work; null when it is lost. */
  transport: (transport: TransportName | null) => void
  /** The token ends in so many seconds. A token function is asked for the next by itself. */
  tokenExpiring: (seconds: number) => void
  /** A trouble. Unless it is fatal, the watch goes on by itself. */
  error: (error: WatchError) => void
  /** The watch is over, because of the fatal error if there is one. Nothing is told after this. */
  close: (failure: WatchError | undefined) => void
}

/** A token, or the gateway's answer to `POST /v1/sessions` with the token in it. */
export type Token = string | { readonly token: string }

/** The options of `@paybell/client/core`, which has no defaults: what is not passed is not bundled. */
export interface CoreOptions {
  /** The gateway's address, for example `https://pay.example.com`; may be relative to the page. */
  url: string
  /** The order's id. */
  order: string
  /** A token that names the order, or a function that fetches one. The function is asked anew for
   *  every connection and before a token expires; a plain token ends the watch when it expires. */
  token: string | (() => Token | Promise<Token>)
  /** Called with the order's first known state and with every newer one. */
  onChange?: WatchEvents['change'] | undefined
  /** Called when a connection has shown itself to work, and with null when it is lost. */
  onTransport?: WatchEvents['transport'] | undefined
  /** Called for every trouble. Unless it is fatal, the watch goes on by itself. That a token comes to
   *  its end is no trouble when there is a function to ask for the next. */
  onError?: WatchEvents['error'] | undefined
  /** Closes the watch when it is aborted. */
  signal?: AbortSignal | undefined
  /** Which transports to try, in this order. Without the extra `fallBack`, only the first is tried. */
  transports: readonly Transport[]
  /** What the watch does beside connecting. Default here: nothing. */
  extras?: readonly Extra[] | undefined
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
  /** Calls the listener from now on. Returns what takes it off again. */
  on<Name extends keyof WatchEvents>(event: Name, listener: WatchEvents[Name]): () => void
  /** Resolves when the watch is over, with the fatal error if there is one. Never rejects. */
  readonly closed: Promise<WatchError | undefined>
  /** The newest known state; undefined before the first. */
  readonly state: OrderState | undefined
  /** The transport in use, perhaps that of another tab; null while there is no connection. */
  readonly transport: TransportName | null
}

/** Why a watch or a waiting failed, for code to branch on. `token`: the token function rejected.
 *  `timeout`: the wait's time is over. The last three are an order's final status. */
export type ErrorCode = EndKind | 'token' | 'timeout' | 'canceled' | 'expired' | 'refunded' | (string & {})

/** Something that went wrong. Its message is for developers, not for customers. */
export class WatchError extends Error {
  override readonly name = 'WatchError'

  constructor(
    message: string,
    readonly code: ErrorCode,
    /** It is over: nothing more will come. */
    readonly fatal: boolean,
    /** The newest known state. */
    readonly state?: OrderState,
  ) {
    super('paybell: ' + message)
  }
}
