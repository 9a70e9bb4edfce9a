import type { Extra } from './extra.ts'
import { shut } from './gate.ts'
import { request } from './transport.ts'

/** What happens to a page or an app that makes connections stale: it is looked at again, it is put
 *  aside and will not run until then, the device is online again, or offline. */
export type LifeEvent = 'show' | 'hide' | 'online' | 'offline'

/** Tells of {@link LifeEvent}s until the function that it returns is called. */
export type Life = (tell: (event: LifeEvent) => void) => () => void

/** Makes a watch catch up when it is looked at again: it asks once, and then connects anew if it
 *  must. Timers may have stood still meanwhile. A connection from before an outage is never trusted:
 *  the device may have another address, and nobody would tell. */
export const wakeBy = (life: Life): Extra => (inside) => {
  const { limits, on, tell, cut, gates, order, show } = inside
  let wake = () => {}

  on('show', () => {
    if (Date.now() < inside.hurryFrom) return
    inside.attempt = 0
    inside.waiting?.abort()
    if (!inside.token) return
    const { connection } = inside
    const silence = Date.now() - (connection?.heardAt ?? 0)
    // One question ahead of the next connection, which takes longer.
    if (silence > 2_000) {
      request(inside, `orders/${encodeURIComponent(order)}`)
        .then((response) => response.json())
        .then((state) => show(state, false, 'poll'))
        .catch(() => {})
    }
    if (connection?.confirmedAt && silence >= limits.silence / 2) connection.end('lost', 'slept')
  })
  const leave = life((event) => {
    const { connection } = inside
    if (event === 'offline') return connection?.end('lost', event)
    if (event === 'hide') {
      wake()
      wake = shut(gates)
      tell(event)
      return cut()
    }
    wake()
    if (event === 'online' && connection && Date.now() >= connection.heardAt) connection.end('goodbye')
    tell('show')
  })
  on('close', () => {
    leave()
    wake()
  })
}

const pageEvents = 'online offline pageshow pagehide visibilitychange freeze resume'

/** The life of a web page. Where there is no page, it tells nothing. */
export const pageLife: Life = (tell) => {
  const hear = ({ type, persisted }: { type: string; persisted?: boolean }) => {
    if (/line/.test(type)) tell(type as LifeEvent)
    else if (/hide|freeze/.test(type)) tell('hide')
    // A page that loads tells `pageshow` as well, and one that thaws is not yet visible.
    else if (type === 'resume' || (persisted ?? !document.hidden)) tell('show')
  }
  // The window hears on its way down, too, what is told to the document.
  const each = (how: 'addEventListener' | 'removeEventListener') =>
    pageEvents.split(' ').forEach((type) => globalThis[how]?.(type, hear as EventListener, true))
  each('addEventListener')
  return () => each('removeEventListener')
}
