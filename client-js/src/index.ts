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
  ack, fallBack, longPoll, pageLife, poll, punctual, shareTabs, sse, states, waitForPayment as wait, wakeBy, watchOrder as watch, websocket,
  type CoreOptions, type Life, type OrderState, type Transport, type Waiting, type Watch as CoreWatch,
} from './core.ts'

export { longPoll, poll, preconnect, sse, WatchError, websocket } from './core.ts'
export type * from './core.ts'

/** What to watch, and whom to tell. */
export interface WatchOptions extends Omit<CoreOptions, 'transports' | 'extras'> {
  /** Which transports to try, in this order. Default: `[websocket, sse, longPoll, poll]`. */
  transports?: readonly Transport[] | undefined
  /** One connection serves all tabs of this browser that watch the order. Default: true. */
  share?: boolean | undefined
  /** Tells the gateway which versions were shown, for the order's timeline. Default: false. */
  ack?: boolean | undefined
  /** In place of the page's own events: see `@paybell/client/react-native`. */
  life?: Life | undefined
}

/** A running watch. As an async iterable it gives the newest state that it has not given yet; leaving
 *  such a loop closes the watch, and a fatal error is thrown into it. */
export interface Watch extends CoreWatch, AsyncIterable<OrderState> {}

/** The options of `waitForPayment`. */
export interface WaitOptions extends WatchOptions, Waiting {}

function complete<Options extends WatchOptions>(options: Options) {
  const { transports = [websocket, sse, longPoll, poll], share = true, life = pageLife } = options
  return { ...options, transports, extras: [punctual, fallBack, wakeBy(life), ...(share ? [shareTabs] : []), ...(options.ack ? [ack] : [])] }
}

/** Watches one order until `close()`. It connects by WebSocket, else by server-sent events, else by
 *  polling; comes back after every loss; and calls `onChange` with versions that only rise. Tabs of
 *  one browser that watch the same order share a connection.
 *
 *  What it shows is for the customer's eyes. Goods are to be released by the merchant's backend.
 *  @throws TypeError when no transport is available here, or an option makes no sense. */
export function watchOrder(options: WatchOptions): Watch {
  const running = watch(complete(options))
  return Object.defineProperty(running, Symbol.asyncIterator, { value: () => states(running) }) as Watch
}

/** Resolves with the state when the order is paid, and closes its watch.
 *
 *  A failed attempt is no end, since the customer may try again. Rejects with a {@link WatchError}
 *  whose `code` is the final status (`canceled`, `expired`, `refunded`), `timeout`, or that of a fatal
 *  error; when `signal` is aborted, with its reason; with a TypeError when an option makes no sense. */
export function waitForPayment(options: WaitOptions): Promise<OrderState> {
  return wait(complete(options))
}
