import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { createSSRApp, h } from 'vue'
import { renderToString as renderVue } from 'vue/server-renderer'
import { defineStatus, PaybellStatus } from '../src/element.ts'
import { type LifeEvent, preconnect, watchOrder } from '../src/index.ts'
import { appLife } from '../src/react-native.ts'
import { useOrder } from '../src/react.ts'
import { orderStore } from '../src/svelte.ts'
import { useOrder as useOrderInVue } from '../src/vue.ts'
import { all, aWhile, snapshot, startGateway, startStream, until } from './server.ts'

describe('on a server', () => {
  const forbidden = () => assert.fail('a server asks for no token')
  const options = { url: 'https://pay.example.com', order: 'A1', token: forbidden, fetch: forbidden, WebSocket: forbidden as never }

  it('React renders what is not known yet, and connects to nothing', async () => {
    const Waiting = () => createElement('p', null, String(useOrder(options).state))
    assert.equal(renderToString(createElement(Waiting)), '<p>undefined</p>')
    await aWhile()
  })

  it('Vue renders what is not known yet, and connects to nothing', async () => {
    const app = createSSRApp({
      setup() {
        const { state } = useOrderInVue(options)
        return () => h('p', String(state.value))
      },
    })
    assert.equal(await renderVue(app), '<p>undefined</p>')
    await aWhile()
  })

  it('a Svelte store that is read for a moment connects to nothing', async () => {
    const read: unknown[] = []
    orderStore(options).subscribe(({ state }) => read.push(state))()
    await aWhile()
    assert.deepEqual(read, [undefined])
  })

  it('the element and preconnect do nothing', () => {
    defineStatus()
    assert.equal(typeof PaybellStatus, 'function')
    preconnect('https://pay.example.com')
  })
})

describe('in React Native', () => {
  it('lets go in the background, and catches up in the foreground', async (t) => {
    let current = 1
    const gateway = await startGateway(t, {
      sse: (response) => startStream(response, current),
      websocket: (socket) => socket.send(snapshot(current)),
    })
    let change = (_: string) => {}
    let removed = 0
    const appState = {
      addEventListener: (_: 'change', listener: (state: string) => void) => {
        change = listener
        return { remove: () => { removed++ } }
      },
    }
    let net = (_: { isConnected: boolean | null }) => {}
    const netInfo = {
      addEventListener: (listener: typeof net) => {
        net = listener
        return () => { removed++ }
      },
    }
    const ways: (string | null)[] = []
    const watch = watchOrder({
      url: gateway.url, order: 'A1', token: 'token', transports: [all.sse], life: appLife(appState, netInfo), onTransport: (way) => ways.push(way),
    })
    await until('the first state', () => watch.state?.version === 1)
    change('inactive')
    net({ isConnected: null })
    await aWhile()
    assert.deepEqual(ways, ['sse'])
    change('background')
    await until('the end', () => watch.transport === null)
    const asked = gateway.asked.length
    await aWhile()
    assert.equal(gateway.asked.length, asked)
    current = 2
    change('active')
    await until('the second state', () => watch.state?.version === 2)
    net({ isConnected: false })
    net({ isConnected: true })
    await until('another connection', () => ways.filter((way) => way === 'sse').length === 3)
    watch.close()
    assert.equal(removed, 2)
  })

  it('does not connect in the background with a token that it asked for before', async (t) => {
    const gateway = await startGateway(t, { sse: (response) => startStream(response) })
    let tell = (_: LifeEvent) => {}
    let handOut = (_: string) => {}
    const watch = watchOrder({
      url: gateway.url, order: 'A1', transports: [all.sse],
      token: () => new Promise((resolve) => { handOut = resolve }),
      life: (listener) => {
        tell = listener
        return () => {}
      },
    })
    t.after(() => watch.close())
    await aWhile()
    tell('hide')
    handOut('token-1')
    await aWhile()
    assert.equal(gateway.asked.length, 0)
    tell('show')
    await aWhile()
    handOut('token-2')
    await until('a state', () => watch.state?.version === 1)
    assert.equal(gateway.asked[0]!.token, 'token-2')
  })
})
