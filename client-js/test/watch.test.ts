import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WebSocket } from 'ws'
import type { OrderState } from '../src/protocol.ts'
import { answerPoll, message, order, sendEvent, startGateway, startStream, until, watch, type Gateway } from './gateway.ts'

const versions = (states: OrderState[]) => states.map((state) => state.version)
const ways = (gateway: Gateway) => gateway.asked.map(({ way }) => way)
const tokens = (gateway: Gateway) => gateway.asked.map(({ token }) => token)
const snapshot = (version: number, fields = {}) => message('snapshot', { order: order(version, fields) })
const update = (version: number, fields = {}) => message('update', { order: order(version, fields) })

describe('websocket', () => {
  it('shows the snapshot and every newer version, and tells how it came', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => [snapshot(1), message('ping'), update(2), update(5)].forEach((text) => socket.send(text)),
    })
    const seen = watch(t, gateway)
    await until('version 5', () => seen.state?.version === 5)
    assert.deepEqual(versions(seen.states), [1, 2, 5])
    assert.deepEqual(seen.ways, ['websocket'])
    assert.equal(seen.transport, 'websocket')
    assert.equal(seen.arrivals[0]!.transport, 'websocket')
    assert.ok(Math.abs(seen.arrivals[0]!.receivedAt - Date.now()) < 60_000)
    assert.deepEqual(gateway.asked.map(({ way, token, url }) => [way, token, url]), [['websocket', 'token', '/v1/ws?order=A1']])
  })

  it('passes over unknown and binary messages, other orders, repeated and older versions', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => [
        snapshot(3), message('fireworks', { order: 7 }), update(9, { order: 'B2' }), update(3), update(2), Buffer.from(update(8)),
        update(4, { surprise: { deep: true } }),
      ].forEach((data) => socket.send(data)),
    })
    const seen = watch(t, gateway)
    await until('version 4', () => seen.state?.version === 4)
    assert.deepEqual(versions(seen.states), [3, 4])
    assert.deepEqual(seen.errors, [])
  })

  it('believes another epoch as a snapshot only', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => [snapshot(7), update(8, { epoch: 'e2' }), snapshot(1, { epoch: 'e2' }), update(2, { epoch: 'e2' })]
        .forEach((text) => socket.send(text)),
    })
    const seen = watch(t, gateway)
    await until('three states', () => seen.states.length === 3)
    assert.deepEqual(seen.states.map(({ epoch, version }) => `${epoch}.${version}`), ['e1.7', 'e2.1', 'e2.2'])
  })

  it('comes back with the newest state after a connection cut in mid-frame', async (t) => {
    let connection = 0
    const gateway = await startGateway(t, {
      websocket: (socket, request) => {
        socket.send(snapshot(++connection))
        // A text frame that promises 100 bytes and ends after three.
        if (connection === 1) setTimeout(() => request.socket.end(Buffer.from([0x81, 100, 0x7b, 0x22, 0x74])), 20)
      },
    })
    const seen = watch(t, gateway)
    await until('the second snapshot', () => seen.state?.version === 2)
    assert.deepEqual(ways(gateway), ['websocket', 'websocket'])
    assert.deepEqual(seen.ways, ['websocket', null, 'websocket'])
    assert.equal(seen.errors[0]!.fatal, false)
  })

  it('reconnects when nothing at all is heard, and not while there are pings', async (t) => {
    const pinging = (socket: WebSocket) => {
      const timer = setInterval(() => socket.send(message('ping')), 100)
      socket.on('close', () => clearInterval(timer))
    }
    let connection = 0
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(++connection))
        if (connection === 2) pinging(socket)
      },
    })
    const seen = watch(t, gateway)
    await until('the reconnect', () => seen.state?.version === 2)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(connection, 2)
  })

  it('obeys the wait in a goodbye, and does not call it an error', async (t) => {
    let connection = 0
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(++connection))
        if (connection === 1) {
          socket.send(message('goodbye', { reason: 'drain', retry_ms: 400 }))
          socket.close(1001)
        }
      },
    })
    const seen = watch(t, gateway)
    await until('the reconnect', () => connection === 2)
    assert.ok(gateway.asked[1]!.at - gateway.asked[0]!.at >= 399)
    assert.deepEqual(seen.errors, [])
  })

  it('sends a new token on the same connection before the old one expires', async (t) => {
    const said: string[] = []
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.on('message', (data) => {
          said.push(String(data))
          socket.send(update(2))
        })
        socket.send(snapshot(1))
        socket.send(message('token_expiring', { expires_in: 30 }))
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { token: async () => `token-${++asked}` })
    await until('the answer to auth', () => seen.state?.version === 2)
    assert.deepEqual(said.map((text) => JSON.parse(text)), [{ type: 'auth', token: 'token-2' }])
    assert.deepEqual(tokens(gateway), ['token-1'])
  })

  it('asks for a new token after 4401', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => (gateway.asked.length < 5 ? socket.close(4401) : socket.send(snapshot(1))),
    })
    let asked = 0
    const seen = watch(t, gateway, { token: () => `token-${++asked}` })
    await until('the snapshot', () => seen.states.length === 1)
    assert.deepEqual(tokens(gateway), [1, 2, 3, 4, 5].map((n) => `token-${n}`))
    assert.ok(seen.errors.every(({ code, fatal }) => code === 'unauthorized' && !fatal))
  })

  it('gives up a plain token after it was refused three times', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.close(4401) })
    const seen = watch(t, gateway)
    await until('the fatal error', () => seen.errors.some(({ fatal }) => fatal))
    assert.deepEqual(seen.errors.map(({ code, fatal }) => [code, fatal]),
      [['unauthorized', false], ['unauthorized', false], ['unauthorized', true]])
    assert.equal(gateway.asked.length, 3)
  })

  it('stops at 4403 and says so', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.close(4403) })
    const seen = watch(t, gateway)
    await until('the fatal error', () => seen.errors.length === 1)
    assert.equal(seen.errors[0]!.code, 'forbidden')
    assert.equal(seen.errors[0]!.fatal, true)
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(gateway.asked.length, 1)
  })
})

describe('falling back', () => {
  const stream = (response: Parameters<typeof startStream>[0]) => startStream(response)

  it('takes SSE at once when the upgrade is refused, and remembers it', async (t) => {
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        if (++streams === 2) return void response.destroy() // once is no reason to leave it
        startStream(response, streams)
        if (streams === 1) setTimeout(() => response.destroy(), 30)
      },
    })
    const seen = watch(t, gateway)
    await until('the third stream', () => seen.state?.version === 3)
    assert.deepEqual(ways(gateway), ['websocket', 'sse', 'sse', 'sse'])
    assert.equal(seen.transport, 'sse')
  })

  it('takes SSE when the upgrade hangs', async (t) => {
    const gateway = await startGateway(t, { upgrade: () => {}, sse: stream })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway), ['websocket', 'sse'])
  })

  it('takes SSE when the WebSocket opens twice and stays silent', async (t) => {
    const gateway = await startGateway(t, { websocket: () => {}, sse: stream })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway), ['websocket', 'websocket', 'sse'])
  })

  it('takes polling when a proxy holds the stream back', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders(),
      poll: answerPoll(() => order(1)),
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway).slice(0, 3), ['websocket', 'sse', 'poll'])
    assert.equal(seen.transport, 'poll')
  })

  it('takes polling when a portal answers every stream with a page', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome to the hotel</h1>'),
      poll: answerPoll(() => order(1)),
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(ways(gateway).slice(0, 3), ['websocket', 'sse', 'poll'])
  })

  it('goes back to the WebSocket after an outage in which nothing answered', async (t) => {
    let rounds = 0
    const gateway = await startGateway(t, {
      upgrade: (_, socket) => socket.destroy(),
      sse: (response) => response.destroy(),
      poll: (response) => {
        if (++rounds === 2) {
          gateway.behaviour = { websocket: (socket) => socket.send(snapshot(1)), sse: stream, poll: answerPoll(() => order(1)) }
        }
        response.destroy()
      },
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.equal(seen.transport, 'websocket')
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

describe('sse', () => {
  const options = { transports: ['sse'] as const }

  it('shows snapshot and updates, and passes over the unknown', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response)
        response.write(': heartbeat\n\n')
        sendEvent(response, 'fireworks', 'x')
        sendEvent(response, 'update', order(2))
        sendEvent(response, 'update', order(2))
      },
    })
    const seen = watch(t, gateway, options)
    await until('version 2', () => seen.state?.version === 2)
    assert.deepEqual(versions(seen.states), [1, 2])
    assert.deepEqual(gateway.asked.map(({ token, url }) => [token, url]), [['token', '/v1/sse?order=A1']])
  })

  it('obeys retry: and goodbye', async (t) => {
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response, ++streams)
        if (streams === 1) response.end('retry: 300\n\n')
        if (streams === 2) sendEvent(response, 'goodbye', { reason: 'drain', retry_ms: 500 })
      },
    })
    const seen = watch(t, gateway, options)
    await until('the third stream', () => seen.state?.version === 3)
    const [first, second, third] = gateway.asked.map(({ at }) => at) as [number, number, number]
    assert.ok(second - first >= 299, `${second - first}`)
    assert.ok(third - second >= 499, `${third - second}`)
  })

  it('moves to a new token before the old one expires', async (t) => {
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response, ++streams)
        if (streams === 1) sendEvent(response, 'token_expiring', { expires_in: 30 })
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { ...options, token: () => `token-${++asked}` })
    await until('the second stream', () => seen.state?.version === 2)
    assert.deepEqual(tokens(gateway), ['token-1', 'token-2'])
    assert.deepEqual(seen.errors, [])
  })

  it('keeps its connection when the token function has no newer token', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response)
        sendEvent(response, 'token_expiring', { expires_in: 30 })
        setTimeout(() => sendEvent(response, 'update', order(2)), 100)
      },
    })
    const seen = watch(t, gateway, { ...options, token: () => 'the same' })
    await until('version 2', () => seen.state?.version === 2)
    assert.equal(gateway.asked.length, 1)
  })

  it('reconnects when an event cannot be read', async (t) => {
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response, ++streams)
        if (streams === 1) response.write('event: update\ndata: {"order":\n\n')
      },
    })
    const seen = watch(t, gateway, options)
    await until('the second stream', () => seen.state?.version === 2)
    assert.equal(seen.errors[0]!.code, 'lost')
  })

  it('reconnects when heartbeats stop, and not while they come', async (t) => {
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response, ++streams)
        if (streams === 1) return
        const timer = setInterval(() => response.write(':\n\n'), 100)
        response.on('close', () => clearInterval(timer))
      },
    })
    const seen = watch(t, gateway, options)
    await until('the second stream', () => seen.state?.version === 2)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    assert.equal(streams, 2)
  })
})

describe('poll', () => {
  const options = { transports: ['poll'] as const }

  it('asks at once, then waits for news with the entity tag it has', async (t) => {
    let current = order(1)
    const tags: (string | undefined)[] = []
    const answer = answerPoll(() => current)
    const gateway = await startGateway(t, {
      poll: (response, request) => {
        tags.push(request.headers['if-none-match'])
        answer(response, request)
      },
    })
    const seen = watch(t, gateway, options)
    await until('version 1', () => seen.state?.version === 1)
    current = order(2)
    await until('version 2', () => seen.state?.version === 2)
    await until('the next request', () => tags.length >= 3)
    assert.deepEqual(tags.slice(0, 3), [undefined, '"e1.1"', '"e1.2"'])
    assert.deepEqual(gateway.asked.slice(0, 2).map(({ url }) => url), ['/v1/orders/A1?wait=25', '/v1/orders/A1?wait=25'])
    assert.deepEqual(seen.ways, ['poll'])
  })

  it('writes the order into the path as one element', async (t) => {
    const gateway = await startGateway(t, { poll: answerPoll(() => order(1, { order: 'a/b?c#d' })) })
    const seen = watch(t, gateway, { ...options, order: 'a/b?c#d' })
    await until('a state', () => seen.states.length === 1)
    assert.equal(gateway.asked[0]!.url, '/v1/orders/a%2Fb%3Fc%23d?wait=25')
  })

  it('obeys Retry-After on an answer', async (t) => {
    const gateway = await startGateway(t, {
      poll: (response) => response.writeHead(200, { 'Retry-After': '1' }).end(JSON.stringify(order(gateway.asked.length))),
    })
    const seen = watch(t, gateway, options)
    await until('two answers', () => seen.states.length === 2)
    assert.ok(gateway.asked[1]!.at - gateway.asked[0]!.at >= 999)
  })

  it('does not become a tight loop when requests are not held', async (t) => {
    const gateway = await startGateway(t, {
      poll: (response, request) => (request.headers['if-none-match'] ? response.writeHead(304).end() : response.end(JSON.stringify(order(1)))),
    })
    watch(t, gateway, options)
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal(gateway.asked.length, 2)
  })
})

describe('refusals over HTTP', () => {
  for (const way of ['sse', 'poll'] as const) {
    const options = { transports: [way] as const }
    const refuse = (status: number, headers = {}) => ({ [way]: (response: Parameters<typeof startStream>[0]) => response.writeHead(status, headers).end() })

    it(`${way}: 401 asks for a new token, and gives up a plain one after three`, async (t) => {
      const gateway = await startGateway(t, refuse(401))
      let asked = 0
      const renewing = watch(t, gateway, { ...options, token: () => `token-${++asked}` })
      await until('four tries', () => asked >= 4)
      assert.ok(renewing.errors.every(({ fatal }) => !fatal))
      renewing.close()
      const plain = watch(t, gateway, options)
      await until('the fatal error', () => plain.errors.some(({ fatal }) => fatal))
      assert.equal(plain.errors.length, 3)
    })

    it(`${way}: 403 is the end`, async (t) => {
      const gateway = await startGateway(t, refuse(403))
      const seen = watch(t, gateway, options)
      await until('the fatal error', () => seen.errors.length === 1)
      assert.deepEqual([seen.errors[0]!.code, seen.errors[0]!.fatal], ['forbidden', true])
      assert.match(seen.errors[0]!.message, /403/)
    })

    it(`${way}: 429 is obeyed, and no reason to try another transport`, async (t) => {
      const gateway = await startGateway(t, refuse(429, { 'Retry-After': '1' }))
      const other = way === 'sse' ? 'poll' : 'sse'
      const seen = watch(t, gateway, { transports: [way, other] })
      await until('three tries', () => gateway.asked.length === 3)
      const times = gateway.asked.map(({ at }) => at)
      assert.ok(times[1]! - times[0]! >= 999 && times[2]! - times[1]! >= 999)
      assert.deepEqual(ways(gateway), [way, way, way])
      assert.ok(seen.errors.every(({ code }) => code === 'busy'))
    })
  }
})

describe('the handle', () => {
  it('tells nothing after close, on any transport', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(1))
        socket.send(update(2))
      },
      sse: (response) => {
        startStream(response)
        sendEvent(response, 'update', order(2))
      },
      poll: answerPoll(() => order(1)),
    })
    for (const way of ['websocket', 'sse', 'poll'] as const) {
      const asked = gateway.asked.length
      const seen = watch(t, gateway, { transports: [way], onChange: () => seen.close() })
      await until('a state', () => seen.states.length === 1)
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.deepEqual(versions(seen.states), [1], way)
      assert.equal(seen.transport, null)
      assert.deepEqual(seen.errors, [])
      assert.equal(gateway.asked.length, asked + 1)
    }
  })

  it('does not wait on when the device comes online, and hears nothing of that after close', async (t) => {
    const device = new EventTarget()
    const own = { addEventListener: device.addEventListener.bind(device), removeEventListener: device.removeEventListener.bind(device) }
    const before = { addEventListener: globalThis.addEventListener, removeEventListener: globalThis.removeEventListener }
    Object.assign(globalThis, own)
    t.after(() => Object.assign(globalThis, before))

    const gateway = await startGateway(t, { websocket: (socket) => socket.close() })
    const seen = watch(t, gateway, { transports: ['websocket'], random: () => 1000 })
    await until('the loss', () => seen.errors.length === 1)
    device.dispatchEvent(new Event('online'))
    await until('the second try', () => seen.errors.length === 2)
    seen.close()
    device.dispatchEvent(new Event('online'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(gateway.asked.length, 2)
  })

  it('lives on when the token function rejects', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
    let asked = 0
    const seen = watch(t, gateway, {
      token: async () => {
        if (++asked < 3) throw new Error('shop is away')
        return 'token'
      },
    })
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(seen.errors.map(({ code, fatal }) => [code, fatal]), [['token', false], ['token', false]])
  })

  it('keeps the token out of every error', async (t) => {
    const gateway = await startGateway(t, {})
    const seen = watch(t, gateway, { token: 'canary-token' })
    await until('errors of each transport', () => seen.errors.length >= 6)
    assert.ok(seen.errors.every((error) => !`${error.message} ${error.stack}`.includes('canary')))
  })
})
