import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { WebSocket } from 'ws'
import { aWhile, holdTimers, message, patient, snapshot, startGateway, tokens, until, update, versions, watch, ways } from './server.ts'

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
    const silence = holdTimers(t, patient.silence)
    let server!: WebSocket
    let connection = 0
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        server = socket
        socket.send(snapshot(++connection))
      },
    })
    const seen = watch(t, gateway)
    await until('the snapshot', () => seen.transport === 'websocket')
    silence.fire()
    await until('the reconnect', () => seen.state?.version === 2)
    for (let pings = 0; pings < 3; pings++) {
      const { started } = silence
      server.send(message('ping'))
      await until('the ping', () => silence.started > started)
      assert.equal(silence.pending, 1)
    }
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
        socket.send(message('token_expiring', { expires_in: 0 }))
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

  it('calls 4401 after a delivery no trouble when there is a token function', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(gateway.asked.length))
        if (gateway.asked.length === 1) socket.close(4401)
      },
    })
    const seen = watch(t, gateway, { token: () => 'token' })
    await until('the second snapshot', () => seen.state?.version === 2)
    assert.deepEqual(seen.errors, [])
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
    await aWhile()
    assert.equal(gateway.asked.length, 1)
  })
})
