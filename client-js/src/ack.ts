import type { Extra } from './extra.ts'
import { request } from './transport.ts'

/** Tells the gateway which versions were shown, once the page's `change` has returned. What is lost
 *  is not repeated: the next version says more. */
export const ack: Extra = (inside) => {
  inside.on('change', ({ order, version, epoch }) => {
    // Extras hear of a change before listeners that the page adds later.
    setTimeout(() => {
      if (!inside.token || inside.watch.state?.version !== version) return
      request(inside, `orders/${encodeURIComponent(order)}/ack`, { 'Content-Type': 'application/json' }, {
        method: 'POST', body: JSON.stringify({ version, epoch }), keepalive: true,
      }).catch(() => {})
    })
  })
}
