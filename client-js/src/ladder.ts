import type { EndKind } from './transport.ts'

/** A transport that delivered and soon broke so often in a row makes way for the next: some proxies
 *  let a connection open and cut it. */
const brokenOff = 3

/** Says which transport is tried next. */
export interface Plan {
  /** The transport to try now, by its place in the list. */
  at: number
  /** The transport at hand ended: it never delivered, or soon broke, or was `sound`, so that what went wrong before
   *  counts no longer. Returns true when another one is to be tried at once, false when a wait is due. */
  missed?(kind: EndKind, delivered?: unknown, sound?: unknown): boolean
}

/** Chooses which of `count` transports is tried next. Every round begins with the one that worked
 *  last (at first: `first`), so that an outage of the gateway, in which all fail, leaves nobody
 *  on a slower way than needed. Within a round a transport that is refused, or is lost before its
 *  first snapshot for the second time, makes way for the next at once. */
export function createLadder(count: number, first = 0) {
  let preferred = first
  let misses: number[] = []
  const ladder = {
    at: first,
    /** The transport at that place delivered. */
    worked(at: number) {
      preferred = ladder.at = at
    },
    missed(kind: EndKind, delivered?: unknown, sound?: unknown) {
      const { at } = ladder
      ladder.at = preferred
      if (sound) misses = []
      else if (kind === 'refused' || (kind === 'lost' && (misses[at] = (misses[at] ?? 0) + 1) >= (delivered ? brokenOff : 2))) {
        const next = (at + 1) % count
        if (next !== preferred) {
          ladder.at = next
          return true
        }
        misses = []
      }
      return false
    },
  }
  return ladder
}
