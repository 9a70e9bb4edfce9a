import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { WebSocket } from 'ws'
import { type OrderState, watchOrder } from '../src/index.ts'
import { follow, seenBy, shows, startShop, type Shop } from './browser.ts'
import { all } from './server.ts'

let shop: Shop
before(async () => { shop = await startShop() })
after(() => shop?.close())
afterEach(() => Promise.all(shop.browser.pages().slice(1).map((page) => page.close())))

const connections = async () => Object.values(await shop.gateway.connections()).reduce((sum, count) => sum + count, 0)

async function until(what: string, holds: () => Promise<boolean>, ms = 60_000): Promise<number> {
  const began = performance.now()
  while (!await holds()) {
    if (performance.now() - began > ms) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - began
}

const connected = (page: Page) => page.waitForFunction(() => (window as any).watch.transport !== null)

describe('six tabs that watch one order', () => {
  it('share a connection, and another takes over when that tab is closed', async () => {
    const order = await shop.gateway.order()
    const pages = new Map<string, Page>()
    for (let tab = 0; tab < 6; tab++) pages.set(`tab${tab}`, await shop.open(`tab${tab}`, follow, { order }))
    for (const page of pages.values()) {
      await shows(page, 'created')
      await connected(page)
    }
    assert.equal(await connections(), 1)
    assert.deepEqual(shop.tokens, ['tab0'])

    const closing = performance.now()
    await pages.get('tab0')!.close()
    pages.delete('tab0')
    await until('another token', async () => shop.tokens.length === 2)
    const took = performance.now() - closing
    console.log(`# another tab took over after ${Math.round(took)} ms`)
    assert.ok(took < 1000, `${took} ms`)
    await shop.gateway.pay(order)
    for (const page of pages.values()) await shows(page, 'paid')
    assert.equal(await connections(), 1)
    for (const page of pages.values()) {
      assert.deepEqual((await seenBy(page)).states.map(({ status }) => status), ['created', 'paid'])
    }
  })

  it('take over from a tab that hangs', async () => {
    const order = await shop.gateway.order()
    const first = await shop.open('hanging', follow, { order })
    await shows(first, 'created')
    const second = await shop.open('second', follow, { order })
    await shows(second, 'created')
    const asked = shop.tokens.length
    void first.evaluate(() => { for (const end = performance.now() + 4000; performance.now() < end;); }).catch(() => {})
    await second.evaluate(() => document.dispatchEvent(new Event('visibilitychange'))) // it is looked at
    const took = await until('another token', async () => shop.tokens.length > asked)
    console.log(`# taken from a tab that hangs after ${Math.round(took)} ms`)
    await shop.gateway.pay(order)
    await shows(second, 'paid')
    await shows(first, 'paid')
    await until('one connection', async () => await connections() === 1)
  })

  it('take over also when they were put aside before', async () => {
    const order = await shop.gateway.order()
    const first = await shop.open('leading', follow, { order })
    await shows(first, 'created')
    const second = await shop.open('aside', follow, { order })
    await shows(second, 'created')
    await second.evaluate(() => document.dispatchEvent(new Event('freeze')))
    await second.evaluate(() => document.dispatchEvent(new Event('resume')))
    await connected(second)
    await first.close()
    await until('another token', async () => shop.tokens.at(-1) === 'aside')
    await shop.gateway.pay(order)
    await shows(second, 'paid')
  })

  it('are each on their own when they do not share, or cannot', async () => {
    const order = await shop.gateway.order()
    const alone = await shop.open('alone', follow.replace('options', '{ ...options, share: false }'), { order })
    const without = await shop.open('without', `delete window.BroadcastChannel;${follow}`, { order })
    const shared = await shop.open('shared', follow, { order })
    for (const page of [alone, without, shared]) await shows(page, 'created')
    assert.equal(await connections(), 3)
    await shop.gateway.pay(order)
    for (const page of [alone, without, shared]) await shows(page, 'paid')
  })
})

describe('a page that is put aside', () => {
  const dispatch = (page: Page, hidden: boolean) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)

  it('keeps its connection while it is hidden, and hears of the payment', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('hidden', follow, { order })
    await shows(page, 'created')
    await dispatch(page, true)
    await shop.gateway.pay(order)
    await shows(page, 'paid')
    await dispatch(page, false)
    assert.deepEqual((await seenBy(page)).ways, ['websocket'])
  })

  it('lets go while it is frozen, and catches up when it thaws', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('frozen', follow, { order })
    await shows(page, 'created')
    // Chromium freezes no page that its debugger looks at.
    await page.evaluate(() => document.dispatchEvent(new Event('freeze')))
    await until('no connection', async () => await connections() === 0)
    await shop.gateway.pay(order)
    await page.evaluate(() => document.dispatchEvent(new Event('resume')))
    await shows(page, 'paid')
    await connected(page)
  })

  it('catches up when it comes back from the back/forward cache', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('cached', `window.addEventListener('pageshow', ({ persisted }) => persisted && seen.events.push('persisted'));${follow}`, { order })
    await shows(page, 'created')
    await page.goto(`${shop.url}/page-elsewhere`)
    await until('no connection', async () => await connections() === 0)
    await shop.gateway.pay(order)
    await page.goBack({ waitUntil: 'commit' })
    await shows(page, 'paid')
    assert.ok((await seenBy(page)).events.includes('persisted'), 'the page was not cached')
    await connected(page)
  })

  it('says that it is stale while it is offline, and catches up', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('offline', follow, { order })
    await shows(page, 'created')
    await shop.browser.setOffline(true)
    await page.waitForFunction(() => (window as any).seen.events.includes('stale'))
    await shop.gateway.pay(order)
    await shop.browser.setOffline(false)
    await shows(page, 'paid')
    await page.waitForFunction(() => (window as any).seen.events.includes('fresh'))
    assert.deepEqual((await seenBy(page)).states.map(({ status }) => status), ['created', 'paid'])
  })
})

describe('what was shown', () => {
  it('is in the timeline, when a page acknowledges it', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('acknowledging', follow.replace('options', '{ ...options, ack: true }'), { order })
    await shows(page, 'created')
    await shop.gateway.pay(order)
    await shows(page, 'paid')
    const shown = async () => (await shop.gateway.told(order)).filter(({ transport }) => transport === 'ack').map(({ version }) => version)
    await until('the acknowledgements', async () => (await shown()).length === 2)
    assert.deepEqual(await shown(), [1, 2])
    assert.deepEqual((await seenBy(page)).errors, [])
  })
})

describe('pages of a gateway that is killed', () => {
  const [times, tabs, programs] = process.env.PAYBELL_LONG ? [20, 5, 50] : [2, 2, 4]
  it(`${times} times, before ${tabs} pages and ${programs} programs: no status falls`, async (t) => {
    const order = await shop.gateway.order()
    const pages = [await shop.open('page0', follow, { order })]
    for (let page = 1; page < tabs; page++) pages.push(await shop.open(`page${page}`, follow.replace('options', '{ ...options, share: false }'), { order }))
    const transports = Object.values(all)
    const clients = Array.from({ length: programs }, (_, at) => {
      const states: OrderState[] = []
      const watch = watchOrder({
        url: shop.gateway.url, order, WebSocket, token: () => shop.gateway.token(order), onChange: (state) => states.push(state),
        transports: at % 5 ? [transports[at % 5 - 1]!] : transports,
      })
      t.after(() => watch.close())
      return { watch, states }
    })
    for (const page of pages) await shows(page, 'created')
    const back: number[] = []
    for (let time = 0; time < times; time++) {
      await shop.gateway.restart()
      await shop.gateway.event(order, { status: time % 2 ? 'failed' : 'pending', payment: `try-${time}` })
      const { version } = await shop.gateway.state(order)
      const began = performance.now()
      await Promise.all(pages.map((page) => page.waitForFunction((version) => (window as any).watch.state?.version === version, version)))
      await until('the news in every program', async () => clients.every(({ watch }) => watch.state?.version === version))
      back.push(Math.round(performance.now() - began))
    }
    await shop.gateway.pay(order)
    for (const page of pages) await shows(page, 'paid')
    await until('paid', async () => clients.every(({ watch }) => watch.state?.status === 'paid'))
    for (const states of [...await Promise.all(pages.map(async (page) => (await seenBy(page)).states)), ...clients.map(({ states }) => states)]) {
      const versions = states.map(({ version }) => version)
      assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b))
      assert.equal(new Set(states.map(({ epoch }) => epoch)).size, 1)
    }
    console.log(`# after each kill all had the news within ${back.join(', ')} ms`)
  })
})
