/** Vue 3: `const { state } = useOrder({ url, order, token })`.
 *  @module */
import { type MaybeRefOrGetter, onMounted, onScopeDispose, type ShallowRef, shallowRef, toValue, watch } from 'vue'
import { type OrderState, type TransportName, type WatchError, watchOrder, type WatchOptions } from './index.ts'

/** What a component knows of an order. */
export interface Order {
  /** The newest known state; undefined before the first, and on a server. */
  state: Readonly<ShallowRef<OrderState | undefined>>
  transport: Readonly<ShallowRef<TransportName | null>>
  /** There was no connection for 3 s: `state` may be old, or is not there yet. */
  stale: Readonly<ShallowRef<boolean>>
  /** The last trouble since something was heard. With `fatal`, nothing more will come. */
  error: Readonly<ShallowRef<WatchError | undefined>>
}

/** Watches an order while the component is mounted; null or undefined: not (yet). When the options
 *  are a ref or a getter, another `url` or `order` in them begins anew. Call it in `setup`. */
export function useOrder(options: MaybeRefOrGetter<WatchOptions | null | undefined>): Order {
  const state = shallowRef<OrderState>()
  const transport = shallowRef<TransportName | null>(null)
  const stale = shallowRef(false)
  const error = shallowRef<WatchError>()
  let close = () => {}
  const begin = () => {
    close()
    state.value = error.value = undefined
    transport.value = null
    stale.value = false
    const given = toValue(options)
    if (!given) return
    const running = watchOrder(given)
    close = running.close
    running.on('change', (next) => { state.value = next })
    running.on('error', (next) => { error.value = next })
    running.on('slow', () => { stale.value = true })
    running.on('stale', () => { stale.value = true })
    running.on('transport', (next) => {
      transport.value = next
      if (!next) return
      stale.value = false
      error.value = undefined
    })
  }
  // A server mounts nothing, so it connects to nothing.
  onMounted(() => watch(() => [toValue(options)?.url, toValue(options)?.order], begin, { immediate: true }))
  onScopeDispose(() => close())
  return { state, transport, stale, error }
}
