import type { End, TransportName } from './transport.ts'

/** A timer that is later than this, in ms, was held back by a sleep or by a throttled tab. */
export const tooLate = 2_000

/** A plain token may be refused so often before the watch is given up. */
export const refusalsOfPlainToken = 3

/** How long silence is borne, and how often what is done, in ms. */
export interface Limits {
  /** Before the first snapshot: a proxy that buffers a stream shows itself by it. */
  answer: number
  /** After it. The gateway sends a heartbeat every 20 s, with jitter. */
  silence: number
  /** A connection that delivered for so long was a good one: the backoff begins anew. */
  stable: number
  /** Tokens are renewed in mid-connection at most so often. */
  renewal: number
  /** A page without a connection for so long is told that it shows old news, or none. Default: 3 s. */
  slow?: number
  /** A better transport than the one in use is tried again after so long, then after twice as long. Default: a minute. */
  climb?: number
}

/** One connection, watched for silence. */
export interface Connection {
  readonly name: TransportName
  /** Since when it delivers, in ms since 1970; 0: it has not yet. */
  confirmedAt: number
  /** When something was heard last, or, later than that, until when silence was announced; 0: never. */
  heardAt: number
  /** Ends it from this side. */
  end(...end: End): void
  /** Called when it is over without ever having become the one at hand. */
  onEnd?: () => void
}
