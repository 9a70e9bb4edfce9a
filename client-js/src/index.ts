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
import {
  fallBack, longPoll, pageLife, poll, punctual, sse, waitForPayment as wait, wakeBy, watchOrder as watch, websocket,
  type CoreOptions, type Life, type OrderState, type Transport, type Waiting, type Watch,
} from './core.ts'

export { ack, longPoll, poll, preconnect, shareTabs, sse, states, WatchError, websocket } from './core.ts'
export type * from './core.ts'

/** What to watch, and whom to tell. */
export interface WatchOptions extends Omit<CoreOptions, 'transports'> {
  /** Which transports to try, in this order. Default: `[websocket, sse, longPoll, poll]`. */
  transports?: readonly Transport[] | undefined
  /** In place of the page's own events: see `@paybell/client/react-native`. */
  life?: Life | undefined
}

/** The options of `waitForPayment`. */
export interface WaitOptions extends WatchOptions, Waiting {}

const complete = <Options extends WatchOptions>(options: Options) => ({
  ...options,
  transports: options.transports ?? [websocket, sse, longPoll, poll],
  extras: [punctual, fallBack, wakeBy(options.life ?? pageLife), ...options.extras ?? []],
})

/** Watches one order until `close()`. It connects by WebSocket, else by server-sent events, else by
 *  polling; comes back after every loss, sleep or outage; and calls `onChange` with versions that only
 *  rise. With `extras: [shareTabs]`, tabs of one browser that watch the same order share a connection.
 *
 *  What it shows is for the customer's eyes. Goods are to be released by the merchant's backend.
 *  @throws TypeError when an option makes no sense. */
export function watchOrder(options: WatchOptions): Watch {
  return watch(complete(options))
}

/** Resolves with the state when the order is paid, and closes its watch.
 *
 *  A failed attempt is no end, since the customer may try again. Rejects with a {@link WatchError}
 *  whose `code` is the final status (`canceled`, `expired`, `refunded`), `timeout`, or that of a fatal
 *  error; when `signal` is aborted, with its reason; with a TypeError when an option makes no sense. */
export function waitForPayment(options: WaitOptions): Promise<OrderState> {
  return wait(complete(options))
}
