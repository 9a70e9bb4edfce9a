import type { OrderState } from './protocol.ts'
import { states } from './states.ts'
import { type CoreOptions, type Watch, WatchError } from './options.ts'

/** What is added to the options of a watch when one waits for the payment. */
export interface Waiting {
  /** Gives up after so many ms. Default: never. */
  timeout?: number | undefined
}

/** Resolves with the state when the order is paid, and closes the watch. */
export async function untilPaid(watch: Watch, { timeout, signal }: Waiting & Pick<CoreOptions, 'signal'>): Promise<OrderState> {
  let late = false
  const timer = timeout! < 2 ** 31 ? setTimeout(() => {
    late = true
    watch.close()
  }, timeout) : undefined
  try {
    for await (const state of states(watch)) {
      if (state.status === 'paid' || state.status === 'partially_refunded') return state
      if (state.final) throw new WatchError(state.status, state.status, true, state)
    }
  } finally {
    clearTimeout(timer)
  }
  throw late ? new WatchError('not paid in time', 'timeout', true, watch.state) : signal!.reason
}
