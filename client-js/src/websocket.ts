import { askedWait } from './backoff.ts'
import { type EndKind, farewell, type Transport } from './transport.ts'

const closeKinds: Record<number, EndKind> = { 4400: 'invalid', 4401: 'unauthorized', 4403: 'forbidden', 4429: 'busy' }

/** WebSocket with the sub-protocol `paybell.v1`. The token is offered as a second sub-protocol,
 *  because a browser lets a page set no header here and a URL would end up in logs. */
export const websocket: Transport = {
  name: 'websocket',
  open: (link) => new Promise((resolve) => {
    const address = `${link.base.replace(/^http/, 'ws')}v1/ws?order=${encodeURIComponent(link.order)}`
    const socket = new link.WebSocket!(address, ['paybell.v1', 'bearer.' + link.token])
    let opened = false

    const finish = (kind: EndKind, reason: string, wait?: number) => {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
      resolve({ kind, reason, wait })
    }
    const giveUp = () => finish('lost', '')
    link.signal.addEventListener('abort', giveUp)

    socket.onopen = () => {
      opened = true
      if (socket.protocol !== 'paybell.v1') return finish('refused', 'not Paybell')
      link.heard()
    }
    socket.onmessage = ({ data }) => {
      link.heard()
      if (typeof data !== 'string') return
      try {
        const message = JSON.parse(data)
        switch (message.type) {
          case 'snapshot':
          case 'update':
            link.received(message.order, message.type === 'snapshot')
            break
          case 'token_expiring':
            link.renew(message.expires_in).then((token) => {
              if (token && socket.onmessage) socket.send(JSON.stringify({ type: 'auth', token }))
            })
            break
          case 'goodbye':
            finish(farewell(message.reason), String(message.reason), askedWait(message.retry_ms))
        }
      } catch {
        finish('lost', 'unreadable')
      }
    }
    socket.onclose = ({ code }) =>
      opened ? finish(closeKinds[code] ?? 'lost', `closed with ${code}`) : finish('refused', 'no WebSocket')
    socket.onerror = () => {} // onclose follows; the ws package throws when nobody listens
  }),
}
