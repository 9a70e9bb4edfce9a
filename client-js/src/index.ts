/** The browser end of Paybell: shows a waiting customer the moment an order is paid.
 *
 *  ```ts
 *  const watch = watchOrder({
 *    url: 'https://pay.example.com',
 *    order: 'A1001',
 *    token: () => fetch('/my/paybell-token', { method: 'POST' }).then((r) => (r.ok ? r.text() : Promise.reject(r.status))),
 *    onChange: (state) => render(state.status),
 *  })
 *  ```
 *  @module */
import { startWatch, type Watch, type WatchOptions } from './watch.ts'

export { WatchError } from './watch.ts'
export type { Arrival, Watch, WatchOptions } from './watch.ts'
export type { OrderState, Status } from './protocol.ts'
export type { EndKind, TransportName, WebSocketConstructor, WebSocketLike } from './transport.ts'

/** Watches one order until `close()`. It connects by WebSocket, else by server-sent events, else by
 *  polling; comes back after every loss; and calls `onChange` with versions that only rise.
 *
 *  What it shows is for the customer's eyes. Goods are to be released by the merchant's backend.
 *  @throws TypeError when no transport is available here, or `url` is not an address. */
export function watchOrder(options: WatchOptions): Watch {
  return startWatch(options)
}
