/** The ways to reach the gateway, in the order in which they are tried. */
export type TransportName = 'websocket' | 'sse' | 'poll'

/** Why a connection ended, which decides what is done next.
 *  - `lost`: it broke, or said what cannot be read.
 *  - `refused`: this transport does not get through here.
 *  - `busy`: the gateway answered that it cannot serve now.
 *  - `goodbye`: the gateway goes away in good order, or a new token is at hand.
 *  - `unauthorized`: the token is not valid, or no longer.
 *  - `forbidden`: the token is valid and does not name the order. */
export type EndKind = 'lost' | 'refused' | 'busy' | 'goodbye' | 'unauthorized' | 'forbidden'

/** The end of one connection. */
export interface End {
  kind: EndKind
  /** For a developer's console. Holds no token. */
  reason: string
  /** At least so many ms are to pass before the next connection, says the gateway. */
  wait?: number
  /** A new token, to be used by the next connection. */
  token?: string
}

/** One connection as its transport sees it: what it needs, and whom it tells. */
export interface Link {
  /** The gateway's address, ending in a slash. */
  base: string
  order: string
  token: string
  /** Aborted when the connection is to be given up. */
  signal: AbortSignal
  fetch: typeof fetch
  WebSocket: WebSocketConstructor | undefined
  /** The entity tag of the state that is shown, if there is one. */
  tag(): string | undefined
  /** Something arrived, whatever it was; silence may now last `patience` ms longer than usual. */
  heard(patience?: number): void
  /** What is shown is confirmed to be the newest. */
  confirmed(): void
  /** A state arrived. Throws when it is not one. */
  received(state: unknown, snapshot: boolean): void
  /** Another token than the one at hand, or undefined when there is none to be had or the
   *  connection ended meanwhile. */
  renew(): Promise<string | undefined>
}

/** Holds one connection until it ends. A rejection counts as `lost`. */
export type Transport = (link: Link) => Promise<End>

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

/** What an HTTP answer other than a success means for SSE and poll alike. */
export function endOf(response: Response, wait: number): End {
  const { status } = response
  const kind: EndKind =
    status === 401 ? 'unauthorized' :
    status === 403 ? 'forbidden' :
    status === 429 || status === 502 || status === 503 ? 'busy' :
    'refused'
  return { kind, reason: `HTTP ${status}`, wait }
}
