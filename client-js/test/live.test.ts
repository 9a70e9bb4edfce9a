import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import { type OrderState, waitForPayment, WatchError, watchOrder, type WatchOptions } from '../src/full.ts'
import { startRealGateway, type Gateway } from './gateway.ts'
import { all, until } from './server.ts'

// PAYBELL_LONG=1 takes minutes instead of seconds for what is a matter of patience.
const long = !!process.env.PAYBELL_LONG

let gateway: Gateway
before(async () => { gateway = await startRealGateway() })
after(() => gateway?.stop())

/** Watches an order, and notes all that it is told. */
function follow(t: TestContext, order: string, options: Partial<WatchOptions> = {}) {
  const seen = { states: [] as OrderState[], ways: [] as (string | null)[], errors: [] as WatchError[], tokens: 0 }
  const watch = watchOrder({
    url: gateway.url,
    order,
    WebSocket,
    token: () => {
      seen.tokens++
      return gateway.token(order)
    },
    onChange: (state) => seen.states.push(state),
    onTransport: (way) => seen.ways.push(way),
    onError: (error) => seen.errors.push(error),
    ...options,
  })
  t.after(() => watch.close())
  return Object.assign(seen, { watch, status: () => watch.state?.status })
}

describe('with a real gateway', () => {
  for (const [name, transport] of Object.entries(all)) {
    it(`${name} follows an order from created to paid`, async (t) => {
      const order = await gateway.order()
      const seen = follow(t, order, { transports: [transport] })
      await until('created', () => seen.status() === 'created')
      await gateway.event(order, { status: 'requires_action', payment: 'p1', action_url: 'https://bank.example/3ds' })
      await until('requires_action', () => seen.status() === 'requires_action')
      await gateway.pay(order)
      await until('paid', () => seen.status() === 'paid')
      assert.equal(seen.watch.transport, name)
      assert.deepEqual(seen.states.map(({ status }) => status), ['created', 'requires_action', 'paid'])
      assert.equal(seen.states[1]!.action_url, 'https://bank.example/3ds')
      assert.deepEqual(seen.errors, [])
      assert.equal(seen.tokens, 1)
    })
  }

  it('waitForPayment resolves when the order is paid', async () => {
    const order = await gateway.order()
    const waiting = waitForPayment({ url: gateway.url, order, token: gateway.token(order), WebSocket })
    await gateway.event(order, { status: 'failed', payment: 'first-try' })
    await gateway.pay(order)
    assert.equal((await waiting).status, 'paid')
  })

  it('waitForPayment rejects when the order is canceled, and says so', async () => {
    const order = await gateway.order()
    const waiting = waitForPayment({ url: gateway.url, order, token: gateway.token(order), WebSocket })
    const rejected = assert.rejects(waiting, (error: WatchError) => error instanceof WatchError && error.code === 'canceled' && error.state?.order === order)
    await gateway.event(order, { status: 'canceled', payment: 'p1' })
    await rejected
  })

  it('the timeline has what was shown, when that is acknowledged', async (t) => {
    const order = await gateway.order()
    const seen = follow(t, order, { ack: true })
    await until('created', () => seen.status() === 'created')
    await gateway.pay(order)
    let shown: number[] = []
    const look = async () => { shown = (await gateway.told(order)).filter(({ transport }) => transport === 'ack').map(({ version }) => version) }
    for (let tries = 0; shown.length < 2 && tries < 600; tries++) await look().then(() => new Promise((resolve) => setTimeout(resolve, 50)))
    assert.deepEqual(shown, [1, 2])
    assert.deepEqual(seen.errors, [])
  })

  it('says so when the token is for another order', async (t) => {
    const order = await gateway.order()
    for (const transport of Object.values(all)) {
      const seen = follow(t, order, { token: gateway.token('B2'), transports: [transport] })
      const failure = await seen.watch.closed
      assert.deepEqual([failure?.code, failure?.fatal], ['forbidden', true], transport.name)
    }
  })

  it('says so when the address or the order makes no sense', async (t) => {
    const order = await gateway.order()
    for (const [what, options] of [['address', { url: `${gateway.url}/pay` }], ['order', { order: 'A 1' }]] as const) {
      for (const transport of [all.sse, all.longpoll, all.poll]) {
        const failure = await follow(t, order, { ...options, transports: [transport] }).watch.closed
        assert.equal(failure?.fatal, true, `${what} ${transport.name}`)
      }
    }
  })
})

describe('other clients', () => {
  it('ws follows an order from created to paid', async (t) => {
    const order = await gateway.order()
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/ws?order=${order}`, ['paybell.v1', `bearer.${gateway.token(order)}`])
    t.after(() => socket.close())
    const statuses: string[] = []
    socket.on('message', (data) => {
      const { type, order } = JSON.parse(String(data))
      if (type === 'snapshot' || type === 'update') statuses.push(order.status)
    })
    await until('the snapshot', () => statuses.length === 1)
    await gateway.pay(order)
    await until('paid', () => statuses.length === 2)
    assert.deepEqual(statuses, ['created', 'paid'])
  })

  const statusesOf = (source: EventSource) => {
    const statuses: string[] = []
    for (const event of ['snapshot', 'update']) source.addEventListener(event, ({ data }) => statuses.push(JSON.parse(data).status))
    return statuses
  }

  it('EventSource with a ticket follows an order from created to paid', async (t) => {
    const order = await gateway.order()
    const response = await fetch(`${gateway.url}/v1/tickets`, { method: 'POST', headers: { Authorization: `Bearer ${gateway.token(order)}` } })
    const { ticket } = await response.json() as { ticket: string }
    const source = new EventSource(`${gateway.url}/v1/sse?ticket=${ticket}`)
    t.after(() => source.close())
    const statuses = statusesOf(source)
    await until('the snapshot', () => statuses.length === 1)
    await gateway.pay(order)
    await until('paid', () => statuses.length === 2)
    assert.deepEqual(statuses, ['created', 'paid'])
  })

  it('the eventsource package with a header comes back after a restart', async (t) => {
    const order = await gateway.order()
    const source = new EventSource(`${gateway.url}/v1/sse?order=${order}`, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, Authorization: `Bearer ${gateway.token(order)}` } }),
    })
    t.after(() => source.close())
    const statuses = statusesOf(source)
    await until('the snapshot', () => statuses.length === 1)
    await gateway.restart()
    await gateway.pay(order)
    await until('paid', () => statuses.at(-1) === 'paid')
  })
})

describe('short-lived tokens', { concurrency: true }, () => {
  const [life, time] = long ? [20, 120] : [6, 14]
  for (const transport of [all.websocket, all.sse]) {
    it(`${transport.name}: lives on ${life} s tokens for ${time} s, and asks for no more than it needs`, async (t) => {
      const order = await gateway.order()
      let tokens = 0
      const live = follow(t, order, {
        transports: [transport],
        token: () => {
          tokens++
          return gateway.token(order, life)
        },
      })
      const expiring: number[] = []
      live.watch.on('tokenExpiring', (seconds) => expiring.push(seconds))
      await new Promise((resolve) => setTimeout(resolve, time * 1000))
      await gateway.pay(order)
      await until('paid', () => live.status() === 'paid')
      assert.deepEqual(live.errors, [])
      assert.ok(expiring.length > 0)
      assert.ok(tokens >= Math.floor(time / life) + 1 && tokens <= Math.ceil(time / (life * 0.6)) + 1, `${tokens} tokens`)
      // A WebSocket takes the new token as it is; a stream is opened anew, without a pause.
      if (transport === all.websocket) assert.deepEqual(live.ways, ['websocket'])
      t.diagnostic(`${tokens} tokens of ${life} s in ${time} s`)
    })
  }
})

describe('a gateway that is killed again and again', () => {
  const times = long ? 20 : 4
  it(`${times} times: no status falls, and everybody hears of the payment`, async (t) => {
    const order = await gateway.order()
    const clients = Object.values(all).map((transport) => follow(t, order, { transports: [transport] }))
    clients.push(follow(t, order), follow(t, order))
    await until('created', () => clients.every((client) => client.status() === 'created'))
    for (let time = 0; time < times; time++) {
      await gateway.restart()
      await gateway.event(order, { status: time % 2 ? 'failed' : 'pending', payment: `try-${time}` })
      const { version } = await gateway.state(order)
      await until(`the news after kill ${time}`, () => clients.every(({ watch }) => watch.state?.version === version))
    }
    await gateway.pay(order)
    await until('paid', () => clients.every((client) => client.status() === 'paid'))
    for (const { states } of clients) {
      assert.deepEqual(states.map(({ version }) => version), [...new Set(states.map(({ version }) => version))].sort((a, b) => a - b))
      assert.equal(new Set(states.map(({ epoch }) => epoch)).size, 1)
    }
    assert.ok(clients.every(({ errors }) => errors.every(({ fatal }) => !fatal)))
  })
})
