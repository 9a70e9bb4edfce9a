import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answerPoll, aWhile, order, sendEvent, snapshot, startGateway, startStream, until, update, versions, watch } from './gateway.ts'

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
})
