import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { compile } from 'svelte/compiler'
import { startShop, type Shop } from './browser.ts'
import { program } from './gateway.ts'

let shop: Shop
const troubles: string[] = []
before(async () => { shop = await startShop() })
after(() => shop?.close())
afterEach(() => Promise.all(shop.browser.pages().slice(1).map((page) => page.close())))

const text = (page: Page, wanted: string) => page.waitForFunction((wanted) => document.getElementById('app')!.innerText.includes(wanted), wanted)

async function open(name: string, script: string, order: string): Promise<Page> {
  const page = await shop.open(name, script, { order })
  page.on('pageerror', (error) => troubles.push(`${name}: ${error}`))
  return page
}

const react = `
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { useOrder } from '../src/react.ts'

function Waiting() {
  const { state, transport } = useOrder({ url: query.gateway, order: query.order, token })
  return <p>{state?.status ?? 'nothing'} by {transport ?? 'none'}</p>
}
function App() {
  const [on, setOn] = useState(true)
  return <><button onClick={() => setOn(!on)}>toggle</button>{on && <Waiting />}</>
}
createRoot(document.getElementById('app')!).render(<StrictMode><App /></StrictMode>)
`

const vue = `
import { createApp, h, ref } from 'vue'
import { useOrder } from '../src/vue.ts'

const Waiting = {
  setup() {
    const { state, transport } = useOrder(() => ({ url: query.gateway, order: query.order, token }))
    return () => h('p', (state.value?.status ?? 'nothing') + ' by ' + (transport.value ?? 'none'))
  },
}
const on = ref(true)
createApp({ render: () => [h('button', { onClick: () => { on.value = !on.value } }, 'toggle'), on.value ? h(Waiting) : null] }).mount('#app')
`

const svelteComponent = (storeFrom: string) => compile(`
<script>
  import { orderStore } from '${storeFrom}'
  let { options } = $props()
  const order = orderStore(options)
  let on = $state(true)
</script>
<button onclick={() => { on = !on }}>toggle</button>
{#if on}<p>{$order.state?.status ?? 'nothing'} by {$order.transport ?? 'none'}</p>{/if}
`, { name: 'App', filename: 'App.svelte' }).js.code.replace('export default function', 'function')

const svelte = `
import { mount, unmount } from 'svelte'
${svelteComponent('../src/svelte.ts')}
const app = mount(App, { target: document.getElementById('app')!, props: { options: { url: query.gateway, order: query.order, token } } })
window.unmount = () => unmount(app)
`

describe('frameworks', () => {
  for (const [name, script] of Object.entries({ react, vue, svelte })) {
    it(`${name} shows an order from created to paid with one connection, and lets go`, async () => {
      const order = await shop.gateway.order()
      const page = await open(name, script, order)
      await text(page, 'created by websocket')
      assert.deepEqual(shop.tokens.filter((asked) => asked === name), [name])
      assert.deepEqual(await shop.gateway.connections(), { ...await shop.gateway.connections(), websocket: 1 })
      await shop.gateway.pay(order)
      await text(page, 'paid by websocket')
      if (name === 'svelte') await page.evaluate(() => (window as any).unmount())
      else await page.click('button')
      for (let tries = 0; (await shop.gateway.connections()).websocket; tries++) {
        assert.ok(tries < 500, 'the connection is still there')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })
  }
})

const element = `
import { defineStatus } from '../src/element.ts'
defineStatus()
const status = document.createElement('paybell-status')
for (const [name, value] of Object.entries({ url: query.gateway, order: query.order, 'token-url': '/token' + location.search, 'retry-url': '/checkout' })) status.setAttribute(name, value)
status.addEventListener('paybell-change', ({ detail }) => seen.states.push(detail))
document.getElementById('app')!.append(status)
`

describe('<paybell-status>', () => {
  const part = (page: Page, name: string) => page.locator(`paybell-status [part=${name}]`)
  const shows = (page: Page, status: string) => page.waitForSelector(`paybell-status[data-status=${status}]`)

  async function assertAccessible(page: Page) {
    await page.evaluate(await readFile('node_modules/axe-core/axe.min.js', 'utf8'))
    const { violations } = await page.evaluate(() => (window as any).axe.run('paybell-status'))
    assert.deepEqual(violations.map(({ id, nodes }: any) => [id, nodes.map(({ html }: any) => html)]), [])
  }

  it('shows waiting, action needed and paid, in an accessible way', async () => {
    const order = await shop.gateway.order()
    const page = await open('element', element, order)
    await shows(page, 'created')
    assert.equal(await part(page, 'title').innerText(), 'Waiting for your payment')
    assert.equal(await part(page, 'link').isVisible(), false)
    await assertAccessible(page)

    await shop.gateway.event(order, { status: 'requires_action', payment: 'p1', action_url: 'https://bank.example/3ds' })
    await shows(page, 'requires_action')
    assert.equal(await part(page, 'link').innerText(), 'Continue')
    assert.equal(await part(page, 'link').getAttribute('href'), 'https://bank.example/3ds')
    await assertAccessible(page)

    await shop.gateway.pay(order)
    await shows(page, 'paid')
    assert.equal(await part(page, 'title').innerText(), 'Paid')
    assert.equal(await part(page, 'link').isVisible(), false)
    await assertAccessible(page)
    assert.deepEqual(await page.evaluate(() => (window as any).seen.states.map(({ status }: any) => status)), ['created', 'requires_action', 'paid'])
  })

  it('shows a failure with a link to try again, in Chinese where the page is', async () => {
    const order = await shop.gateway.order()
    const page = await open('failing', element, order)
    await page.evaluate(() => { document.documentElement.lang = 'zh-Hans-CN' })
    await shop.gateway.event(order, { status: 'failed', payment: 'p1' })
    await shows(page, 'failed')
    assert.equal(await part(page, 'title').innerText(), '付款失败')
    assert.equal(await part(page, 'link').innerText(), '重试')
    assert.equal(await part(page, 'link').getAttribute('href'), '/checkout')
    await assertAccessible(page)
  })

  it('can be themed by its parts', async () => {
    const page = await open('themed', `${element}
      document.head.insertAdjacentHTML('beforeend', '<style>paybell-status::part(title) { color: rgb(1, 2, 3) }</style>')`, await shop.gateway.order())
    await shows(page, 'created')
    assert.equal(await part(page, 'title').evaluate((title) => getComputedStyle(title).color), 'rgb(1, 2, 3)')
  })

  it('takes a token that was set before it was defined, and needs no style-src', async () => {
    const page = await open('early', element
      .replace('defineStatus()', `document.head.insertAdjacentHTML('beforeend', '<meta http-equiv="Content-Security-Policy" content="style-src none">')`)
      .replace("'token-url': '/token' + location.search, ", '') + '; status.token = token; defineStatus()', await shop.gateway.order())
    await shows(page, 'created')
    assert.equal(await page.locator('paybell-status [part=box]').evaluate((box) => getComputedStyle(box).textAlign), 'center')
  })

  it('asks for a token again when the answer never comes', async () => {
    const page = await open('unanswered', `${element}
      const { fetch } = globalThis
      const timeout = AbortSignal.timeout.bind(AbortSignal)
      let asked = 0
      AbortSignal.timeout = () => timeout(100)
      globalThis.fetch = (url, init) => !String(url).startsWith('/token') || asked++ ? fetch(url, init)
        : new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(init.signal.reason)))`, await shop.gateway.order())
    await shows(page, 'created')
  })

  it('is defined by the gateway\'s script on a plain page of another origin', async () => {
    const order = await shop.gateway.order()
    const pinned = String(execFileSync(program(), ['script', '--element', shop.gateway.url]))
    for (const script of [`<script src="${shop.gateway.url}/paybell-status.js"></script>`, pinned]) {
      const page = await shop.browser.newPage()
      page.on('pageerror', (error) => troubles.push(`plain: ${error}`))
      await page.goto(shop.publishPlain(`${script}
        <paybell-status url="${shop.gateway.url}" order="${order}" token-url="/token?order=${order}" retry-url="/checkout"></paybell-status>`))
      await shows(page, 'created')
      assert.equal(await page.evaluate(() => typeof (window as any).Paybell.watchOrder), 'function')
    }
    await shop.gateway.pay(order)
    for (const page of shop.browser.pages().slice(1)) await shows(page, 'paid')
  })

  it('makes no link of what would run in the page', async () => {
    const order = await shop.gateway.order()
    const page = await open('hostile', `${element}; status.setAttribute('retry-url', ' java\\tscript:alert(1)')`, order)
    await shop.gateway.event(order, { status: 'failed', payment: 'p1' })
    await shows(page, 'failed')
    assert.equal(await part(page, 'link').getAttribute('href'), null)
    assert.equal(await part(page, 'link').isVisible(), false)
  })

  it('threw nothing', () => assert.deepEqual(troubles, []))
})
