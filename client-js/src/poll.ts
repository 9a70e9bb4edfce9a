import { retryAfter, sleep } from './backoff.ts'
import { type Asking, type End, endOf, request, type Transport, type TransportName } from './transport.ts'

/** Asks once for the order's state. Resolves with the pause in ms that the gateway wishes before
 *  the next question, or with the end when it did not answer. */
export async function ask(to: Asking, query = '', tag?: string): Promise<number | End> {
  const response = await request(to, `orders/${encodeURIComponent(to.order)}${query}`, tag ? { 'If-None-Match': tag } : {})
  if (response.status === 200) to.received(await response.json(), true)
  else if (response.status !== 304) return endOf(response)
  return retryAfter(response.headers.get('Retry-After'))
}

/** The first question names no state, so that it is answered, and this way known to be open, at once. */
function polling(name: TransportName, query: string): Transport {
  return {
    name,
    async open(link) {
      for (let tag: string | undefined; ; tag = link.tag()) {
        const asked = Date.now()
        let pause = await ask(link, query, tag)
        if (typeof pause !== 'number') return pause
        link.confirmed()
        // A cache or a proxy that does not hold requests would turn this into a tight loop.
        if (!pause && link.tag() === tag && Date.now() - asked < 1000) pause = 2000
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
