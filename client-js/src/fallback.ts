import type { Connection } from './connection.ts'
import type { Extra } from './extra.ts'
import { createLadder } from './ladder.ts'

/** Falls to the next transport where one does not get through, stays with what works, also when the page is loaded
 *  anew within ten minutes, and tries the better ones again beside it: what a proxy refuses on one network it may let
 *  through on the next. */
export const fallBack: Extra = (inside) => {
  const { base, on, open, limits, options } = inside
  const names: (string | null)[] = options.transports.map(({ name }) => name)
  const key = `paybell ${base} ${names}` // what worked of others says nothing of these
  let known: string | null = null
  try {
    const [name, since] = sessionStorage[key].split(' ')
    if (Date.now() - since < 600_000) known = name
  } catch {} // nothing is known, or the page may not store things
  const ladder = inside.plan = createLadder(names.length, Math.max(names.indexOf(known), 0))

  let timer: ReturnType<typeof setTimeout>
  let wait = limits.climb ?? 60_000
  let tries = 0
  let climber: Connection | undefined
  const stop = () => {
    if (climber !== inside.connection) climber?.end('goodbye') // which makes it climb
    clearTimeout(timer)
  }
  const climb = () => {
    stop()
    timer = setTimeout(() => {
      if (!ladder.at || !inside.connection?.confirmedAt) return
      if (tries < 5) wait *= 2
      climber = open(tries++ % ladder.at)
      climber.onEnd = climb
    }, wait)
  }
  on('transport', (transport) => {
    const at = names.indexOf(transport)
    if (at < 0) return stop()
    ladder.worked(at)
    try {
      // What worked before keeps its age, so that it is forgotten at last.
      if (transport !== known) sessionStorage[key] = `${known = transport} ${Date.now()}`
    } catch {}
    climb()
  })
  on('close', stop)
}
