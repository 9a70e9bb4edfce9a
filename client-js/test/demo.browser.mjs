// The demo page in a real Chromium, against a real `paybell demo`: every button on every transport.
//   PAYBELL_BIN   the program; without it, it is built
//   CHROMIUM      the browser; default /usr/bin/chromium
//   PAYBELL_SCREENSHOTS   a folder for the picture of docs; without it, it is thrown away
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'

const chromiumFlags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** A poll of a final order pauses for half a minute, because the gateway asks for it. */
const patience = 60_000

let folder, demo, address, browser, page
const troubles = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paybell-browser-'))
  address = await startDemo()
  browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: chromiumFlags,
  })
  page = await browser.newPage()
  page.setDefaultTimeout(patience)
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('console', (message) => /content security policy/i.test(message.text()) && troubles.push(message.text()))
  page.on('request', (request) => request.url().startsWith(address.origin) || troubles.push(`left the machine: ${request.url()}`))
  await page.goto(address.href)
})

after(async () => {
  await browser?.close()
  if (demo && demo.exitCode === null) {
    demo.kill('SIGTERM')
    await once(demo, 'exit')
  }
  if (folder) await rm(folder, { recursive: true, force: true })
})

async function startDemo() {
  const bin = process.env.PAYBELL_BIN ?? join(folder, 'paybell')
  if (!process.env.PAYBELL_BIN) {
    const root = join(import.meta.dirname, '../..')
    execFileSync('go', ['build', '-o', bin, './cmd/paybell'], { cwd: root, stdio: 'inherit' })
  }
  demo = spawn(bin, ['demo', '--listen', `127.0.0.1:${await freePort()}`, '--dir', join(folder, 'ledger')])
  let said = ''
  demo.stderr.on('data', (text) => { said += text })
  return new Promise((resolve, reject) => {
    demo.on('exit', () => reject(new Error(`the demo ended: ${said}`)))
    demo.stdout.on('data', (text) => {
      const url = /http:\/\/\S+\/demo\b/.exec(said += text)
      if (url) resolve(new URL(url[0]))
    })
  })
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

// What a person does and sees

async function order() {
  await press('new-order')
  await status('created')
  await page.waitForFunction(() => document.getElementById('transport').dataset.transport)
}

/** Presses a button and waits for the answer to it. */
async function press(id) {
  await page.click(`#${id}`)
  await page.waitForSelector(`#${id}[aria-busy=false]`)
}

const status = (wanted) => page.waitForSelector(`#status[data-status="${wanted}"]`)
const text = (id) => page.textContent(`#${id}`)
const version = async () => Number(await text('version'))
/** The statuses and versions that the page listed, oldest first. */
const heard = () => page.$$eval('#log .change', (lines) =>
  lines.map((line) => [line.querySelector('.what').textContent, Number(line.querySelector('.number').textContent.slice(1))]).reverse())
const answers = () => page.$$eval('#webhooks li:first-child .code', (codes) => codes.map((code) => Number(code.textContent)))
const isPlain = (list) => list.every((status) => status === 200)

async function stays(id, wanted) {
  await page.waitForTimeout(700)
  assert.deepEqual([await page.getAttribute('#status', 'data-status'), await version()], wanted, `after ${id}`)
}

async function latency() {
  await page.waitForSelector('#latency[data-ms]')
  const ms = Number(await page.getAttribute('#latency', 'data-ms'))
  assert.ok(ms > 0 && ms < patience, `latency ${ms}`)
}

for (const [way, name] of [['websocket', 'WebSocket'], ['sse', 'SSE'], ['longPoll', 'polling'], ['auto', 'WebSocket']]) {
  describe(`the demo page by ${way}`, () => {
    before(() => page.check(`input[name=transport][value=${way}]`, { force: true }))

    for (const button of ['pay-stripe', 'pay-backend']) {
      it(`${button}: paid, one version further`, async () => {
        await order()
        const first = await version()
        await press(button)
        await status('paid')
        assert.equal(await version(), first + 1)
        assert.deepEqual(await answers(), [200])
        assert.equal(await text('transport'), name)
        assert.equal(await text('paid'), '€99.00')
        await latency()
      })
    }

    it('fail-3ds: each step is shown', async () => {
      await order()
      const first = await version()
      await press('fail-3ds')
      await status('paid')
      assert.deepEqual((await heard()).slice(-3), [['requires_action', first + 1], ['failed', first + 2], ['paid', first + 3]])
      assert.ok(isPlain(await answers()))
    })

    it('refund: refunded', async () => {
      await order()
      await press('pay-stripe')
      await status('paid')
      await press('refund')
      await status('refunded')
      assert.equal(await text('refunded'), '€99.00')
    })

    it('five-times: all accepted, one version', async () => {
      await order()
      const first = await version()
      await press('five-times')
      await status('paid')
      assert.deepEqual(await answers(), [200, 200, 200, 200, 200])
      await stays('five-times', ['paid', first + 1])
    })

    it('late-shuffled: paid stays paid', async () => {
      await order()
      const first = await version()
      await press('late-shuffled')
      await status('paid')
      assert.ok(isPlain(await answers()))
      await page.waitForTimeout(700)
      const after = (await heard()).filter(([, version]) => version > first).map(([status]) => status)
      assert.ok(after.includes('paid') && after.slice(after.indexOf('paid')).every((status) => status === 'paid'), after.join())
    })

    it('forged: answered 401, and nothing changes', async () => {
      await order()
      const first = await version()
      await press('forged')
      assert.deepEqual(await answers(), [401])
      await stays('forged', ['created', first])
    })

    it('cut: comes back, and misses nothing', async () => {
      await order()
      const connections = () => page.$$eval('#log .connection', (lines) => lines.filter((line) => /^Connected/.test(line.textContent)).length)
      const before = await connections()
      await press('cut')
      // A cut request of a poll is only asked again; a cut stream is a lost connection.
      if (way !== 'longPoll') await page.waitForFunction((n) => [...document.querySelectorAll('#log .connection')]
        .filter((line) => /^Connected/.test(line.textContent)).length > n, before)
      await press('pay-stripe')
      await status('paid')
      assert.equal(await text('transport'), name)
      const versions = (await heard()).map(([, version]) => version)
      assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b))
    })
  })
}

describe('the demo page', () => {
  it('keeps its order when another transport is chosen', async () => {
    await page.check('input[name=transport][value=websocket]', { force: true })
    await order()
    await press('pay-stripe')
    await status('paid')
    const lines = (await heard()).length
    for (const [way, name] of [['sse', 'SSE'], ['longPoll', 'polling'], ['websocket', 'WebSocket']]) {
      await page.check(`input[name=transport][value=${way}]`, { force: true })
      await page.waitForFunction((name) => document.getElementById('transport').textContent === name, name)
    }
    assert.equal((await heard()).length, lines)
  })

  it('links to the hosted page of its order', async () => {
    await order()
    const id = await text('order')
    const [hosted] = await Promise.all([page.context().waitForEvent('page'), page.click('#hosted')])
    await hosted.waitForSelector('paybell-status[data-status=created]')
    await press('pay-stripe')
    await hosted.waitForSelector('paybell-status[data-status=paid]')
    assert.equal(hosted.url(), `${address.origin}/pay/${id}`)
    await hosted.waitForURL(address.href)
    await hosted.close()
  })

  it('is a picture for the docs', async () => {
    await page.setViewportSize({ width: 1100, height: 670 })
    await order()
    await press('fail-3ds')
    await status('paid')
    await page.mouse.move(0, 0)
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await page.screenshot({ path: join(process.env.PAYBELL_SCREENSHOTS || folder, 'demo.png') })
  })

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 })
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
  })

  it('threw nothing, broke no content security policy, and asked nobody else', () => assert.deepEqual(troubles, []))
})
