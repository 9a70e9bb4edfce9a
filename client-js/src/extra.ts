import type { Connection, Limits } from './connection.ts'
import type { Plan } from './ladder.ts'
import type { CoreOptions, Watch, WatchEvents } from './options.ts'
import type { OrderState } from './protocol.ts'
import type { TransportName } from './transport.ts'

/** What the parts of a watch tell each other, beside what they tell the page. */
export interface InnerEvents extends WatchEvents {
  /** The page is put aside: a gate should hold, and nothing should be kept open. */
  hide: () => void
  /** The page is looked at again, or the device is online again. */
  show: () => void
}

/** A running watch, as its extras see it. */
export interface Inside {
  /** What the page holds. */
  readonly watch: Watch
  readonly options: CoreOptions
  readonly limits: Limits
  /** The gateway's address, ending in a slash. */
  readonly base: string
  fetch: typeof fetch
  on<Name extends keyof InnerEvents>(event: Name, listener: InnerEvents[Name]): () => void
  tell<Name extends keyof InnerEvents>(event: Name, ...args: Parameters<InnerEvents[Name]>): void
  /** The last token; empty before the first. */
  token(): string
  /** Shows a state if it is news. Another epoch is believed when it comes as a snapshot. */
  show(state: OrderState, snapshot: boolean, transport: TransportName): void
  /** Notes the transport in use, whoever uses it. */
  use(transport: TransportName | null): void
  /** The connection at hand, delivering or not. */
  connection(): Connection | undefined
  /** Opens another connection beside it, by the transport at that place, which takes its place once it delivers. */
  open(at: number): Connection
  /** Ends the connection at hand and what is waited for, so that the gates are asked anew. */
  cut(reason: string): void
  /** Ends the wait for the next connection, unless the gateway asked for it. Returns whether it did. */
  hurry(): boolean
  /** Lets a plan choose among the transports. */
  plan(plan: Plan): void
  /** Has every connection wait until what this returns resolves. */
  gate(wait: () => Promise<unknown> | undefined): void
}

/** Something that a watch does beside connecting. A page that leaves it out does not bundle it. */
export type Extra = (inside: Inside) => void
