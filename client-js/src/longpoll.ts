import { retryAfter, sleep } from './backoff.ts'
import { endOf, type Transport } from './transport.ts'

/** Long polling: works wherever a plain GET does. The first request names no state, so that it is
 *  answered, and this way known to be open, at once; the others are held until there is news. */
export const longpoll: Transport = async (link) => {
  for (let first = true; ; first = false) {
    const asked = Date.now()
    const tag = first ? undefined : link.tag()
    const response = await link.fetch(`${link.base}v1/orders/${encodeURIComponent(link.order)}?wait=25`, {
      headers: { Authorization: 'Bearer ' + link.token, ...(tag && { 'If-None-Match': tag }) },
      cache: 'no-store',
      signal: link.signal,
    })
    let pause = retryAfter(response.headers.get('Retry-After'))
    if (response.status === 200) {
      link.received(await response.json(), true)
    } else if (response.status !== 304) {
      return endOf(response, pause)
    }
    link.confirmed()
    // A cache or a proxy that does not hold requests would turn this into a tight loop.
    if (!pause && link.tag() === tag && Date.now() - asked < 1000) pause = 2000
    link.heard(pause)
    if (pause) await sleep(pause, link.signal)
  }
}
