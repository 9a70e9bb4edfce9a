import { askedWait, retryAfter } from './backoff.ts'
import { createParser, type StreamEvent } from './sse-parser.ts'
import { type End, endOf, farewell, type Link, type Transport } from './transport.ts'

/** Server-sent events over fetch. The native EventSource cannot carry an `Authorization` header,
 *  and stops for good at the first 401 or 503. */
export const sse: Transport = { name: 'sse', open: stream }

async function stream(link: Link): Promise<End> {
  const response = await link.fetch(`${link.base}v1/sse?order=${encodeURIComponent(link.order)}`, {
    headers: { Accept: 'text/event-stream', Authorization: 'Bearer ' + link.token },
    cache: 'no-store',
    signal: link.signal,
  })
  if (response.status !== 200) return endOf(response, retryAfter(response.headers.get('Retry-After')))
  if (!response.headers.get('Content-Type')?.startsWith('text/event-stream') || !response.body) {
    return { kind: 'refused', reason: 'not an event stream' }
  }

  const reader = response.body.getReader()
  const end: End = { kind: 'lost', reason: 'stream ended', wait: 0 }
  let over = false
  const finish = (kind: End['kind'], reason: string) => {
    end.kind = kind
    end.reason = reason
    over = true
    return reader.cancel().catch(() => {}) // a read that waits then sees the end
  }

  const onEvent = ({ event, data }: StreamEvent) => {
    if (over) return
    switch (event) {
      case 'snapshot':
      case 'update':
        return link.received(JSON.parse(data), event === 'snapshot')
      case 'token_expiring':
        return void link.renew(JSON.parse(data).expires_in).then((token) => {
          if (!token || over) return
          end.token = token
          finish('goodbye', 'new token')
        })
      case 'goodbye': {
        const { reason, retry_ms } = JSON.parse(data)
        end.wait = askedWait(retry_ms)
        finish(farewell(reason), String(reason))
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
    reader.cancel().catch(() => {}) // also when an event could not be read
  }
  return end
}
