import { kinds, take, type Transport, type WebSocketLike } from './transport.ts'

const protocol = 'paybell.v1'

/** WebSocket with the sub-protocol `paybell.v1`. The token is offered as a second sub-protocol,
 *  because a browser lets a page set no header here and a URL would end up in logs. */
export const websocket: Transport = {
  name: 'websocket',
  open(link) {
    const { WebSocket = globalThis.WebSocket } = link.options
    if (!WebSocket) return link.end('refused', 'none here')
    const address = `${link.base.replace(/^http/, 'ws')}v1/ws?order=${encodeURIComponent(link.order)}`
    const socket: WebSocketLike = new WebSocket(address, [protocol, 'bearer.' + link.token])
    link.signal.addEventListener('abort', () => socket.close()) // what it says after this is not heard
    socket.onopen = () => (socket.protocol === protocol ? link.heard() : link.end('refused', 'not Paybell'))
    socket.onmessage = ({ data }) => {
      try {
        if (typeof data === 'string') {
          const message = JSON.parse(data)
          take(link, message.type, () => message.order ?? message, (token) => socket.send(JSON.stringify({ type: 'auth', token })))
        }
        link.heard()
      } catch {
        link.end('lost', 'unreadable')
      }
    }
    socket.onclose = ({ code }) => link.end(kinds[code - 4000] ?? (socket.protocol ? 'lost' : 'refused'), `closed: ${code}`)
    socket.onerror = () => {} // onclose follows; the ws package throws when nobody listens
  },
}
