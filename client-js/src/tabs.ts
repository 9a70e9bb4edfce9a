import type { Extra } from './extra.ts'
import { shut } from './gate.ts'
import type { OrderState } from './protocol.ts'
import type { TransportName } from './transport.ts'

/** What the tab that connects tells the others; in the other direction, whether the tab that asks was
 *  looked at again. */
type Message = { state: OrderState | undefined; transport: TransportName | null } | boolean

/** An answer is due within so many ms; and a tab that heard nothing for so long asks. */
const answerWithin = 700
const askEvery = 20_000

/** Makes the tabs of one origin share a connection, by Web Locks and a BroadcastChannel: whoever
 *  holds the lock connects. The browser hands the lock on when its tab is closed; a tab that does not
 *  answer any more, because it is frozen, is robbed of it. Where the browser lacks either, every tab
 *  is on its own. */
export const shareTabs: Extra = ({ base, order, watch, on, tell, show, use, cut, gates }) => {
  const { document, navigator, BroadcastChannel } = globalThis
  const locks = document && BroadcastChannel && navigator.locks
  if (!locks) return
  const name = `paybell ${base} ${order}`
  let channel: BroadcastChannel | undefined
  let waiting: AbortController
  let timer: ReturnType<typeof setTimeout>
  let leads = false
  let pass = () => {}
  let release = () => {}

  const queue = (steal?: boolean) => {
    const at = channel
    const lead = () => {
      if (at !== channel) return
      leads = true
      clearTimeout(timer)
      use(null)
      pass()
      return new Promise<void>((resolve) => { release = resolve })
    }
    waiting = new AbortController()
    locks.request(name, steal ? { steal } : { signal: waiting.signal }, lead).catch((error) => {
      if (at !== channel) return
      if (error.name !== 'AbortError') lead() // a page that may have no locks is on its own
      else if (leads) { // robbed
        leads = false
        pass = shut(gates)
        queue()
        cut()
        ask()
      }
    })
  }
  const expect = (ms: number, otherwise: () => void) => {
    clearTimeout(timer)
    timer = setTimeout(otherwise, ms)
  }
  const ask = (looked = false) => {
    if (leads || !channel) return
    channel.postMessage(looked)
    expect(answerWithin, () => {
      waiting.abort()
      queue(true)
    })
  }
  const say = () => {
    if (leads) channel!.postMessage({ state: watch.state, transport: watch.transport })
  }
  const enter = () => {
    if (channel) return
    channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (typeof data === 'boolean') {
        say()
        if (leads && data) tell('show')
      } else if (!leads) {
        expect(askEvery, ask)
        if (data.state) show(data.state, true, data.transport ?? 'poll')
        use(data.transport)
      }
    }
    pass = shut(gates)
    queue()
    ask()
  }
  const leave = () => {
    channel?.close()
    channel = undefined
    leads = false
    clearTimeout(timer)
    waiting.abort()
    release()
    pass()
  }
  on('change', say)
  on('transport', say)
  on('show', () => {
    enter()
    ask(true)
  })
  on('hide', leave)
  on('close', leave)
  enter()
}
