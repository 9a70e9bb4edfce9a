/** Svelte: `const order = orderStore({ url, order: 'A1001', token })`, then `{$order.state?.status}`.
 *  It keeps the contract of Svelte's stores and needs no module of Svelte.
 *  @module */
import { type OrderState, type TransportName, type WatchError, watchOrder, type WatchOptions } from './index.ts'

/** What a component knows of an order. */
export interface Order {
  /** The newest known state; undefined before the first, and on a server. */
  state: OrderState | undefined
  transport: TransportName | null
  /** There was no connection for 3 s: `state` may be old, or is not there yet. */
  stale: boolean
  /** The last trouble since something was heard. With `fatal`, nothing more will come. */
  error: WatchError | undefined
}

/** A readable store, as Svelte understands it. */
export interface OrderStore {
  /** Calls `run` with what is known, now and whenever that changes, until the function that it returns is called. */
  subscribe(run: (order: Order) => void): () => void
}

/** Watches an order as long as there are subscribers. A server, which subscribes for a moment only,
 *  connects to nothing. */
export function orderStore(options: WatchOptions): OrderStore {
  const nothing: Order = { state: undefined, transport: null, stale: false, error: undefined }
  const runs = new Set<{ run: (order: Order) => void }>()
  let order = nothing
  let close = () => {}
  const set = (news: Partial<Order>) => {
    order = { ...order, ...news }
    for (const { run } of [...runs]) run(order)
  }
  const begin = () => {
    order = nothing
    const watch = watchOrder(options)
    close = watch.close
    watch.on('change', (state) => set({ state }))
    watch.on('error', (error) => set({ error }))
    watch.on('slow', () => set({ stale: true }))
    watch.on('stale', () => set({ stale: true }))
    watch.on('transport', (transport) => set(transport ? { transport, stale: false, error: undefined } : { transport }))
  }
  return {
    subscribe(run) {
      const subscriber = { run }
      if (!runs.size) begin()
      runs.add(subscriber)
      run(order)
      return () => {
        if (runs.delete(subscriber) && !runs.size) close()
      }
    },
  }
}
