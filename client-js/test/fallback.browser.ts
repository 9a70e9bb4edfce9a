import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { follow, seenBy, shows, startNginx, startShop, type Shop } from './browser.ts'

let shop: Shop
before(async () => { shop = await startShop() })
after(() => shop?.close())

const noUpgrade = 'location /v1/ws { return 403; }'
const buffered = 'location /v1/sse { proxy_pass GATEWAY; proxy_http_version 1.1; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; }'
const plainOnly = `${noUpgrade} location /v1/sse { return 403; } location /v1/orders { if ($arg_wait) { return 403; } proxy_pass GATEWAY; }`

describe('a page of another origin', () => {
  it('connects to the gateway itself by WebSocket', () => reaches('websocket', (url) => Promise.resolve({ url, stop: async () => {} })))
  it('takes SSE where nginx passes no upgrade', () => reaches('sse', () => startNginx(shop.gateway, `${noUpgrade} location /v1/sse { proxy_pass GATEWAY; proxy_http_version 1.1; }`)))
  it('takes long polling where nginx buffers the stream as well', () => reaches('longpoll', () => startNginx(shop.gateway, noUpgrade + buffered)))
  it('takes polling where nothing but a plain GET gets through', () => reaches('poll', () => startNginx(shop.gateway, plainOnly)))

  async function reaches(transport: string, startProxy: (url: string) => Promise<{ url: string; stop(): Promise<void> }>) {
    const proxy = await startProxy(shop.gateway.url)
    const order = await shop.gateway.order()
    const page = await shop.open(transport, follow, { order, gateway: proxy.url })
    await shows(page, 'created')
    await page.waitForFunction((transport) => (window as any).watch.transport === transport, transport)
    const ready = await page.evaluate(() => performance.now() - (window as any).seen.began)
    const paid = performance.now()
    await shop.gateway.pay(order)
    await shows(page, 'paid')
    console.log(`# ${transport}: found in ${Math.round(ready)} ms, paid shown ${Math.round(performance.now() - paid)} ms after the payment`)
    const { states, ways } = await seenBy(page)
    assert.deepEqual(states.map(({ status }) => status), ['created', 'paid'])
    assert.deepEqual(ways, [transport])
    // A page that is loaded anew begins with what worked: nothing is refused.
    await page.reload()
    await shows(page, 'paid')
    const again = await seenBy(page)
    assert.deepEqual([again.ways, again.errors], [[transport], []])
    await page.close()
    await proxy.stop()
  }
})
