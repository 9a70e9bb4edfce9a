import type { Extra } from './extra.ts'
import { ask } from './poll.ts'
import { entityTag, isOrderState } from './protocol.ts'

/** What happens to a page or an app that makes connections stale: it is looked at again, it is put
 *  aside and will not run until then, the device is online again, or offline. */
export type LifeEvent = 'show' | 'hide' | 'online' | 'offline'

/** Tells of {@link LifeEvent}s until the function that it returns is called. */
export type Life = (tell: (event: LifeEvent) => void) => () => void

/** A page that is looked at again polls, unless something was heard so many ms ago. */
const recently = 2_000

/** Makes a watch catch up when it is looked at again: it asks once, and then connects anew if it
 *  must. Timers may have stood still meanwhile. A connection from before an outage is never trusted:
 *  the device may have another address, and nobody would tell. */
export const wakeBy = (life: Life): Extra => ({ options, limits, base, fetch, on, tell, token, watch, connection, cut, hurry, gate, show }) => {
  let wake: (() => void) | undefined
  let aside: Promise<void> | undefined
  gate(() => aside)

  /** One question ahead of the next connection, which takes longer. */
  const catchUp = () => {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), limits.answer)
    const shown = watch.state
    ask({
      base, fetch, token: token(), order: options.order, signal: abort.signal,
      received: (next) => isOrderState(next) && next.order === options.order && show(next, false, 'poll'),
    }, '', shown && entityTag(shown)).catch(() => {}).then(() => clearTimeout(timer))
  }
  on('show', () => {
    if (!hurry() || !token()) return
    const current = connection()
    const silence = current?.silence() ?? Infinity
    if (silence > recently) catchUp()
    if (current?.confirmedAt() && silence >= limits.silence / 2) current.end({ kind: 'lost', reason: 'slept' })
  })
  const leave = life((event) => {
    if (event === 'offline') return connection()?.end({ kind: 'lost', reason: event })
    if (event === 'hide') {
      aside ??= new Promise((resolve) => { wake = resolve })
      tell('hide')
      return cut(event)
    }
    aside = undefined
    wake?.()
    const current = connection()
    if (event === 'online' && current && current.silence() >= 0) current.end({ kind: 'goodbye', reason: event })
    tell('show')
  })
  on('close', () => {
    leave()
    wake?.()
  })
}

/** The life of a web page. Where there is no page, it tells nothing. */
export const pageLife: Life = (tell) => {
  const hear = ({ type, persisted }: { type: string; persisted?: boolean }) => {
    if (/line/.test(type)) tell(type as LifeEvent)
    else if (/hide|freeze/.test(type)) tell('hide')
    // A page that loads tells `pageshow` as well, and one that thaws is not yet visible.
    else if (type === 'resume' || (persisted ?? !document.hidden)) tell('show')
  }
  const each = (how: 'addEventListener' | 'removeEventListener') => {
    for (const type of ['online', 'offline', 'pageshow', 'pagehide']) globalThis[how]?.(type, hear as EventListener)
    for (const type of ['visibilitychange', 'freeze', 'resume']) globalThis.document?.[how](type, hear as EventListener)
  }
  each('addEventListener')
  return () => each('removeEventListener')
}
