import { askedWait } from './backoff.ts'
import { createParser, type StreamEvent } from './sse-parser.ts'
import { type End, endOf, farewell, type Link, request, type Transport } from './transport.ts'

/** Server-sent events over fetch. The native EventSource cannot carry an `Authorization` header,
 *  and stops for good at the first 401 or 503. */
export const sse: Transport = { name: 'sse', open: stream }

async function stream(link: Link): Promise<End> {
  const response = await request(link, `sse?order=${encodeURIComponent(link.order)}`, { Accept: 'text/event-stream' })
  if (response.status !== 200) return endOf(response)
  if (!/^text\/event-stream/.test(response.headers.get('Content-Type')!) || !response.body) {
    return { kind: 'refused', reason: 'no event stream' }
  }

  const reader = response.body.getReader()
  const end: End = { kind: 'lost', reason: 'stream ended', wait: 0 }
  let over = false
  const stop = () => reader.cancel().catch(() => {}) // a read that waits then sees the end
  const finish = (news: Partial<End>) => {
    Object.assign(end, news)
    over = true
    stop()
  }

  const onEvent = ({ event, data }: StreamEvent) => {
    if (over) return
    switch (event) {
      case 'snapshot':
      case 'update':
        return link.received(JSON.parse(data), event === 'snapshot')
      case 'token_expiring':
        return void link.renew(JSON.parse(data).expires_in).then((token) => {
          if (token && !over) finish({ kind: 'goodbye', token })
        })
      case 'goodbye': {
        const { reason, retry_ms } = JSON.parse(data)
        finish({ kind: farewell(reason), reason: String(reason), wait: askedWait(retry_ms) })
      }
    }
  }
  const parse = createParser(onEvent, (ms) => { end.wait = askedWait(ms) })
  try {
    while (!over) {
      const { done, value } = await reader.read()
      if (done) break
      link.heard()
      parse(value)
    }
  } finally {
    stop() // also when an event could not be read
  }
  return end
}
