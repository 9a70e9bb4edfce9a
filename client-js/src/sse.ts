import { createParser } from './sse-parser.ts'
import { endOf, request, take, type Transport } from './transport.ts'

/** Server-sent events over fetch. The native EventSource cannot carry an `Authorization` header,
 *  and stops for good at the first 401 or 503. */
export const sse: Transport = {
  name: 'sse',
  async open(link) {
    const response = await request(link, `sse?order=${encodeURIComponent(link.order)}`)
    // A portal answers with a page, and React Native's fetch has no body to read from.
    if (!response.body || !/event-stream/.test(response.headers.get('Content-Type')!)) return link.end(...endOf(response))

    let wait = ''
    const parse = createParser((event, data) => {
      if (event === 'retry') wait = data
      else take(link, event, () => JSON.parse(data), (token) => link.end('goodbye', '', 0, token))
    })
    for (const reader = response.body.getReader(); ;) {
      const chunk = await reader.read()
      if (chunk.done) return link.end('lost', 'ended', wait)
      parse(chunk.value)
      link.heard()
    }
  },
}
