import type { Extra } from './extra.ts'

/** Tells the gateway which versions were shown, once the page's `change` has returned. What is lost
 *  is not repeated: the next version says more. */
export const ack: Extra = ({ on, base, token, fetch, watch }) => {
  on('change', ({ order, version, epoch }) => {
    // Extras hear of a change before listeners that the page adds later.
    setTimeout(() => {
      if (!token() || watch.state?.version !== version) return
      fetch(`${base}v1/orders/${encodeURIComponent(order)}/ack`, {
        method: 'POST',
        headers: { Authorization: 'Bearer ' + token(), 'Content-Type': 'application/json' },
        body: JSON.stringify({ version, epoch }),
        keepalive: true,
      }).catch(() => {})
    })
  })
}
