import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { all, answerPoll, aWhile, holdTimers, order, startGateway, tokens, until, watch } from './server.ts'

describe('longpoll', () => {
  const options = { transports: [all.longpoll] }

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
    assert.deepEqual(seen.ways, ['longpoll'])
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
    const pause = holdTimers(t, 2000)
    watch(t, gateway, options)
    await until('the pause', () => pause.pending === 1)
    const { length } = gateway.asked
    await aWhile()
    assert.equal(gateway.asked.length, length)
    pause.fire()
    await until('the next request', () => gateway.asked.length === length + 1)
  })

  it('does not become a tight loop when nodes take turns of which one lags behind', async (t) => {
    let turn = 0
    const gateway = await startGateway(t, {
      poll: (response, request) => {
        const state = order(5 - ++turn % 2)
        if (request.headers['if-none-match'] === `"e1.${state.version}"`) response.writeHead(304).end()
        else response.end(JSON.stringify(state))
      },
    })
    const pause = holdTimers(t, 2000)
    const seen = watch(t, gateway, options)
    await until('the pause', () => pause.pending === 1)
    assert.ok(gateway.asked.length < 10, `asked ${gateway.asked.length} times`)
    assert.equal(seen.state!.version, 5)
    pause.fire()
    await until('the next request', () => pause.pending === 1)
  })

  it('calls a token that came to its end no trouble, and a new one that is refused trouble', async (t) => {
    const refused = [2, 4, 5]
    const gateway = await startGateway(t, {
      poll: (response) => {
        const { length } = gateway.asked
        if (refused.includes(length)) response.writeHead(401).end()
        else if (length < 7) response.end(JSON.stringify(order(length)))
      },
    })
    let asked = 0
    const seen = watch(t, gateway, { ...options, token: () => `token-${++asked}` })
    await until('version 3', () => seen.state?.version === 3)
    assert.deepEqual(seen.errors, [])
    await until('version 6', () => seen.state?.version === 6)
    assert.deepEqual(seen.errors.map(({ code, fatal }) => [code, fatal]), [['unauthorized', false]])
    assert.deepEqual(tokens(gateway).slice(0, 6), [1, 1, 2, 2, 3, 4].map((n) => `token-${n}`))
    assert.deepEqual(seen.ways, ['longpoll', null, 'longpoll', null, 'longpoll'])
  })

  it('tells of a plain token that came to its end', async (t) => {
    const gateway = await startGateway(t, {
      poll: (response) => (gateway.asked.length > 1 ? response.writeHead(401).end() : response.end(JSON.stringify(order(1)))),
    })
    const seen = watch(t, gateway, options)
    await until('the fatal error', () => seen.errors.some(({ fatal }) => fatal))
    assert.deepEqual(seen.errors.map(({ code, fatal }) => [code, fatal]),
      [['unauthorized', false], ['unauthorized', false], ['unauthorized', true]])
  })
})
