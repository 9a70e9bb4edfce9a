// The hosted page in a real Chromium, against a real gateway: what customers see of a shop that wrote no page.
//   PAYBELL_SCREENSHOTS   a folder for the pictures of docs; without it they are taken and thrown away
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { chromiumFlags } from './browser.ts'
import { type Gateway, startRealGateway } from './gateway.ts'

let gateway: Gateway, shop: Server, shopUrl: string
const troubles: string[] = []

/** A shop on another site: `/checkout` posts the token as a form, `/frame` holds the page in a frame, anything else is
 *  where customers come back to. */
async function startShop(): Promise<void> {
  shop = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://shop')
    const pages: Record<string, string> = {
      '/checkout': `<form method="post" action="${gateway.url}/pay/${searchParams.get('order')}">
        <input type="hidden" name="pass" value="${searchParams.get('token')}"><button>Pay</button></form>`,
      '/frame': `<iframe src="${gateway.url}/pay/A1"></iframe>`,
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end(`<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">${pages[pathname] ?? '<h1>Thanks</h1>'}`)
  }).listen(0, '127.0.0.1')
  await once(shop, 'listening')
  shopUrl = `http://localhost:${(shop.address() as { port: number }).port}`
}

before(async () => {
  await startShop()
  gateway = await startRealGateway({ hosted: { name: 'Bell & Sons', back: `${shopUrl}/` } })
})
after(async () => {
  await gateway?.stop()
  shop?.closeAllConnections()
  shop?.close()
})

/** A browser of its own for the tests around it. */
function inBrowser(options: object = {}) {
  let context: BrowserContext, profile: string
  before(async () => {
    profile = mkdtempSync(join(tmpdir(), 'paybell-chromium-'))
    context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: chromiumFlags, ...options,
    })
    context.setDefaultTimeout(30_000)
  })
  after(async () => {
    await context?.close()
    await rm(profile, { recursive: true, force: true })
  })
  afterEach(() => Promise.all(context.pages().slice(1).map((page) => page.close())))
  return async (address: string): Promise<Page> => {
    const page = await context.newPage()
    page.on('pageerror', (error) => troubles.push(String(error)))
    page.on('console', (message) => /content security policy|violates/i.test(message.text()) && troubles.push(message.text()))
    page.on('request', (request) => {
      if (![gateway.url, shopUrl, 'data:'].some((ours) => request.url().startsWith(ours))) troubles.push(`left the machine: ${request.url()}`)
    })
    await page.goto(address)
    return page
  }
}

let orders = 0
/** Registers an order, and says where its page is. */
async function order(terms: object = {}): Promise<{ id: string; page: string; token: string }> {
  const id = `A${Date.now()}-${++orders}`
  const { token, urls } = await gateway.session({ order: id, ...terms })
  return { id, page: urls.page!, token }
}
const inAnHour = () => new Date(Date.now() + 3600_000).toISOString()

const shows = (page: Page, status: string) => page.waitForSelector(`paybell-status[data-status=${status}]`)
const link = (page: Page) => page.locator('paybell-status [part=link]')
const isClosed = (page: Page) => page.waitForSelector('#closed:not([hidden])')

async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(await readFile('node_modules/axe-core/axe.min.js', 'utf8'))
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' }) // what fades in has its last colour at once
    const { violations } = await page.evaluate(() => (window as any).axe.run())
    assert.deepEqual(violations.map(({ id, nodes }: any) => [colorScheme, id, nodes.map(({ html }: any) => html)]), [])
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
}

describe('the hosted page', () => {
  const visit = inBrowser({ locale: 'en-US' })

  it('waits, counts down, shows that it is paid, and sends the customer back', async () => {
    const { id, page: address } = await order({ return_url: `${shopUrl}/thanks?a=1&b=2`, expires_at: inAnHour() })
    const page = await visit(address)
    await shows(page, 'created')
    assert.equal(page.url(), `${gateway.url}/pay/${id}`, 'the token is gone from the address')
    await page.waitForFunction(() => /^59:\d\d$/.test(document.querySelector('[role=timer]')!.textContent!))
    assert.equal(await page.textContent('#amount'), '€99.00')
    assert.equal(await page.title(), 'Waiting for your payment · Bell & Sons')
    await assertAccessible(page)
    await gateway.pay(id)
    await shows(page, 'paid')
    assert.equal(await page.isVisible('#left'), false)
    assert.equal(await page.isVisible('#returning'), true)
    await page.waitForURL(`${shopUrl}/thanks?a=1&b=2`)
  })

  it('shows every state in an accessible way', async () => {
    const { id, page: address } = await order()
    const page = await visit(address)
    await shows(page, 'created')
    await gateway.event(id, { status: 'requires_action', payment: 'p', action_url: 'https://bank.example/3ds' })
    await shows(page, 'requires_action')
    assert.equal(await link(page).getAttribute('href'), 'https://bank.example/3ds')
    await assertAccessible(page)
    await gateway.event(id, { status: 'failed', payment: 'p' })
    await shows(page, 'failed')
    assert.equal(await link(page).getAttribute('href'), `${shopUrl}/`)
    assert.equal(await page.isVisible('#back'), false)
    await assertAccessible(page)
    await gateway.event(id, { status: 'paid', payment: 'q', amount: 5000, currency: 'EUR' })
    await shows(page, 'partially_paid')
    await assertAccessible(page)
    await gateway.event(id, { status: 'paid', payment: 'r', amount: 4900, currency: 'EUR' })
    await shows(page, 'paid')
    await assertAccessible(page)
    await gateway.event(id, { status: 'refunded', payment: 'r', amount: 4900, currency: 'EUR' })
    await shows(page, 'partially_refunded')
    await assertAccessible(page)
    assert.equal(page.url(), `${gateway.url}/pay/${id}`, 'without a return_url it stays')
  })

  it('shows that the time is up', async () => {
    const { page: address } = await order({ expires_at: new Date(Date.now() + 3000).toISOString() })
    const page = await visit(address)
    await shows(page, 'created')
    await shows(page, 'expired')
    assert.equal(await page.isVisible('#left'), false)
    await assertAccessible(page)
  })

  it('takes the customer of a canceled order back, and asks for no other try meanwhile', async () => {
    const { id, page: address } = await order({ return_url: `${shopUrl}/thanks` })
    const page = await visit(address)
    await shows(page, 'created')
    await gateway.event(id, { status: 'canceled' })
    await shows(page, 'canceled')
    assert.equal(await page.isVisible('#returning'), true)
    assert.equal(await link(page).isVisible(), false)
    assert.equal(await page.isVisible('#back'), true)
    await page.waitForURL(`${shopUrl}/thanks`)
  })

  it('counts days where there are many hours left', async () => {
    const page = await visit((await order({ expires_at: new Date(Date.now() + 76.5 * 3600_000).toISOString() })).page)
    await shows(page, 'created')
    await page.waitForFunction(() => document.querySelector('[role=timer]')!.textContent === '3 days 4 hours')
  })

  it('is loaded again, left and come back to without the token', async () => {
    const { id, page: address } = await order()
    const page = await visit(address)
    await shows(page, 'created')
    await page.reload()
    await shows(page, 'created')
    await page.goto(`${shopUrl}/bank`)
    await gateway.pay(id)
    await page.goBack()
    await shows(page, 'paid')
    await page.goto(`${shopUrl}/`)
    await page.goto(`${gateway.url}/pay/${id}`)
    await shows(page, 'paid')
  })

  it('outlives a restart of the gateway', async () => {
    const { id, page: address } = await order()
    const page = await visit(address)
    await shows(page, 'created')
    await gateway.restart()
    await gateway.pay(id)
    await shows(page, 'paid')
    await page.reload()
    await shows(page, 'paid')
  })

  it('takes a ticket once', async () => {
    const { id, token } = await order()
    const answer = await fetch(`${gateway.url}/v1/tickets`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    const { ticket } = await answer.json() as { ticket: string }
    const page = await visit(`${gateway.url}/pay/${id}#${ticket}`)
    await shows(page, 'created')
    await page.context().clearCookies()
    await isClosed(await visit(`${gateway.url}/pay/${id}#${ticket}`))
  })

  it('tells who has no good link what to do, and nothing of the order', async () => {
    const { id } = await order()
    const { token: anothers } = await order()
    const seen = new Set<string>()
    for (const [order, pass] of [[id, ''], [id, gateway.token(id, -5)], [id, 'x.y.z'], [id, anothers], ['nothing', anothers], ['nothing', gateway.token('nothing', -5)]]) {
      const page = await visit(`${gateway.url}/pay/${order}#${pass}`)
      await isClosed(page)
      seen.add(await page.innerText('body'))
      assert.equal(await page.getAttribute('#back a', 'href'), `${shopUrl}/`)
      await assertAccessible(page)
      await page.close()
    }
    assert.equal(seen.size, 1, [...seen].join('\n---\n'))
    assert.match([...seen][0]!, /cannot show your payment[^]*Go back to the shop/)
  })

  it('is whole in a second tab, which shares the connection of the first', async () => {
    const { id, page: address } = await order({ return_url: `${shopUrl}/thanks`, expires_at: inAnHour() })
    const [first, second] = [await visit(address), await visit(address)]
    for (const page of [first, second]) {
      await shows(page, 'created')
      await page.waitForSelector('#left:not([hidden])')
      assert.equal(new URL(page.url()).hash, '')
    }
    await gateway.pay(id)
    for (const page of [first, second]) await page.waitForURL(`${shopUrl}/thanks`)
  })

  it('waits for a gateway that is away', async () => {
    const { id } = await order()
    const token = gateway.token(id)
    const page = await visit(`${gateway.url}/pay/${id}`)
    await page.route('**/pay/*', (route) => route.request().method() === 'POST' ? route.abort() : route.continue())
    await page.goto(`${gateway.url}/pay/${id}?again#${token}`)
    await page.waitForTimeout(1000)
    assert.equal(await page.isVisible('#closed'), false)
    await page.unroute('**/pay/*')
    await shows(page, 'created')
  })

  it('asks again when an answer never comes', async () => {
    const { page: address } = await order()
    const page = await visit(`${gateway.url}/pay/nothing`)
    let held = 0
    await page.route('**/pay/*', (route) => route.request().method() === 'POST' && !held++ ? undefined : route.continue())
    await page.goto(address)
    await shows(page, 'created')
    assert.ok(held > 1)
  })

  it('counts decimals as the gateway does, whatever the browser thinks of coins', async () => {
    for (const [amount, currency, shown] of [[10_000_000, 'IDR', '100,000.00'], [1_234_567, 'IQD', '1,234.567'], [99_00, 'HUF', '99.00'], [5000, 'JPY', '5,000']]) {
      const page = await visit((await order({ amount, currency })).page)
      await shows(page, 'created')
      assert.equal((await page.textContent('#amount'))!.replace(/[^\d.,]/g, ''), shown, `${currency}`)
      await page.close()
    }
  })

  it('ends when its token is revoked', async () => {
    const { id, page: address } = await order()
    const page = await visit(address)
    await shows(page, 'created')
    await gateway.revoke({ order: id })
    await isClosed(page)
  })

  it('goes nowhere that the address asks for', async () => {
    const { id, page: address } = await order()
    const page = await visit(address.replace('#', `?return_url=https://evil.example/&back=https://evil.example/&url=https://evil.example/#`))
    await shows(page, 'created')
    await gateway.pay(id)
    await shows(page, 'paid')
    assert.equal(await page.isVisible('#returning'), false)
    assert.deepEqual(await page.$$eval('a[href]', (links) => links.map((link) => (link as HTMLAnchorElement).href)), [`${shopUrl}/`])
  })

  it('is not shown in a frame', async () => {
    const page = await visit(`${shopUrl}/frame`)
    assert.deepEqual(troubles.splice(0).map((trouble) => /frame-ancestors 'none'/.test(trouble)), [true])
    assert.doesNotMatch(await page.frames()[1]!.content(), /paybell-status/)
  })

  it('fits small phones, long ids, and right-to-left', async () => {
    const id = 'W'.repeat(128)
    const { urls } = await gateway.session({ order: id, amount: 999_999_999_99, currency: 'EUR' })
    const page = await visit(urls.page!)
    await shows(page, 'created')
    for (const dir of ['ltr', 'rtl']) {
      await page.evaluate((dir) => { document.documentElement.dir = dir }, dir)
      for (const width of [280, 320, 1280]) {
        await page.setViewportSize({ width, height: 568 })
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `${dir} at ${width}`)
      }
    }
    await assertAccessible(page)
  })

  it('breaks no amount, however long', async () => {
    for (const [amount, currency] of [[9900, 'EUR'], [99_999_99, 'EUR'], [1_234_567_00, 'IDR'], [100_000_000_000_00, 'IDR'], [12_345_678_901, 'IQD']] as const) {
      const page = await visit((await order({ amount, currency })).page)
      await shows(page, 'created')
      for (const width of [280, 320, 360, 412, 1280]) {
        await page.setViewportSize({ width, height: 568 })
        const { lines, fits } = await page.$eval('#amount', (shown) => ({
          lines: shown.clientHeight / parseFloat(getComputedStyle(shown).lineHeight), fits: shown.scrollWidth <= shown.clientWidth,
        }))
        assert.deepEqual([Math.round(lines), fits], [1, true], `${amount} ${currency} at ${width}`)
      }
      await page.close()
    }
  })

  it('moves nothing for who wants that', async () => {
    const page = await visit((await order()).page)
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await shows(page, 'created')
    const moving = () => page.evaluate(() => document.querySelector('paybell-status')!.shadowRoot!.getAnimations().length)
    assert.equal(await moving(), 0)
    await page.emulateMedia({ reducedMotion: 'no-preference' })
    assert.equal(await moving(), 1)
  })

  it('broke no content security policy, threw nothing, and asked nobody else', () => assert.deepEqual(troubles, []))
})

describe('the hosted page in Chinese', () => {
  const visit = inBrowser({ locale: 'zh-CN' })

  it('speaks it', async () => {
    const page = await visit((await order({ expires_at: inAnHour() })).page)
    await shows(page, 'created')
    assert.equal(await page.locator('paybell-status [part=title]').innerText(), '等待付款')
    assert.match(await page.innerText('main'), /剩余时间[^]*返回 Bell & Sons/)
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
    await assertAccessible(page)
    const closed = await visit(`${gateway.url}/pay/nothing#%zz`)
    await isClosed(closed)
    assert.match(await closed.innerText('main'), /无法显示您的付款/)
  })
})

describe('the hosted page without JavaScript', () => {
  const visit = inBrowser({ locale: 'en-US', javaScriptEnabled: false })
  const says = (page: Page, title: string) => page.waitForSelector(`.title:text-is("${title}")`)

  it('comes from a form of the shop, waits, shows that it is paid, and sends the customer back', async () => {
    const { id, token } = await order({ return_url: `${shopUrl}/thanks`, expires_at: inAnHour() })
    const page = await visit(`${shopUrl}/checkout?order=${id}&token=${token}`)
    await page.click('button')
    await says(page, 'Waiting for your payment')
    assert.equal(page.url(), `${gateway.url}/pay/${id}`)
    assert.equal(await page.textContent('#left [role=timer]'), '60 min')
    await gateway.pay(id)
    await says(page, 'Paid')
    await page.waitForURL(`${shopUrl}/thanks`)
  })

  it('tells who has no pass what to do', async () => {
    const page = await visit((await order()).page)
    assert.match(await page.innerText('main'), /cannot show your payment[^]*switch JavaScript on/)
    assert.equal(await page.isVisible('paybell-status'), false)
    const { id } = await order()
    const used = await visit(`${shopUrl}/checkout?order=${id}&token=${gateway.token(id, -5)}`)
    await used.click('button')
    await says(used, 'This page cannot show your payment')
    assert.equal(await used.isVisible('paybell-status'), false)
  })

  it('broke no content security policy', () => assert.deepEqual(troubles, []))
})

describe('pictures for the docs', () => {
  const visit = inBrowser({ locale: 'en-US', viewport: { width: 400, height: 620 } })
  const path = (name: string) => join(process.env.PAYBELL_SCREENSHOTS || mkdtempSync(join(tmpdir(), 'paybell-pictures-')), `${name}.png`)

  it('are pictures of the hosted page', async () => {
    const id = 'A1001'
    const { urls } = await gateway.session({ order: id, expires_at: new Date(Date.now() + 899_000).toISOString() })
    const page = await visit(urls.page!)
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await shows(page, 'created')
    await page.waitForSelector('#left:not([hidden])')
    await page.screenshot({ path: path('hosted-waiting') })
    await gateway.event(id, { status: 'requires_action', payment: 'p', action_url: 'https://bank.example/3ds' })
    await shows(page, 'requires_action')
    await page.screenshot({ path: path('hosted-action') })
    await page.emulateMedia({ colorScheme: 'dark' })
    await gateway.pay(id)
    await shows(page, 'paid')
    const picture = await page.screenshot({ path: path('hosted-paid') })
    assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [400, 620])
  })
})
