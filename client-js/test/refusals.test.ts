import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import { all, snapshot, startGateway, until, watch, ways } from './server.ts'

describe('refusals over HTTP', () => {
  for (const way of ['sse', 'longpoll'] as const) {
    const options = { transports: [all[way]] }
    const refuse = (status: number, headers = {}) => ({ [way === 'sse' ? way : 'poll']: (response: ServerResponse) => response.writeHead(status, headers).end() })

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
      const gateway = await startGateway(t, refuse(403, { 'Content-Type': 'application/problem+json' }))
      const seen = watch(t, gateway, options)
      await until('the fatal error', () => seen.errors.length === 1)
      assert.deepEqual([seen.errors[0]!.code, seen.errors[0]!.fatal], ['forbidden', true])
      assert.match(seen.errors[0]!.message, /403/)
    })

    it(`${way}: 403 of somebody else is a reason to try another transport`, async (t) => {
      const gateway = await startGateway(t, { ...refuse(403, { 'Content-Type': 'text/html' }), websocket: (socket) => socket.send(snapshot(1)) })
      const seen = watch(t, gateway, { transports: [all[way], all.websocket] })
      await until('a state', () => seen.states.length === 1)
      assert.equal(seen.transport, 'websocket')
    })

    it(`${way}: 429 is obeyed, and no reason to try another transport`, async (t) => {
      const gateway = await startGateway(t, refuse(429, { 'Retry-After': '1' }))
      const other = way === 'sse' ? 'longpoll' : 'sse'
      const seen = watch(t, gateway, { transports: [all[way], all[other]] })
      await until('three tries', () => gateway.asked.length === 3)
      const times = gateway.asked.map(({ at }) => at)
      assert.ok(times[1]! - times[0]! >= 999 && times[2]! - times[1]! >= 999)
      assert.deepEqual(ways(gateway), [way, way, way])
      assert.ok(seen.errors.every(({ code }) => code === 'busy'))
    })
  }
})
