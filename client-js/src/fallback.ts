import type { Connection } from './connection.ts'
import type { Extra } from './extra.ts'
import { createLadder } from './ladder.ts'

/** The wait grows to at most 2^5 times the first. */
const doublings = 5

/** Falls to the next transport where one does not get through, stays with what works, and tries the
 *  better ones again beside it: what a proxy refuses on one network it may let through on the next. */
export const fallBack: Extra = ({ on, plan, open, connection, limits, options }) => {
  const ladder = createLadder(options.transports.length)
  plan(ladder)

  let timer: ReturnType<typeof setTimeout>
  let tries = 0
  let climber: Connection | undefined
  const stop = () => {
    clearTimeout(timer)
    if (climber !== connection()) climber?.end({ kind: 'goodbye', reason: 'not needed' })
  }
  const climb = () => {
    stop()
    timer = setTimeout(() => {
      if (!ladder.at || !connection()?.confirmedAt()) return
      const opened = climber = open(tries++ % ladder.at)
      opened.ended.then(() => opened.confirmedAt() || opened !== climber || climb())
    }, limits.climb * 2 ** Math.min(tries, doublings))
  }
  on('transport', (transport) => (transport ? climb() : stop()))
  on('close', stop)
}
