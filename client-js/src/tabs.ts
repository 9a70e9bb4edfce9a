import type { Extra } from './extra.ts'
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
export const shareTabs: Extra = ({ base, options, watch, on, tell, show, use, cut, gate }) => {
  const locks = globalThis.navigator?.locks
  if (!globalThis.document || !locks || !globalThis.BroadcastChannel) return
  const name = `paybell ${base} ${options.order}`
  let channel: BroadcastChannel | undefined
  let waiting: AbortController
  let timer: ReturnType<typeof setTimeout>
  let leads = false
  let release = () => {}
  let begin!: () => void
  let turn: Promise<void> | undefined

  const queue = (steal: boolean) => {
    const at = channel
    const lead = () => {
      if (at !== channel) return
      leads = true
      clearTimeout(timer)
      use(null)
      begin()
      return new Promise<void>((resolve) => { release = resolve })
    }
    turn ??= new Promise((resolve) => { begin = resolve })
    waiting = new AbortController()
    locks.request(name, steal ? { steal } : { signal: waiting.signal }, lead).catch((error) => {
      if (at !== channel) return
      if (error.name !== 'AbortError') lead() // a page that may have no locks is on its own
      else if (leads) { // robbed
        leads = false
        turn = undefined
        queue(false)
        cut('another tab connects')
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
    if (leads) channel?.postMessage({ state: watch.state, transport: watch.transport })
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
    queue(false)
    ask()
  }
  const leave = () => {
    channel?.close()
    channel = turn = undefined
    leads = false
    clearTimeout(timer)
    waiting?.abort()
    release()
  }
  gate(() => turn)
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
