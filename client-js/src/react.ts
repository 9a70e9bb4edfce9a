/** React: `const { state } = useOrder({ url, order, token })`.
 *  @module */
import { useEffect, useRef, useState } from 'react'
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

const nothing: Order = { state: undefined, transport: null, stale: false, error: undefined }

/** Watches an order while the component is mounted; null or undefined: not (yet). Another `url` or
 *  `order` begins anew. The other options may change with every render: `token` and the listeners that
 *  are called are those of the last one, the rest is taken when the watch begins. */
export function useOrder(options: WatchOptions | null | undefined): Order {
  const [order, setOrder] = useState(nothing)
  const latest = useRef(options)
  useEffect(() => { latest.current = options })
  const url = options?.url
  const id = options?.order
  useEffect(() => {
    const first = latest.current
    if (!first) return
    const set = (news: Partial<Order>) => setOrder((known) => ({ ...known, ...news }))
    const watch = watchOrder({
      ...first,
      token: typeof first.token === 'string' ? first.token : () => {
        const { token } = latest.current ?? first
        return typeof token === 'string' ? token : token()
      },
      onChange: (state, arrival) => {
        set({ state })
        latest.current?.onChange?.(state, arrival)
      },
      onTransport: (transport) => {
        set(transport ? { transport, stale: false, error: undefined } : { transport })
        latest.current?.onTransport?.(transport)
      },
      onError: (error) => {
        set({ error })
        latest.current?.onError?.(error)
      },
    })
    watch.on('slow', () => set({ stale: true }))
    watch.on('stale', () => set({ stale: true }))
    return () => {
      watch.close()
      setOrder(nothing)
    }
  }, [url, id])
  return order
}
