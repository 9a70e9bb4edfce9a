import type { Connection, Limits } from './connection.ts'
import type { Plan } from './ladder.ts'
import type { CoreOptions, Watch, WatchEvents } from './options.ts'
import type { TransportName } from './transport.ts'

/** What the parts of a watch tell each other, beside what they tell the page. */
export interface InnerEvents extends WatchEvents {
  /** The page is put aside: a gate should hold, and nothing should be kept open. */
  hide: () => void
  /** The page is looked at again, or the device is online again. */
  show: () => void
}

/** A running watch, as its extras see it. What is not `readonly` changes as it goes. */
export interface Inside {
  /** What the page holds. */
  readonly watch: Watch
  readonly options: CoreOptions
  readonly limits: Limits
  /** The gateway's address, ending in a slash. */
  readonly base: string
  readonly order: string
  on<Name extends keyof InnerEvents>(event: Name, listener: InnerEvents[Name]): () => void
  tell<Name extends keyof InnerEvents>(event: Name, ...args: Parameters<InnerEvents[Name]>): void
  /** Shows a state of the order if it is news. Another epoch is believed when it comes as a snapshot, of which
   *  `onSnapshot` hears first. Throws when it is no state. */
  show(state: unknown, snapshot: boolean, transport: TransportName, onSnapshot?: () => void): void
  /** Notes the transport in use, whoever uses it. */
  use(transport: TransportName | null): void
  /** Opens another connection beside the one at hand, by the transport at that place, which takes its place once it delivers. */
  open(at: number): Connection
  /** Ends the connection at hand and what is waited for, so that the gates are asked anew. */
  cut(): void
  /** Nothing is connected while there is one. Who takes one away resolves it then. */
  readonly gates: Set<Promise<void>>
  /** Chooses among the transports. */
  plan: Plan
  /** The connection at hand, delivering or not. */
  connection?: Connection | undefined
  /** The last token; empty before the first. */
  token: string
  /** How many times it was tried in a row. */
  attempt: number
  /** Ends the wait for the next connection, which the gateway asked for until `hurryFrom`, in ms since 1970. */
  waiting?: AbortController
  hurryFrom: number
}

/** Something that a watch does beside connecting. A page that leaves it out does not bundle it. */
export type Extra = (inside: Inside) => void
