import type { Watch } from './options.ts'
import type { OrderState } from './protocol.ts'

/** The newest state of a watch that was not given yet, again and again: who is slow misses what was in
 *  between, not what is. Leaving the loop closes the watch; a fatal error is thrown into it. */
export async function* states(watch: Watch): AsyncGenerator<OrderState, void> {
  let given: OrderState | undefined
  let failure: Error | undefined
  let over = false
  let wake = () => {}
  watch.on('change', () => wake())
  watch.closed.then((error) => {
    failure = error
    over = true
    wake()
  })
  try {
    for (;;) {
      while (watch.state !== given) yield given = watch.state!
      if (failure) throw failure
      if (over) return
      await new Promise<void>((resolve) => { wake = resolve })
    }
  } finally {
    watch.close()
  }
}
