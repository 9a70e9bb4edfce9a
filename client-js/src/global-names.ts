/** What the scripts of `dist` define as the global `Paybell`. */
import { longPoll, poll, preconnect, sse, waitForPayment, watchOrder, websocket } from './full.ts'

export const Paybell = { watchOrder, waitForPayment, preconnect, websocket, sse, longPoll, poll }
