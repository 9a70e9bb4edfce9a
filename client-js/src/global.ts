/** The entry of `dist/paybell.js`: one script that defines `Paybell`, whether a page loads it as a
 *  classic script or imports it as a module. */
import { watchOrder } from './index.ts'

Object.assign(globalThis, { Paybell: { watchOrder } })
