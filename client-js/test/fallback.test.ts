import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { all, answerPoll, holdTimers, order, patient, snapshot, startGateway, startStream, until, watch, ways } from './server.ts'

describe('falling back', () => {
  const stream = (response: ServerResponse) => startStream(response)

  it('takes SSE at once when the upgrade is refused, and remembers it', async (t) => {
    let streams = 0
    let first!: ServerResponse
    const gateway = await startGateway(t, {
      sse: (response) => {
        if (++streams === 2) return void response.destroy() // once is no reason to leave it
        startStream(response, streams)
        if (streams === 1) first = response
      },
    })
    const seen = watch(t, gateway, { onChange: ({ version }) => version === 1 && first.destroy() })
    await until('the third stream', () => seen.state?.version === 3)
    assert.deepEqual(ways(gateway), ['websocket', 'sse', 'sse', 'sse'])
    assert.equal(seen.transport, 'sse')
  })

  it('takes SSE when the upgrade hangs', async (t) => {
    const answer = holdTimers(t, patient.answer)
    const gateway = await startGateway(t, { upgrade: () => {}, sse: stream })
    const seen = watch(t, gateway)
    await until('the upgrade', () => gateway.asked.length === 1)
    answer.fire()
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway), ['websocket', 'sse'])
  })

  it('takes SSE when the WebSocket opens twice and stays silent', async (t) => {
    const answer = holdTimers(t, patient.answer)
    const gateway = await startGateway(t, { websocket: () => {}, sse: stream })
    const seen = watch(t, gateway)
    for (const opened of [2, 4]) { // each connection starts one timer, and another when it has opened
      await until('the open WebSocket', () => answer.started === opened)
      answer.fire()
    }
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway), ['websocket', 'websocket', 'sse'])
  })

  it('takes polling when a proxy holds the stream back', async (t) => {
    const answer = holdTimers(t, patient.answer)
    const gateway = await startGateway(t, {
      sse: (response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders(),
      poll: answerPoll(() => order(1)),
    })
    const seen = watch(t, gateway)
    await until('the stream', () => gateway.asked.length === 2)
    answer.fire()
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway).slice(0, 3), ['websocket', 'sse', 'longpoll'])
    assert.equal(seen.transport, 'longpoll')
  })

  it('takes polling when a portal answers every stream with a page', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome to the hotel</h1>'),
      poll: answerPoll(() => order(1)),
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway).slice(0, 3), ['websocket', 'sse', 'longpoll'])
  })

  it('goes back to the WebSocket after an outage in which nothing answered', async (t) => {
    let rounds = 0 // of requests for the state
    const gateway = await startGateway(t, {
      upgrade: (_, socket) => socket.destroy(),
      sse: (response) => response.destroy(),
      poll: (response) => {
        if (++rounds === 3) {
          gateway.behaviour = { websocket: (socket) => socket.send(snapshot(1)), sse: stream, poll: answerPoll(() => order(1)) }
        }
        response.destroy()
      },
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.equal(seen.transport, 'websocket')
  })

  describe('over page loads', () => {
    /** The page's `sessionStorage`. */
    const store = (t: TestContext, storage: PropertyDescriptor) => {
      const before = Object.getOwnPropertyDescriptor(globalThis, 'sessionStorage')
      Object.defineProperty(globalThis, 'sessionStorage', { ...storage, configurable: true })
      t.after(() => before ? Object.defineProperty(globalThis, 'sessionStorage', before) : delete (globalThis as any).sessionStorage)
    }

    it('begins with what worked before, for ten minutes', async (t) => {
      store(t, { value: {} })
      const gateway = await startGateway(t, { sse: stream })
      const load = async () => {
        const asked = gateway.asked.length
        const seen = watch(t, gateway)
        await until('SSE', () => seen.transport === 'sse')
        seen.close()
        return ways(gateway).slice(asked)
      }
      assert.deepEqual(await load(), ['websocket', 'sse'])
      assert.deepEqual(await load(), ['sse'])
      const began = Date.now()
      let minutes = 9
      t.mock.method(Date, 'now', () => began + minutes * 60_000)
      assert.deepEqual(await load(), ['sse'])
      minutes = 11 // that it worked again two minutes ago makes it no younger
      assert.deepEqual(await load(), ['websocket', 'sse'])
    })

    it('says nothing of other transports', async (t) => {
      store(t, { value: {} })
      const gateway = await startGateway(t, { sse: stream, websocket: (socket) => socket.send(snapshot(1)) })
      const first = watch(t, gateway, { transports: [all.sse] })
      await until('SSE', () => first.transport === 'sse')
      const seen = watch(t, gateway)
      await until('the WebSocket', () => seen.transport === 'websocket')
      assert.deepEqual(ways(gateway), ['sse', 'websocket'])
    })

    it('finds another way when what worked before does no longer', async (t) => {
      const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
      store(t, { value: { [`paybell ${gateway.url}/ websocket,sse,longpoll,poll`]: `sse ${Date.now()}` } })
      const seen = watch(t, gateway)
      await until('a state', () => seen.transport === 'websocket')
      assert.equal(ways(gateway)[0], 'sse')
    })

    for (const [what, storage] of [
      ['forbids storage', { get: () => { throw new DOMException('no', 'SecurityError') } }],
      ['holds nonsense', { get: () => new Proxy({}, { get: () => 'x' }) }],
    ] as const) {
      it(`needs none: a page that ${what}`, async (t) => {
        store(t, storage)
        const gateway = await startGateway(t, { sse: stream })
        const seen = watch(t, gateway)
        await until('SSE', () => seen.transport === 'sse')
        assert.deepEqual(ways(gateway), ['websocket', 'sse'])
      })
    }
  })

  const skip = 'WebSocket' in globalThis && 'this Node has a WebSocket of its own'
  it('leaves the WebSocket out where there is none', { skip }, async (t) => {
    const gateway = await startGateway(t, { sse: stream })
    const seen = watch(t, gateway, { WebSocket: undefined })
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway), ['sse'])
  })

  it('throws when no transport is available', async (t) => {
    const gateway = await startGateway(t, {})
    assert.throws(() => watch(t, gateway, { transports: [] }), TypeError)
    assert.throws(() => watch(t, { ...gateway, url: 'not an address' }), TypeError)
  })
})
