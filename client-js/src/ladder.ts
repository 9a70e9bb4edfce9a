import type { EndKind } from './transport.ts'

/** Chooses which of `count` transports is tried next. Every round begins with the one that worked
 *  last (at first: the first), so that an outage of the gateway, in which all fail, leaves nobody
 *  on a slower way than needed. Within a round a transport that is refused, or is lost before its
 *  first snapshot for the second time, makes way for the next at once. */
export class Ladder {
  /** The transport to try now. */
  at = 0
  private preferred = 0
  private readonly misses: number[]

  constructor(private readonly count: number) {
    this.misses = Array(count).fill(0)
  }

  /** The transport at hand delivered. */
  worked(): void {
    this.preferred = this.at
    this.misses.fill(0)
  }

  /** The transport at hand ended before it delivered. Returns true when the next one is to be
   *  tried at once, false when the round is over and a wait is due. */
  missed(kind: EndKind): boolean {
    if (kind === 'refused' || (kind === 'lost' && ++this.misses[this.at]! >= 2)) {
      this.at = (this.at + 1) % this.count
      if (this.at !== this.preferred) return true
      this.misses.fill(0)
    }
    this.at = this.preferred
    return false
  }
}
