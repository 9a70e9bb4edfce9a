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

// The hosted page in a real Chromium, against a real gateway: what a customer of a shop without a page sees.

let gateway: Gateway, shop: Server, shopUrl: string, browser: BrowserContext, profile: string
/** What the shop was asked for. */
const asked: string[] = []
const troubles: string[] = []

/** The shop: a page that posts the token, as `/checkout?order=…&token=…` would, and where customers come back to. */
async function startShop(): Promise<void> {
  shop = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://shop')
    asked.push(request.url!)
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end(pathname !== '/checkout' ? '<!doctype html><title>Shop</title><h1>Thanks</h1>' : `<!doctype html><title>Checkout</title>
      <form method="post" action="${gateway.url}/pay/${searchParams.get('order')}">
      <input type="hidden" name="pass" value="${searchParams.get('token')}"><button>Pay</button></form>`)
  }).listen(0, '127.0.0.1')
  await once(shop, 'listening')
  shopUrl = `http://localhost:${(shop.address() as { port: number }).port}`
}

const open = (options: object = {}) => chromium.launchPersistentContext(profile = mkdtempSync(join(tmpdir(), 'paybell-chromium-')), {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: chromiumFlags, ...options,
})

async function restart(options: object = {}): Promise<void> {
  if (browser) {
    await browser.close()
    await rm(profile, { recursive: true, force: true })
  }
  browser = await open(options)
  browser.setDefaultTimeout(30_000)
}

before(async () => {
  await startShop()
  gateway = await startRealGateway({ hosted: { name: 'Bell & Sons', back: `${shopUrl}/` } })
})
after(async () => {
  await browser?.close()
  await gateway?.stop()
  shop?.closeAllConnections()
  shop?.close()
  await rm(profile, { recursive: true, force: true })
})
afterEach(() => Promise.all(browser.pages().slice(1).map((page) => page.close())))

async function newPage(): Promise<Page> {
  const page = await browser.newPage()
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('console', (message) => /content security policy|violates/i.test(message.text()) && troubles.push(message.text()))
  page.on('request', (request) => [gateway.url, shopUrl, 'data:'].some((ours) => request.url().startsWith(ours)) || troubles.push(`left the machine: ${request.url()}`))
  return page
}

async function visit(address: string): Promise<Page> {
  const page = await newPage()
  await page.goto(address)
  return page
}

const shows = (page: Page, status: string) => page.waitForSelector(`paybell-status[data-status=${status}]`)
const part = (page: Page, name: string) => page.locator(`paybell-status [part=${name}]`)

async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(await readFile('node_modules/axe-core/axe.min.js', 'utf8'))
  const { violations } = await page.evaluate(() => (window as any).axe.run())
  assert.deepEqual(violations.map(({ id, nodes }: any) => [id, nodes.map(({ html }: any) => html)]), [])
}

describe('the hosted page', () => {
  before(() => restart())

  it('waits, counts down, shows that it is paid, and sends the customer back', async () => {
    const order = `A${Date.now()}`
    const { urls } = await gateway.session({ order, return_url: `${shopUrl}/thanks?of=${order}`, expires_at: new Date(Date.now() + 3600_000).toISOString() })
    const page = await visit(urls.page!)
    await shows(page, 'created')
    assert.equal(page.url(), `${gateway.url}/pay/${order}`, 'the token is gone from the address')
    await page.screenshot({ path: '/tmp/hosted-1.png' })
    await page.waitForFunction(() => /^59:\d\d$/.test(document.querySelector('[role=timer]')!.textContent!))
    await assertAccessible(page)
    await gateway.pay(order)
    await shows(page, 'paid')
    await page.screenshot({ path: '/tmp/hosted-2.png' })
    await assertAccessible(page)
    await page.waitForURL(`${shopUrl}/thanks?of=${order}`)
  })
})
