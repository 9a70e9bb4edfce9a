import { askedWait, retryAfter, sleep } from './backoff.ts'
import { entityTag } from './protocol.ts'
import { endOf, request, type Transport, type TransportName } from './transport.ts'

/** The first question names no state, so that it is answered, and this way known to be open, at once. */
function polling(name: TransportName, query: string): Transport {
  return {
    name,
    async open(link) {
      for (let tag = '', before = tag, quick = 0; ; before = tag) {
        const asked = Date.now()
        const response = await request(link, `orders/${encodeURIComponent(link.order)}${query}`, tag ? { 'If-None-Match': tag } : {})
        if (response.status === 200) {
          const state = await response.json()
          link.received(state, true)
          tag = entityTag(state)
        } else if (response.status !== 304) return link.end(...endOf(response))
        link.confirmed()
        let pause = askedWait(retryAfter(response.headers.get('Retry-After')))
        // A cache or a proxy that does not hold requests would turn this into a tight loop; and so would two nodes
        // of which one lags behind, or has another ledger.
        quick = Date.now() - asked < 1000 ? quick + 1 : 0
        if (!pause && quick > (before === tag ? 0 : 5)) pause = 2000
        link.heard(pause)
        if (pause) await sleep(pause, link.signal)
      }
    },
  }
}

/** Long polling: works wherever a plain GET may take half a minute. */
export const longPoll: Transport = /* @__PURE__ */ polling('longpoll', '?wait=25')

/** Asking again and again, at the pace that the gateway sets: works wherever a plain GET does. */
export const poll: Transport = /* @__PURE__ */ polling('poll', '')
