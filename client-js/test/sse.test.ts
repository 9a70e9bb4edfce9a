import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import type { OrderState } from '../src/protocol.ts'
import { all, aWhile, holdTimers, order, patient, sendEvent, startGateway, startStream, tokens, until, versions, watch } from './server.ts'

describe('sse', () => {
  const options = { transports: [all.sse] }

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
        if (streams === 1) sendEvent(response, 'token_expiring', { expires_in: 0 })
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { ...options, token: () => `token-${++asked}` })
    await until('the second stream', () => seen.state?.version === 2)
    assert.deepEqual(tokens(gateway), ['token-1', 'token-2'])
    assert.deepEqual(seen.errors, [])
  })

  it('does not renew a token without end that lives for a year', async (t) => {
    const gateway = await startGateway(t, {
      sse: (response) => {
        startStream(response)
        sendEvent(response, 'token_expiring', { expires_in: 31_536_000 })
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { ...options, token: () => `token-${++asked}` })
    await until('a state', () => seen.states.length === 1)
    await aWhile()
    assert.deepEqual(tokens(gateway), ['token-1'])
  })

  it('keeps its connection when the token function has no newer token', async (t) => {
    let server!: ServerResponse
    const gateway = await startGateway(t, {
      sse: (response) => {
        server = response
        startStream(response)
        sendEvent(response, 'token_expiring', { expires_in: 0 })
      },
    })
    let asked = 0
    const token = () => {
      if (++asked === 2) setTimeout(() => sendEvent(server, 'update', order(2)))
      return 'the same'
    }
    const seen = watch(t, gateway, { ...options, token })
    await until('version 2', () => seen.state?.version === 2)
    assert.equal(gateway.asked.length, 1)
  })

  /** A token function whose second token, the renewal, comes when the test hands it out. */
  const slowRenewal = () => {
    const tokens = {
      asked: 0,
      handOut: () => {},
      next: () => ++tokens.asked === 2
        ? new Promise<string>((resolve) => { tokens.handOut = () => resolve('late') })
        : `token-${Math.min(tokens.asked, 3)}`,
    }
    return tokens
  }

  for (const [ending, end, wait] of [
    ['goodbye', (response: ServerResponse) => sendEvent(response, 'goodbye', { reason: 'drain', retry_ms: 400 }), 399],
    ['the end of the stream', (response: ServerResponse) => response.end('retry: 400\n\n'), 399],
  ] as const) {
    it(`does not use a token that comes after ${ending}`, async (t) => {
      let server!: ServerResponse
      const gateway = await startGateway(t, {
        sse: (response) => {
          server = response
          startStream(response, gateway.asked.length)
          if (gateway.asked.length === 1) sendEvent(response, 'token_expiring', { expires_in: 0 })
        },
      })
      const renewal = slowRenewal()
      const seen = watch(t, gateway, { ...options, token: renewal.next })
      await until('the renewal', () => renewal.asked === 2)
      const ended = performance.now()
      end(server)
      await until('the end', () => seen.ways.includes(null))
      renewal.handOut()
      await until('the second stream', () => seen.state?.version === 2)
      assert.deepEqual(tokens(gateway), ['token-1', 'token-3'])
      assert.ok(gateway.asked[1]!.at - ended >= wait)
    })
  }

  it('does not use a token that comes in the moment of the goodbye', async (t) => {
    let server!: ServerResponse
    const gateway = await startGateway(t, {
      sse: (response) => {
        server = response
        startStream(response, gateway.asked.length)
        if (gateway.asked.length === 1) sendEvent(response, 'token_expiring', { expires_in: 0 })
      },
    })
    const renewal = slowRenewal()
    // What the page does here is done before the rest of the chunk is read.
    const onChange = ({ version }: OrderState) => version === 5 && renewal.handOut()
    const seen = watch(t, gateway, { ...options, token: renewal.next, onChange })
    await until('the renewal', () => renewal.asked === 2)
    const ended = performance.now()
    server.write(`event: update\ndata: ${JSON.stringify(order(5))}\n\nevent: goodbye\ndata: {"reason":"drain","retry_ms":400}\n\n`)
    await until('the second stream', () => gateway.asked.length === 2)
    assert.deepEqual(tokens(gateway), ['token-1', 'token-3'])
    assert.ok(gateway.asked[1]!.at - ended >= 399)
    assert.deepEqual(seen.errors, [])
  })

  it('does not take a late token for the one in use', async (t) => {
    let server!: ServerResponse
    const gateway = await startGateway(t, {
      sse: (response) => {
        server = response
        startStream(response, gateway.asked.length)
        if (gateway.asked.length === 1) sendEvent(response, 'token_expiring', { expires_in: 0 })
      },
    })
    const renewal = slowRenewal()
    const seen = watch(t, gateway, { ...options, token: renewal.next })
    await until('the renewal', () => renewal.asked === 2)
    server.end()
    await until('the second stream', () => seen.state?.version === 2)
    renewal.handOut()
    sendEvent(server, 'token_expiring', { expires_in: 0 })
    await until('the second renewal', () => renewal.asked === 4)
    await aWhile()
    assert.deepEqual(tokens(gateway), ['token-1', 'token-3'])
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
    const silence = holdTimers(t, patient.silence)
    let server!: ServerResponse
    let streams = 0
    const gateway = await startGateway(t, {
      sse: (response) => {
        server = response
        startStream(response, ++streams)
      },
    })
    const seen = watch(t, gateway, options)
    await until('the snapshot', () => seen.transport === 'sse')
    silence.fire()
    await until('the second stream', () => seen.state?.version === 2)
    for (let heartbeats = 0; heartbeats < 3; heartbeats++) {
      const { started } = silence
      server.write(':\n\n')
      await until('the heartbeat', () => silence.started > started)
      assert.equal(silence.pending, 1)
    }
    assert.equal(streams, 2)
  })
})
