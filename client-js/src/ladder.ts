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
export class Ladder implements Plan {
  at = 0
  private preferred = 0
  private misses!: number[]

  constructor(private readonly count: number) {
    this.forgive()
  }

  worked(at = this.at): void {
    this.preferred = this.at = at
  }

  forgive(): void {
    this.misses = Array(this.count).fill(0)
  }

  missed(kind: EndKind, delivered = false): boolean {
    if (kind === 'refused' || (kind === 'lost' && ++this.misses[this.at]! >= (delivered ? brokenOff : 2))) {
      this.at = (this.at + 1) % this.count
      if (this.at !== this.preferred) return true
      this.forgive()
    }
    this.at = this.preferred
    return false
  }
}
