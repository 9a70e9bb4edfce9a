/** The client with all that it can do, as `/paybell.js` has it: beside what `@paybell/client` does, tabs share a
 *  connection, and a watch is an async iterable.
 *  @module */
import * as client from './index.ts'
import { ack, type Extra, type OrderState, shareTabs, states } from './index.ts'

export * from './index.ts'

/** What to watch, and whom to tell. */
export interface WatchOptions extends client.WatchOptions {
  /** One connection serves all tabs of this browser that watch the order. Default: true. */
  share?: boolean | undefined
  /** Tells the gateway which versions were shown, for the order's timeline. Default: false. */
  ack?: boolean | undefined
}

/** A running watch. As an async iterable it gives the newest state that it has not given yet; leaving
 *  such a loop closes the watch, and a fatal error is thrown into it. */
export interface Watch extends client.Watch, AsyncIterable<OrderState> {}

/** The options of `waitForPayment`. */
export interface WaitOptions extends WatchOptions, client.Waiting {}

const complete = <Options extends WatchOptions>(options: Options) => {
  const extras: Extra[] = [...options.extras ?? []]
  if (options.share ?? true) extras.push(shareTabs)
  if (options.ack) extras.push(ack)
  return { ...options, extras }
}

/** See the `watchOrder` of `@paybell/client`. */
export function watchOrder(options: WatchOptions): Watch {
  const watch = client.watchOrder(complete(options))
  return Object.assign(watch, { [Symbol.asyncIterator]: () => states(watch) })
}

/** See the `waitForPayment` of `@paybell/client`. */
export function waitForPayment(options: WaitOptions): Promise<OrderState> {
  return client.waitForPayment(complete(options))
}
