import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { seenBy, startShop, type Shop } from './browser.ts'

let shop: Shop
before(async () => { shop = await startShop() })
after(() => shop?.close())

/** As a page does it that has no library. */
const plain = `
const bought = await fetch(query.gateway + '/v1/tickets', { method: 'POST', headers: { Authorization: 'Bearer ' + await token() } })
const { ticket } = await bought.json()
const source = new EventSource(query.gateway + '/v1/sse?ticket=' + encodeURIComponent(ticket))
for (const name of ['snapshot', 'update']) source.addEventListener(name, ({ data }) => seen.states.push(JSON.parse(data)))
source.addEventListener('error', () => seen.errors.push('lost'))
`

describe("a browser's own EventSource", () => {
  it('with a ticket follows an order from created to paid', async () => {
    const order = await shop.gateway.order()
    const page = await shop.open('plain', plain, { order })
    const shown = (count: number) => page.waitForFunction((count) => (window as any).seen?.states.length === count, count, { polling: 20 })
    await shown(1)
    await shop.gateway.pay(order)
    await shown(2)
    const { states, errors } = await seenBy(page)
    assert.deepEqual(states.map(({ status }) => status), ['created', 'paid'])
    assert.deepEqual(errors, [])
  })
})
