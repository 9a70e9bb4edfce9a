import type { EndKind } from './transport.ts'

/** A transport that delivered and soon broke so often in a row makes way for the next: some proxies
 *  let a connection open and cut it. */
const brokenOff = 3

/** Says which transport is tried next, by its place in the list. */
export interface Plan {
  /** The transport to try now. */
  at: number
  /** The transport `at` delivered. */
  worked(at: number): void
  /** What went wrong until now counts no longer. */
  forgive(): void
  /** The transport at hand ended, before it delivered or soon after. Returns true when another one is
   *  to be tried at once, false when a wait is due. */
  missed(kind: EndKind, delivered?: boolean): boolean
}

/** Chooses which of `count` transports is tried next. Every round begins with the one that worked
 *  last (at first: the first), so that an outage of the gateway, in which all fail, leaves nobody
 *  on a slower way than needed. Within a round a transport that is refused, or is lost before its
 *  first snapshot for the second time, makes way for the next at once. */
export function createLadder(count: number): Plan {
  let preferred = 0
  let misses: number[]
  const ladder: Plan = {
    at: 0,
    worked(at) {
      preferred = ladder.at = at
    },
    forgive() {
      misses = Array(count).fill(0)
    },
    missed(kind, delivered) {
      const { at } = ladder
      ladder.at = preferred
      if (kind !== 'refused' && (kind !== 'lost' || ++misses[at]! < (delivered ? brokenOff : 2))) return false
      const next = (at + 1) % count
      if (next === preferred) ladder.forgive()
      else ladder.at = next
      return next !== preferred
    },
  }
  ladder.forgive()
  return ladder
}
