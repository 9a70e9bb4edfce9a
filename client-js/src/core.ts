/** The client without defaults: what is not passed is not bundled. A page that needs but one
 *  transport takes it from here.
 *
 *  ```ts
 *  import { sse, watchOrder } from '@paybell/client/core'
 *
 *  watchOrder({ url, order, token, transports: [sse], onChange })
 *  ```
 *  @module */
import type { CoreOptions } from './options.ts'
import { untilPaid, type Waiting } from './payment.ts'
import type { OrderState } from './protocol.ts'
import { watchOrder } from './watch.ts'

export { ack } from './ack.ts'
export type { Connection, Limits } from './connection.ts'
export type { Extra, InnerEvents, Inside } from './extra.ts'
export { fallBack } from './fallback.ts'
export type { Plan } from './ladder.ts'
export { pageLife, wakeBy } from './life.ts'
export type { Life, LifeEvent } from './life.ts'
export { WatchError } from './options.ts'
export type { ActionState, Arrival, CoreOptions, ErrorCode, Token, Watch, WatchEvents } from './options.ts'
export type { Waiting } from './payment.ts'
export { longPoll, poll } from './poll.ts'
export { preconnect } from './preconnect.ts'
export type { OrderState, Status } from './protocol.ts'
export { punctual } from './punctual.ts'
export { sse } from './sse.ts'
export { states } from './states.ts'
export { shareTabs } from './tabs.ts'
export type { Asking, End, EndKind, Link, Transport, TransportName, WebSocketConstructor, WebSocketLike } from './transport.ts'
export { watchOrder } from './watch.ts'
export { websocket } from './websocket.ts'

/** Resolves when the order is paid. See the `waitForPayment` of `@paybell/client`. */
export async function waitForPayment(options: CoreOptions & Waiting): Promise<OrderState> {
  return untilPaid(watchOrder(options), options)
}
