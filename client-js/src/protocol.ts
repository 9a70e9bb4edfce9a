/** How far an order has come. A newer gateway may know further ones. */
export type Status =
  | 'created' | 'pending' | 'requires_action' | 'authorized' | 'partially_paid' | 'paid' | 'failed'
  | 'canceled' | 'expired' | 'partially_refunded' | 'refunded' | 'review' | (string & {})

/** What the gateway tells of an order, the same on every transport. Amounts are in minor units
 *  by ISO 4217 (JPY 0, EUR 2, KWD 3 decimals). Fields that a newer gateway adds are kept. */
export interface OrderState {
  order: string
  /** Counts the changes of the order; 0: nothing was heard of it yet. */
  version: number
  /** The incarnation of the gateway's ledger. Versions compare only within one epoch. */
  epoch: string
  status: Status
  /** Nothing more is expected while the customer waits. */
  final: boolean
  amount: number
  currency: string | null
  paid: number
  refunded: number
  disputed: boolean
  overpaid: boolean
  method: string | null
  /** Why it failed, as a code. */
  reason: string | null
  /** Where the customer must go next, when `status` is `requires_action`. */
  action_url: string | null
  livemode: boolean
  /** RFC 3339; null while nothing was heard. */
  updated_at: string | null
}

/** Says whether `next` is to be shown after `shown`. In one epoch versions only rise. Another
 *  epoch is believed when it comes as a snapshot: the gateway starts every client afresh. */
export function isNews(shown: OrderState | undefined, next: OrderState, snapshot: boolean): boolean {
  return shown?.epoch === next.epoch ? next.version > shown.version : snapshot || !shown
}

/** Reads a state. Throws when the value lacks what the version rules need; the rest is the gateway's promise. */
export function readState(value: unknown): OrderState {
  const { epoch, version } = Object(value)
  if (!epoch || +version !== version) throw new TypeError('no state')
  return value as OrderState
}

/** The entity tag of a state (RFC 9110, section 8.8.3). It is built here and not read from the
 *  answer, because a page of another origin sees no `ETag` unless the gateway exposes it. */
export function entityTag(state: OrderState): string {
  return `"${state.epoch}.${state.version}"`
}
