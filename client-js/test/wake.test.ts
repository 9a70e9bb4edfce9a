import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { all, answerPoll, aWhile, holdTimers, order, patient, snapshot, startGateway, startStream, until, watch, ways } from './server.ts'

class Target extends EventTarget {
  listeners = 0
  hidden = false
  override addEventListener(...args: Parameters<EventTarget['addEventListener']>) {
    this.listeners++
    super.addEventListener(...args)
  }
  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>) {
    this.listeners--
    super.removeEventListener(...args)
  }
}

/** A browser's window and document, and a clock that can be put forward as sleep does. */
function startDevice(t: TestContext) {
  const window = new Target()
  const document = new Target()
  const before = Object.getOwnPropertyDescriptors(globalThis)
  Object.assign(globalThis, {
    document,
    addEventListener: window.addEventListener.bind(window),
    removeEventListener: window.removeEventListener.bind(window),
  })
  t.after(() => {
    for (const name of ['document', 'addEventListener', 'removeEventListener'] as const) {
      if (before[name]) Object.defineProperty(globalThis, name, before[name])
      else delete (globalThis as any)[name]
    }
  })
  const now = Date.now
  let slept = 0
  t.mock.method(Date, 'now', () => now() + slept)
  return {
    document,
    listeners: () => window.listeners + document.listeners,
    sleep: (ms: number) => { slept += ms },
    tell: (type: string) => window.dispatchEvent(new Event(type)),
  }
}

const events = ['online', 'pageshow', 'visibilitychange'] as const

describe('a device that wakes', () => {
  for (const event of events) {
    it(`${event}: does not wait on, and does not listen after close`, async (t) => {
      const device = startDevice(t)
      const wait = holdTimers(t, 500)
      const gateway = await startGateway(t, { websocket: (socket) => socket.close() })
      const seen = watch(t, gateway, { transports: [all.websocket], random: () => 1 })
      await until('the wait', () => wait.pending === 1)
      device.tell(event)
      assert.equal(wait.pending, 0)
      await until('the second try', () => seen.errors.length === 2)
      assert.equal(device.listeners(), 7)
      seen.close()
      assert.equal(device.listeners(), 0)
      device.tell(event)
      await aWhile()
      assert.deepEqual(ways(gateway).filter((way) => way === 'websocket').length, 2)
    })

    it(`${event}: waits as long as the gateway asked, and not longer after a sleep`, async (t) => {
      const device = startDevice(t)
      const wait = holdTimers(t, 120_000)
      const gateway = await startGateway(t, { sse: (response) => response.writeHead(503, { 'Retry-After': '120' }).end() })
      watch(t, gateway, { transports: [all.sse], random: () => 0 })
      await until('the wait', () => wait.pending === 1)
      device.sleep(60_000)
      device.tell(event)
      assert.equal(wait.pending, 1)
      device.sleep(60_000)
      device.tell(event)
      assert.equal(wait.pending, 0)
      await until('the second try', () => ways(gateway).filter((way) => way === 'sse').length === 2)
    })

    it(`${event}: leaves a connection that was silent for longer than heartbeats are apart`, async (t) => {
      const device = startDevice(t)
      const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(ways(gateway).filter((way) => way === 'websocket').length)) })
      const seen = watch(t, gateway)
      await until('the snapshot', () => seen.states.length === 1)
      device.sleep(30_000)
      device.tell(event)
      await until('the second snapshot', () => seen.state?.version === 2)
      assert.deepEqual(seen.ways, ['websocket', null, 'websocket'])
    })
  }

  for (const event of ['pageshow', 'visibilitychange'] as const) {
    it(`${event}: keeps a connection that was heard a moment ago`, async (t) => {
      const device = startDevice(t)
      const gateway = await startGateway(t, { sse: (response) => startStream(response) })
      const seen = watch(t, gateway, { transports: [all.sse] })
      await until('the snapshot', () => seen.states.length === 1)
      device.sleep(10_000)
      device.tell(event)
      await aWhile()
      assert.deepEqual(seen.ways, ['sse'])
    })

    it(`${event}: does not hurry while the page is hidden`, async (t) => {
      const device = startDevice(t)
      const wait = holdTimers(t, 500)
      const gateway = await startGateway(t, { websocket: (socket) => socket.close() })
      watch(t, gateway, { transports: [all.websocket], random: () => 1 })
      await until('the wait', () => wait.pending === 1)
      device.document.hidden = true
      device.tell(event)
      assert.equal(wait.pending, 1)
    })
  }

  it('online: leaves a connection from before the outage, hidden or not', async (t) => {
    const device = startDevice(t)
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(ways(gateway).filter((way) => way === 'websocket').length)) })
    const seen = watch(t, gateway)
    await until('the snapshot', () => seen.states.length === 1)
    device.document.hidden = true
    device.tell('online')
    await until('the second snapshot', () => seen.state?.version === 2)
    assert.deepEqual(ways(gateway).filter((way) => way !== 'poll'), ['websocket', 'websocket'])
  })

  it('does not take the pause that a poll was asked for as silence', async (t) => {
    const device = startDevice(t)
    const pause = holdTimers(t, 120_000)
    const answer = answerPoll(() => order(1))
    const gateway = await startGateway(t, {
      poll: (response, request) => {
        if (gateway.asked.length === 1) response.setHeader('Retry-After', '120')
        answer(response, request)
      },
    })
    const seen = watch(t, gateway, { transports: [all.longpoll] })
    await until('the pause', () => pause.pending === 1)
    device.sleep(119_000)
    for (const event of events) device.tell(event)
    await aWhile()
    assert.equal(pause.pending, 1)
    assert.deepEqual(seen.ways, ['longpoll'])
    device.sleep(1_000 + patient.silence / 2)
    device.tell('visibilitychange')
    await until('the new connection', () => seen.ways.includes(null))
    assert.equal(pause.pending, 0)
  })
})
