/** The entry of `dist/paybell.js`: one script that defines `Paybell`, whether a page loads it as a
 *  classic script or imports it as a module. */
import { longPoll, poll, preconnect, sse, waitForPayment, watchOrder, websocket } from './full.ts'

Object.assign(globalThis, { Paybell: { watchOrder, waitForPayment, preconnect, websocket, sse, longPoll, poll } })
