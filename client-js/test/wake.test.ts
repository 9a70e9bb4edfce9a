import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startGateway, until, watch } from './gateway.ts'

describe('a device that wakes', () => {
  it('does not wait on when the device comes online, and hears nothing of that after close', async (t) => {
    const device = new EventTarget()
    const own = { addEventListener: device.addEventListener.bind(device), removeEventListener: device.removeEventListener.bind(device) }
    const before = { addEventListener: globalThis.addEventListener, removeEventListener: globalThis.removeEventListener }
    Object.assign(globalThis, own)
    t.after(() => Object.assign(globalThis, before))

    const gateway = await startGateway(t, { websocket: (socket) => socket.close() })
    const seen = watch(t, gateway, { transports: ['websocket'], random: () => 1000 })
    await until('the loss', () => seen.errors.length === 1)
    device.dispatchEvent(new Event('online'))
    await until('the second try', () => seen.errors.length === 2)
    seen.close()
    device.dispatchEvent(new Event('online'))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(gateway.asked.length, 2)
  })
})
