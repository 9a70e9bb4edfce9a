import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createParser } from '../src/sse-parser.ts'

interface StreamEvent { event: string; data: string }

function parse(bytes: Uint8Array, cuts: number[]): { events: StreamEvent[]; retries: string[] } {
  const events: StreamEvent[] = []
  const retries: string[] = []
  const push = createParser((event, data) => (event === 'retry' ? retries.push(data) : events.push({ event, data })))
  const edges = [0, ...cuts, bytes.length]
  for (let i = 1; i < edges.length; i++) push(bytes.subarray(edges[i - 1], edges[i]))
  return { events, retries }
}

const one = (data: string, event = '') => [{ event, data }]

const cases: [name: string, text: string, events: StreamEvent[], retries?: string[]][] = [
  ['LF', 'event: update\ndata: a\n\n', one('a', 'update')],
  ['CR', 'event: update\rdata: a\r\r', one('a', 'update')],
  ['CRLF', 'event: update\r\ndata: a\r\n\r\n', one('a', 'update')],
  ['all three line ends', 'event: update\rdata: a\r\ndata: b\n\r\n', one('a\nb', 'update')],
  ['byte order mark', '\uFEFFdata: a\n\n', one('a')],
  ['a second byte order mark is text', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', one('b')],
  ['data of many lines', 'data: a\ndata:\ndata: b\n\n', one('a\n\nb')],
  ['one leading space only', 'data:  a\ndata:b\n\n', one(' a\nb')],
  ['a colon in the value', 'data: {"a":"b:c"}\n\n', one('{"a":"b:c"}')],
  ['a field without colon', 'data\n\n', one('')],
  ['comments', ':\n: heartbeat\ndata: a\n:x\n\n:\n\n', one('a')],
  ['an event without data is dropped with its name', 'event: update\n\ndata: a\n\n', one('a')],
  ['unknown fields and ids', 'id: e.1\nfoo: bar\n data: x\ndata: a\n\n', one('a')],
  ['an unfinished event is never told', 'data: a\n\ndata: b\n', one('a')],
  ['retry is told at once', 'retry: 1500\ndata: a\n', [], ['1500']],
  ['characters of two to four bytes', 'data: ü€𝄞\n\n', one('ü€𝄞')],
  ['two events', 'data: a\n\nevent: x\ndata: b\n\n', [...one('a'), ...one('b', 'x')]],
]

describe('event stream', () => {
  for (const [name, text, events, retries = []] of cases) {
    it(`${name}, cut at every byte and into single bytes`, () => {
      const bytes = new TextEncoder().encode(text)
      const wanted = { events, retries }
      for (let cut = 0; cut <= bytes.length; cut++) {
        assert.deepEqual(parse(bytes, [cut]), wanted, `cut at ${cut}`)
      }
      assert.deepEqual(parse(bytes, [...bytes.keys()]), wanted, 'single bytes')
    })
  }

  it('tells an event that ends in CR without waiting for what follows', () => {
    assert.deepEqual(parse(new TextEncoder().encode('data: a\r\r'), []).events, one('a'))
  })

  it('takes a long line in many chunks', () => {
    const text = 'x'.repeat(200_000)
    const bytes = new TextEncoder().encode(`data: ${text}\n\n`)
    const cuts = Array.from({ length: 199 }, (_, i) => (i + 1) * 1000)
    assert.deepEqual(parse(bytes, cuts).events, one(text))
  })
})
