import { retryAfter } from './backoff.ts'
import type { CoreOptions } from './options.ts'

/** The ways to reach the gateway, in the order in which they are tried. */
export type TransportName = 'websocket' | 'sse' | 'longpoll' | 'poll'

/** Why a connection ended, which decides what is done next.
 *  - `lost`: it broke, or said what cannot be read.
 *  - `refused`: this transport does not get through here.
 *  - `busy`: the gateway answered that it cannot serve now, or that a limit is reached.
 *  - `goodbye`: the gateway goes away in good order, or a new token is at hand.
 *  - `unauthorized`: the token is not valid, or no longer.
 *  - `forbidden`: the token is valid and does not name the order.
 *  - `invalid`: the gateway finds no sense in what is asked: a wrong address, a wrong order id. */
export type EndKind = 'lost' | 'refused' | 'busy' | 'goodbye' | 'unauthorized' | 'forbidden' | 'invalid'

/** The end of one connection: why; for a developer's console, without a token in it; how many ms are at
 *  least to pass before the next, says the gateway; a new token, for the next to use at once. */
export type End = [kind: EndKind, reason?: string, wait?: unknown, token?: string]

/** What one question to the gateway needs. */
export interface Asking {
  /** The gateway's address, ending in a slash. */
  base: string
  token: string
  /** Aborted when the answer is no longer wanted. */
  signal?: AbortSignal | undefined
  options: Pick<CoreOptions, 'fetch' | 'WebSocket'>
}

/** One connection as its transport sees it: what it needs, and whom it tells. The signal is aborted when
 *  it is over, from whichever side. */
export interface Link extends Asking {
  order: string
  signal: AbortSignal
  /** A state arrived. Throws when it is not one. */
  received(state: unknown, snapshot: boolean): void
  /** Something arrived, whatever it was; silence may now last `patience` ms longer than usual. */
  heard(patience?: number): void
  /** What is shown is confirmed to be the newest. */
  confirmed(): void
  /** The token ends in so many seconds. Calls back with another one than that at hand, unless there is none to
   *  be had or the connection ended meanwhile. */
  renew(expiresIn: number, renewed: (token: string) => void): void
  /** It is over. Only the first end counts. */
  end(...end: End): void
}

/** One way to reach the gateway. A page that passes its transports bundles no others. */
export interface Transport {
  readonly name: TransportName
  /** Opens one connection, which lasts until it or its owner calls `link.end`. A rejection counts as `lost`. */
  open(link: Link): unknown
}

/** What is used of the standard `WebSocket`. */
export interface WebSocketLike {
  readonly protocol: string
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  send(data: string): void
  close(): void
}

/** Makes a {@link WebSocketLike}: the browser's own `WebSocket`, or the `ws` package's in Node. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

/** Asks the gateway over HTTP, with the token where no log keeps it. */
export function request({ options, base, token, signal }: Asking, path: string, headers?: Record<string, string>, more: RequestInit = {}): Promise<Response> {
  const { fetch = globalThis.fetch } = options // a browser's refuses to be a method
  return fetch(`${base}v1/${path}`, { headers: { Authorization: 'Bearer ' + token, ...headers }, cache: 'no-store', signal: signal!, ...more })
}

/** What the gateway means by an HTTP status, or by a WebSocket's close code less 4000. */
export const kinds: Record<number, EndKind | undefined> = {
  400: 'invalid', 401: 'unauthorized', 403: 'forbidden', 404: 'invalid', 429: 'busy', 502: 'busy', 503: 'busy',
}

/** What an HTTP answer other than a success means for SSE and polls alike. A 403, 400 or 404 counts as
 *  the gateway's own word only in its form of errors: portals and proxies answer so as well. */
export function endOf({ status, headers }: Response): End {
  const own = status === 401 || status > 428 || /problem/.test(headers.get('Content-Type')!)
  return [own && kinds[status] || 'refused', `HTTP ${status}`, retryAfter(headers.get('Retry-After'))]
}

/** Takes what the gateway says on a WebSocket and on a stream alike: `read` gives the order, or the message's fields. A
 *  `goodbye` says that the node stops or that the token ended; else something that the page should know, such as the
 *  name of a limit. */
export function take(link: Link, type: string, read: () => any, renewed: (token: string) => void): void {
  if (type === 'snapshot' || type === 'update') link.received(read(), type === 'snapshot')
  else if (type === 'token_expiring') link.renew(read().expires_in, renewed)
  else if (type === 'goodbye') {
    const { reason, retry_ms } = read()
    link.end(/drain|expired/.test(reason) ? 'goodbye' : 'busy', reason, retry_ms)
  }
}
