import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CoreOptions } from '../src/options.ts'
import { all, answerPoll, aWhile, forbid, holdTimers, message, order, patient, sendEvent, snapshot, startGateway, startStream, until, update, versions, watch, type Behaviour } from './server.ts'

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
    for (const way of ['websocket', 'sse', 'longpoll'] as const) {
      const asked = gateway.asked.length
      const seen = watch(t, gateway, { transports: [all[way]], onChange: () => seen.close() })
      await until('a state', () => seen.states.length === 1)
      await aWhile()
      assert.deepEqual(versions(seen.states), [1], way)
      assert.equal(seen.transport, null)
      assert.deepEqual(seen.errors, [])
      assert.equal(gateway.asked.length, asked + 1)
    }
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

  it('trims the token, and tells of a function that returns none', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
    const answers = [undefined, '  token-2\n'] as string[]
    const seen = watch(t, gateway, { token: () => answers.shift()! })
    await until('a state', () => seen.states.length === 1)
    assert.deepEqual(seen.errors.map(({ code }) => code), ['token'])
    assert.equal(gateway.asked[0]!.token, 'token-2')
  })

  it('takes the token out of the gateway\'s answer', async (t) => {
    const gateway = await startGateway(t, { websocket: (socket) => socket.send(snapshot(1)) })
    const seen = watch(t, gateway, { token: async () => ({ token: 'token-1' }) })
    await until('a state', () => seen.states.length === 1)
    assert.equal(gateway.asked[0]!.token, 'token-1')
  })

  it('asks whether the page may, while nothing is known and nobody answers', async (t) => {
    const gateway = await startGateway(t, {})
    const seen = watch(t, gateway, { transports: [all.poll], fetch: () => Promise.reject(new TypeError('Failed to fetch')) })
    await until('an error', () => seen.errors.length === 1)
    assert.equal(seen.errors[0]!.message, 'paybell: poll: TypeError: Failed to fetch, origins?')
  })

  it('keeps a token that no header can carry out of every error', async (t) => {
    const gateway = await startGateway(t, {})
    const seen = watch(t, gateway, {
      token: 'canary\n<h1>500',
      WebSocket: class { constructor(_: string, protocols: string[]) { throw new SyntaxError(`'${protocols[1]}' is no sub-protocol`) } } as never,
    })
    await until('errors of each transport', () => seen.errors.length >= 6)
    assert.match(seen.errors[0]!.message, /'bearer.…' is no sub-protocol/)
    assert.ok(seen.errors.every((error) => !`${error.message} ${error.stack}`.includes('canary')))
  })

  it('calls nothing before the page has the handle', async (t) => {
    const gateway = await startGateway(t, {})
    let hasHandle = false
    const early: string[] = []
    const note = (what: string) => { if (!hasHandle) early.push(what) }
    const seen = watch(t, gateway, {
      token: () => {
        note('token')
        throw new Error('no token')
      },
      onError: () => note('onError'),
    })
    hasHandle = true
    seen.close()
    await aWhile()
    assert.deepEqual(early, [])
    assert.equal(gateway.asked.length, 0)
  })
})

describe('a page that closes the watch in a callback', () => {
  const cutAfterFirst: Behaviour = {
    websocket: (socket) => {
      socket.send(snapshot(1))
      socket.close()
    },
    sse: (response) => {
      startStream(response)
      response.end()
    },
    poll: (response, request) => (request.headers['if-none-match'] ? response.destroy() : response.end(JSON.stringify(order(1)))),
  }
  const refusing: Behaviour = {
    websocket: (socket) => socket.close(4403),
    sse: (response) => forbid(response),
    poll: (response) => forbid(response),
  }
  const cases: [callback: string, behaviour: Behaviour, told: string[]][] = [
    ['token', cutAfterFirst, ['token']],
    ['fetch', cutAfterFirst, ['token', 'fetch']],
    ['onTransport', cutAfterFirst, ['token', 'fetch', 'onTransport']],
    ['onChange', cutAfterFirst, ['token', 'fetch', 'onTransport', 'onChange']],
    ['onTransport null', cutAfterFirst, ['token', 'fetch', 'onTransport', 'onChange', 'onTransport null']],
    ['onError', cutAfterFirst, ['token', 'fetch', 'onTransport', 'onChange', 'onTransport null', 'onError']],
    ['random', cutAfterFirst, ['token', 'fetch', 'onTransport', 'onChange', 'onTransport null', 'onError', 'random']],
    ['onError', refusing, ['token', 'fetch', 'onError']],
  ]
  for (const way of ['websocket', 'sse', 'longpoll'] as const) {
    for (const [callback, behaviour, wanted] of cases) {
      if (way === 'websocket' && callback === 'fetch') continue
      it(`${way}, ${callback}${behaviour === refusing ? ' of a refusal' : ''}: hears nothing more`, async (t) => {
        const gateway = await startGateway(t, behaviour)
        const told: string[] = []
        const note = (what: string) => {
          // The polls after the first are one connection's affair.
          if (what !== 'fetch' || !told.includes('fetch')) told.push(what)
          if (what === callback) seen.close()
        }
        const options: Partial<CoreOptions> = {
          transports: [all[way]],
          token: () => {
            note('token')
            return 'token'
          },
          fetch: (input, init) => {
            note('fetch')
            return fetch(input, init)
          },
          random: () => {
            note('random')
            return 1
          },
          onTransport: (name) => note(name ? 'onTransport' : 'onTransport null'),
          onChange: () => note('onChange'),
          onError: () => note('onError'),
        }
        const backoff = holdTimers(t, 500)
        const seen = watch(t, gateway, options)
        await until(callback, () => told.includes(callback))
        const { length } = gateway.asked
        await aWhile()
        assert.deepEqual(told, way === 'websocket' ? wanted.filter((what) => what !== 'fetch') : wanted)
        assert.equal(seen.transport, null)
        assert.equal(backoff.pending, 0)
        assert.ok(gateway.asked.length <= length + (callback === 'fetch' ? 1 : 0))
      })
    }
  }
})

describe('after close', () => {
  for (const [outcome, settle] of [
    ['resolves', (resolve: (token: string) => void) => resolve('token-2')],
    ['rejects', (_: unknown, reject: (error: Error) => void) => reject(new Error('too late'))],
  ] as const) {
    for (const first of [true, false]) {
      it(`a token function that ${outcome} ${first ? 'at first' : 'for a renewal'} is not heard`, async (t) => {
        const gateway = await startGateway(t, {
          websocket: (socket) => {
            socket.send(snapshot(1))
            socket.send(message('token_expiring', { expires_in: 0 }))
          },
        })
        let asked = 0
        let finish = () => {}
        const token = () => new Promise<string>((resolve, reject) => {
          if (++asked === (first ? 1 : 2)) finish = () => settle(resolve, reject)
          else resolve('token-1')
        })
        const seen = watch(t, gateway, { token })
        await until('the question', () => asked === (first ? 1 : 2))
        seen.close()
        finish()
        await aWhile()
        assert.deepEqual(seen.errors, [])
        assert.equal(seen.state?.version, first ? undefined : 1)
        assert.equal(gateway.asked.length, first ? 0 : 1)
      })
    }
  }

  it('no timer of a silence, a pause or a wait is left', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => startStream(response),
      poll: (response) => response.writeHead(200, { 'Retry-After': '77' }).end(JSON.stringify(order(1))),
    })
    const silence = holdTimers(t, patient.silence)
    const stream = watch(t, gateway, { transports: [all.sse] })
    await until('the snapshot', () => stream.states.length === 1)
    assert.equal(silence.pending, 1)
    stream.close()
    assert.equal(silence.pending, 0)

    const pause = holdTimers(t, 77_000)
    const poll = watch(t, gateway, { transports: [all.longpoll] })
    await until('the pause', () => pause.pending === 1)
    poll.close()
    assert.equal(pause.pending, 0)

    const wait = holdTimers(t, 250)
    const waiting = watch(t, gateway, { transports: [all.websocket], random: () => 0.5 })
    await until('the wait', () => wait.pending === 1)
    waiting.close()
    assert.equal(wait.pending, 0)
  })

  it('no timer of a renewal is left', async (t) => {
    t.mock.method(Date, 'now', () => 1_800_000_000_000) // the renewal's timer is then exactly so long
    const renewal = holdTimers(t, 10_000)
    const gateway = await startGateway(t, {
      websocket: (socket) => {
        socket.send(snapshot(1))
        socket.send(message('token_expiring', { expires_in: 0 }))
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { token: () => `token-${++asked}` }, { renewal: 10_000 })
    await until('the renewal', () => renewal.pending === 1)
    seen.close()
    assert.equal(renewal.pending, 0)
    await aWhile()
    assert.equal(asked, 1)
  })
})
