import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readState } from '../src/protocol.ts'
import { createParser } from '../src/sse-parser.ts'
import { order } from './server.ts'

// What the gateway's own tests say that it sends. Without the folder this fails, on purpose.
const golden = new URL('../../hub/testdata/messages/', import.meta.url)
const names = readdirSync(golden).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
const read = (name: string) => readFileSync(new URL(name, golden))

describe('golden messages', () => {
  it('are there, one of each type', () =>
    assert.deepEqual(names.sort(), ['goodbye', 'ping', 'snapshot', 'token_expiring', 'update']))

  for (const name of names) {
    const { type, ...fields } = JSON.parse(String(read(`${name}.json`)))

    it(`${name}.json`, () => {
      assert.equal(type, name)
      switch (type) {
        case 'snapshot':
        case 'update':
          assert.equal(readState(fields.order), fields.order)
          assert.deepEqual(Object.keys(fields.order), Object.keys(order(1)))
          break
        case 'token_expiring':
          assert.equal(typeof fields.expires_in, 'number')
          break
        case 'goodbye':
          assert.equal(typeof fields.reason, 'string')
          assert.equal(typeof fields.retry_ms, 'number')
      }
    })

    it(`${name}.sse says the same`, () => {
      const events: [event: string, data: string][] = []
      createParser((event, data) => event === 'retry' || events.push([event, data]))(read(`${name}.sse`))
      const wanted = type === 'ping' ? [] : [[type, fields.order ?? fields]]
      assert.deepEqual(events.map(([event, data]) => [event, JSON.parse(data)]), wanted)
    })
  }
})
