/** The entry of `dist/paybell.js`: one script that defines `Paybell`, whether a page loads it as a
 *  classic script or imports it as a module. */
import { Paybell } from './global-names.ts'

Object.assign(globalThis, { Paybell })
