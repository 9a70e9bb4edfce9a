/** The entry of `dist/paybell-status.js`: one script that defines `Paybell`, as `dist/paybell.js` does, and the
 *  element `<paybell-status>`. */
import { defineStatus } from './element.ts'
import { Paybell } from './global-names.ts'

Object.assign(globalThis, { Paybell })
defineStatus()
