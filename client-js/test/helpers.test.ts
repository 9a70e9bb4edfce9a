import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { askedWait, retryAfter, retryDelay } from '../src/backoff.ts'
import { createLadder } from '../src/ladder.ts'
import { entityTag, isNews, readState } from '../src/protocol.ts'
import type { EndKind } from '../src/transport.ts'
import { order } from './server.ts'

describe('backoff', () => {
  it('is spread over a span that doubles from 500 ms to 30 s', () => {
    const spans = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
    spans.forEach((span, attempt) => {
      assert.equal(retryDelay(attempt, () => 0), 0)
      assert.equal(retryDelay(attempt, () => 0.5), span / 2)
      assert.ok(retryDelay(attempt, () => 0.999_999) < span)
    })
    assert.equal(retryDelay(5000, () => 0.5), 15_000)
  })

  it('reads Retry-After as seconds or as a date', (t) => {
    t.mock.method(Date, 'now', () => Date.parse('2026-11-23T08:00:00Z'))
    const wait = (header: string | null) => askedWait(retryAfter(header))
    assert.equal(wait('3'), 3000)
    assert.equal(wait('Mon, 23 Nov 2026 08:00:05 GMT'), 5000)
    assert.equal(wait('Mon, 23 Nov 2026 07:00:00 GMT'), 0)
    for (const nonsense of [null, '', 'soon', '-1', '0']) assert.equal(wait(nonsense), 0)
  })

  it('does not let a slip of the gateway end the waiting', () => {
    for (const nonsense of [undefined, null, 'x', NaN, -5, {}]) assert.equal(askedWait(nonsense), 0)
    assert.equal(askedWait(1e12), 300_000)
    assert.equal(askedWait(1200), 1200)
  })
})

describe('version rules', () => {
  const shown = order(3)
  const table: [string, ReturnType<typeof order>, boolean, boolean][] = [
    ['a higher version', order(4), false, true],
    ['a much higher version', order(40), false, true],
    ['the same version', order(3), true, false],
    ['a lower version, even as a snapshot', order(2), true, false],
    ['another epoch as a snapshot', order(1, { epoch: 'e2' }), true, true],
    ['another epoch as an update', order(9, { epoch: 'e2' }), false, false],
  ]
  for (const [name, next, snapshot, wanted] of table) {
    it(`${name}: ${wanted ? 'shown' : 'passed over'}`, () => assert.equal(isNews(shown, next, snapshot), wanted))
  }

  it('shows whatever comes first', () => assert.equal(isNews(undefined, order(0), true), true))
  it('makes the entity tag from epoch and version', () => assert.equal(entityTag(shown), '"e1.3"'))

  it('refuses what is not a state', () => {
    assert.equal(readState({ ...order(1), surprise: true }).version, 1)
    const wrong = [null, 1, 'x', [], {}, { ...order(1), version: '1' }, { ...order(1), version: NaN },
      { ...order(1), version: null }, { ...order(1), epoch: null }]
    for (const value of wrong) assert.throws(() => readState(value), JSON.stringify(value))
  })
})

describe('ladder', () => {
  const climb = (ladder: ReturnType<typeof createLadder>, ...kinds: EndKind[]) =>
    kinds.map((kind) => `${ladder.missed(kind) ? 'next' : 'wait'} ${ladder.at}`)

  it('leaves a refused transport at once, and one lost twice', () => {
    assert.deepEqual(climb(createLadder(3), 'refused'), ['next 1'])
    assert.deepEqual(climb(createLadder(3), 'lost', 'lost'), ['wait 0', 'next 1'])
  })

  it('begins every round with the first when nothing answers at all', () => {
    assert.deepEqual(climb(createLadder(3), 'refused', 'lost', 'refused', 'lost', 'lost', 'lost'),
      ['next 1', 'wait 0', 'next 1', 'next 2', 'wait 0', 'wait 0'])
  })

  it('does not blame a transport for a busy gateway or a stale token', () => {
    assert.deepEqual(climb(createLadder(3), 'busy', 'busy', 'busy', 'unauthorized', 'unauthorized', 'goodbye'), Array(6).fill('wait 0'))
  })

  it('begins with the one that worked, and goes round', () => {
    const ladder = createLadder(3)
    climb(ladder, 'refused')
    ladder.worked(1)
    assert.deepEqual(climb(ladder, 'lost', 'lost', 'refused', 'refused'), ['wait 1', 'next 2', 'next 0', 'wait 1'])
  })

  it('begins with the one that is known to work', () => {
    assert.deepEqual(climb(createLadder(3, 1), 'refused', 'refused', 'refused'), ['next 2', 'next 0', 'wait 1'])
  })

  it('waits between tries when there is only one', () => {
    assert.deepEqual(climb(createLadder(1), 'refused', 'lost', 'lost'), ['wait 0', 'wait 0', 'wait 0'])
  })
})

describe('dist/paybell.js', () => {
  it('defines Paybell without a DOM', async () => {
    await import(new URL('../dist/paybell.js', import.meta.url).href)
    assert.equal(typeof (globalThis as any).Paybell.watchOrder, 'function')
  })
})
