import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { waitForPayment, type WatchError, watchOrder } from '../src/full.ts'
import type { WatchEvents } from '../src/options.ts'
import { all, answerPoll, aWhile, holdTimers, message, order, patient, snapshot, startGateway, startStream, until, update, versions, watch, ways, forbid, type Watched } from './server.ts'

/** Notes the events of a watch, in order. */
function listen(seen: Watched, ...events: (keyof WatchEvents)[]) {
  const told: string[] = []
  for (const event of events) seen.on(event, () => told.push(event))
  return told
}

describe('events', () => {
  it('requires_action comes after change, with the address', async (t) => {
    const action = { status: 'requires_action', final: false, action_url: 'https://bank.example/3ds' }
    const gateway = await startGateway(t, { websocket: (socket) => [snapshot(1), update(2, action), update(3)].forEach((text) => socket.send(text)) })
    const seen = watch(t, gateway)
    const told: unknown[] = []
    seen.on('change', ({ status }) => told.push(status))
    seen.on('requires_action', ({ action_url }) => told.push(action_url))
    await until('paid', () => seen.state?.version === 3)
    assert.deepEqual(told, ['created', 'requires_action', 'https://bank.example/3ds', 'paid'])
  })

  it('slow, then fresh: no word for 3 s', async (t) => {
    const timer = holdTimers(t, patient.slow)
    let answer = () => {}
    const gateway = await startGateway(t, { websocket: (socket) => { answer = () => socket.send(snapshot(1)) } })
    const seen = watch(t, gateway)
    const told = listen(seen, 'slow', 'stale', 'fresh')
    await until('the connection', () => gateway.asked.length === 1)
    timer.fire()
    await aWhile()
    answer()
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(told, ['slow', 'fresh'])
    assert.equal(timer.pending, 0)
  })

  it('stale, then fresh: a lost connection, and its return', async (t) => {
    const timer = holdTimers(t, patient.slow)
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
    const seen = watch(t, gateway)
    const told = listen(seen, 'slow', 'stale', 'fresh')
    await until('a state', () => seen.states.length === 1)
    gateway.behaviour = {}
    gateway.drop()
    await until('the loss', () => seen.transport === null && timer.pending === 1)
    timer.fire()
    gateway.behaviour = { websocket: (socket) => socket.send(snapshot(1)) }
    await until('the return', () => told.includes('fresh'))
    assert.deepEqual(told, ['stale', 'fresh'])
  })

  it('neither, when the connection is back soon', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(gateway.asked.length))
        if (gateway.asked.length === 1) socket.close()
      },
    })
    const seen = watch(t, gateway)
    const told = listen(seen, 'slow', 'stale', 'fresh')
    await until('the return', () => seen.state?.version === 2)
    await aWhile()
    assert.deepEqual(told, [])
  })

  it('tokenExpiring says how many seconds are left, also of a plain token', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => [snapshot(1), message('token_expiring', { expires_in: 30 })].forEach((text) => socket.send(text)) })
    const seen = watch(t, gateway)
    const left: number[] = []
    seen.on('tokenExpiring', (seconds) => left.push(seconds))
    await until('the event', () => left.length === 1)
    assert.deepEqual(left, [30])
  })

  it('a listener that is taken off, or throws, disturbs nobody', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => [snapshot(1), update(2)].forEach((text) => socket.send(text)) })
    const seen = watch(t, gateway)
    const told: string[] = []
    const off = seen.on('change', () => {
      told.push('first')
      off()
    })
    seen.on('change', ({ version }) => told.push(`second ${version}`))
    await until('both versions', () => seen.states.length === 2)
    assert.deepEqual(told, ['first', 'second 1', 'second 2'])
  })

  it('close comes once, and nothing after it', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
    const seen = watch(t, gateway)
    let closes = 0
    seen.on('close', () => {
      closes++
      seen.close()
    })
    await until('a state', () => seen.states.length === 1)
    seen.close()
    assert.equal(await seen.closed, undefined)
    assert.equal(closes, 1)
  })
})

describe('a limit of the gateway', () => {
  it('is reported, and obeyed', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        if (gateway.asked.length > 1) return socket.send(snapshot(1))
        socket.send(message('goodbye', { reason: 'too_many_connections_of_token', retry_ms: 400 }))
        socket.close(4429)
      },
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(seen.errors.map(({ code, fatal }) => [code, fatal]), [['busy', false]])
    assert.match(seen.errors[0]!.message, /too_many_connections_of_token/)
    assert.ok(gateway.asked[1]!.at - gateway.asked[0]!.at >= 399)
    assert.deepEqual(ways(gateway), ['websocket', 'websocket'])
  })

  it('is reported when only the close code says so', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => (gateway.asked.length > 1 ? socket.send(snapshot(1)) : socket.close(4429)) })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(seen.errors.map(({ code }) => code), ['busy'])
  })
})

describe('nonsense', () => {
  it('is fatal when the gateway says 4400, or 400 and 404 in its own form', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => socket.close(4400),
      sse: (response) => response.writeHead(400, { 'Content-Type': 'application/problem+json' }).end('{}'),
      poll: (response) => response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{}'),
    })
    for (const transport of Object.values(all)) {
      const failure = await watch(t, gateway, { transports: [transport] }).closed
      assert.deepEqual([failure?.code, failure?.fatal], ['invalid', true], transport.name)
    }
  })

  it('is not believed of a portal', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => response.writeHead(400, { 'Content-Type': 'text/html' }).end(),
      poll: answerPoll(() => order(1)),
    })
    const seen = watch(t, gateway)
    await until('a state', () => seen.states.length === 1)
    assert.equal(seen.transport, 'longpoll')
  })

  it('in the options throws', () => {
    const good = { url: 'https://pay.example.com', order: 'A1', token: 'token' }
    for (const wrong of [{ url: 'ftp://pay.example.com' }, { url: '' }, { order: '' }, { token: '' }, { transports: [] }]) {
      assert.throws(() => watchOrder({ ...good, ...wrong }), TypeError, JSON.stringify(wrong))
    }
  })
})

describe('climbing back', () => {
  it('takes the WebSocket again once it gets through, and keeps what is shown', async (t) => {
    const climb = holdTimers(t, patient.climb)
    const gateway = await startGateway(t, { sse: (response) => startStream(response, 1) })
    const seen = watch(t, gateway)
    await until('SSE', () => seen.transport === 'sse')
    const later = holdTimers(t, patient.climb * 2)
    climb.fire()
    await until('a vain try', () => later.pending === 1)
    assert.equal(seen.transport, 'sse')
    gateway.behaviour.websocket = (socket) => socket.send(snapshot(2))
    later.fire()
    await until('the WebSocket', () => seen.transport === 'websocket')
    assert.deepEqual(seen.ways, ['sse', 'websocket'])
    assert.deepEqual(versions(seen.states), [1, 2])
    assert.deepEqual(seen.errors.map(({ code }) => code), ['refused'])
  })

  it('leaves a transport that a proxy cuts again and again', async (t) => {
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(1))
        setTimeout(() => socket.terminate(), 5)
      },
      sse: (response) => startStream(response, 2),
    })
    const seen = watch(t, gateway, {}, { stable: 10_000 })
    await until('SSE', () => seen.transport === 'sse')
    assert.deepEqual(ways(gateway), ['websocket', 'websocket', 'websocket', 'sse'])
  })
})

describe('an async iterable', () => {
  it('gives the newest state that it has not given, and closes the watch when it is left', async (t) => {
    let send = (_: string) => {}
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        send = (text) => socket.send(text)
        send(snapshot(1))
      },
    })
    const watch = watchOrder({ url: gateway.url, order: 'A1', token: 'token', transports: [all.sse, all.websocket], WebSocket: (await import('ws')).WebSocket })
    const given: number[] = []
    for await (const { version } of watch) {
      given.push(version)
      if (version === 1) {
        send(update(2))
        send(update(3))
        await until('version 3', () => watch.state?.version === 3)
      }
      if (version === 3) break
    }
    assert.deepEqual(given, [1, 3])
    await watch.closed
  })

  it('throws the fatal error', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => forbid(response) })
    await assert.rejects(async () => {
      for await (const _ of watchOrder({ url: gateway.url, order: 'A1', token: 'token', transports: [all.sse] }));
    }, { name: 'WatchError', code: 'forbidden' })
  })

  it('ends when the watch is closed, also before it began', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => startStream(response) })
    const abort = new AbortController()
    const watch = watchOrder({ url: gateway.url, order: 'A1', token: 'token', transports: [all.sse], signal: abort.signal })
    for await (const _ of watch) abort.abort()
    const again: number[] = []
    for await (const { version } of watch) again.push(version)
    assert.deepEqual(again, [1])
  })
})

describe('waitForPayment', () => {
  const options = (url: string) => ({ url, order: 'A1', token: 'token', transports: [all.sse] })

  it('rejects when its time is over, and leaves nothing open', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => startStream(response) })
    await assert.rejects(waitForPayment({ ...options(gateway.url), timeout: 100 }), (error: WatchError) => error.code === 'timeout' && error.state?.version === 1)
  })

  it('rejects with the reason of an abort, and with a fatal error', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => startStream(response) })
    const reason = new Error('the customer went away')
    await assert.rejects(waitForPayment({ ...options(gateway.url), signal: AbortSignal.abort(reason) }), reason)
    gateway.behaviour.sse = (response) => forbid(response)
    await assert.rejects(waitForPayment(options(gateway.url)), { code: 'forbidden' })
    await assert.rejects(waitForPayment({ ...options(gateway.url), order: '' }), TypeError)
  })

  for (const [status, code] of [['expired', 'expired'], ['canceled', 'canceled'], ['refunded', 'refunded']] as const) {
    it(`rejects an order that is ${status}`, async (t) => {
      const gateway = await startGateway(t, { poll: answerPoll(() => order(2, { status, final: true })) })
      await assert.rejects(waitForPayment({ ...options(gateway.url), transports: [all.poll] }), { name: 'WatchError', code })
    })
  }

  it('waits on after a failed attempt, with any timeout', async (t) => {
    let now = order(2, { status: 'failed', final: false })
    const gateway = await startGateway(t, { poll: answerPoll(() => now) })
    const waiting = waitForPayment({ ...options(gateway.url), transports: [all.longpoll], timeout: Infinity })
    await until('the first answer', () => gateway.asked.length === 2)
    now = order(3)
    assert.equal((await waiting).version, 3)
  })
})

describe('ack', () => {
  it('tells the gateway what was shown, when it is asked to', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => startStream(response, 3) })
    const watch = watchOrder({ url: gateway.url, order: 'A1', token: 'token', transports: [all.sse], ack: true })
    t.after(() => watch.close())
    await until('the acknowledgement', () => gateway.asked.length === 2)
    assert.deepEqual([gateway.asked[1]!.url, gateway.asked[1]!.token], ['/v1/orders/A1/ack', 'token'])
  })
})
