import { retryAfter } from './backoff.ts'

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

/** The end of one connection. */
export interface End {
  kind: EndKind
  /** For a developer's console. Holds no token. */
  reason: string
  /** At least so many ms are to pass before the next connection, says the gateway. */
  wait?: number | undefined
  /** A new token, to be used by the next connection. */
  token?: string
}

/** What one question to the gateway needs. */
export interface Asking {
  /** The gateway's address, ending in a slash. */
  base: string
  order: string
  token: string
  /** Aborted when the answer is no longer wanted. */
  signal: AbortSignal
  fetch: typeof fetch
  /** A state arrived. Throws when it is not one. */
  received(state: unknown, snapshot: boolean): void
}

/** One connection as its transport sees it: what it needs, and whom it tells. */
export interface Link extends Asking {
  WebSocket: WebSocketConstructor | undefined
  /** The entity tag of the state that is shown, if there is one. */
  tag(): string | undefined
  /** Something arrived, whatever it was; silence may now last `patience` ms longer than usual. */
  heard(patience?: number): void
  /** What is shown is confirmed to be the newest. */
  confirmed(): void
  /** The token ends in so many seconds. Resolves with another one than that at hand, or with
   *  undefined when there is none to be had or the connection ended meanwhile. */
  renew(expiresIn: number): Promise<string | undefined>
}

/** One way to reach the gateway. A page that passes its transports bundles no others. */
export interface Transport {
  readonly name: TransportName
  /** Holds one connection until it ends. A rejection counts as `lost`. */
  open(link: Link): Promise<End>
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
export function request({ fetch, base, token, signal }: Asking, path: string, headers: Record<string, string>): Promise<Response> {
  return fetch(`${base}v1/${path}`, { headers: { Authorization: 'Bearer ' + token, ...headers }, cache: 'no-store', signal })
}

/** What an HTTP answer other than a success means for SSE and polls alike. A 403, 400 or 404 counts as
 *  the gateway's own word only in its form of errors: portals and proxies answer so as well. */
export function endOf({ status, headers }: Response): End {
  const kind: EndKind =
    status === 401 ? 'unauthorized' :
    status === 429 || status === 502 || status === 503 ? 'busy' :
    !/problem/.test(headers.get('Content-Type')!) || status > 499 ? 'refused' :
    status === 403 ? 'forbidden' : 'invalid'
  return { kind, reason: `HTTP ${status}`, wait: retryAfter(headers.get('Retry-After')) }
}

/** What a `goodbye` means: the node stops, or the token ended; else something that the page should
 *  know, such as the name of a limit. */
export function farewell(reason: unknown): EndKind {
  return reason === 'drain' || reason === 'token_expired' ? 'goodbye' : 'busy'
}
