import { isOrderState, type OrderState } from './protocol.ts'
import type { End, Link, Transport, TransportName } from './transport.ts'

/** How long silence is borne, in ms. */
export interface Limits {
  /** Before the first snapshot: a proxy that buffers a stream shows itself by it. */
  answer: number
  /** After it. The gateway sends a heartbeat every 20 s, with jitter. */
  silence: number
  /** A connection that delivered for so long was a good one: the backoff begins anew. */
  stable: number
  /** Tokens are renewed in mid-connection at most so often. */
  renewal: number
}

/** What a connection is made of, and whom it tells. */
export interface Connecting extends Pick<Link, 'base' | 'order' | 'token' | 'fetch' | 'WebSocket' | 'tag'> {
  name: TransportName
  transport: Transport
  limits: Limits
  /** See {@link Link.renew}; given up when the signal is aborted. */
  renew(signal: AbortSignal): Promise<string | undefined>
  onState(state: OrderState, snapshot: boolean): void
  onConfirmed(): void
}

/** One connection, watched for silence. */
export class Connection {
  /** Resolves when it is over, and never rejects. */
  readonly ended: Promise<End>
  private readonly abort = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined
  private isConfirmed = false
  /** When something was heard last, or, later than that, until when silence was announced. */
  private heardAt = 0
  private over!: (end: End) => void

  constructor(private readonly with_: Connecting) {
    const { base, order, token, fetch, WebSocket, tag, renew, transport } = with_
    this.ended = new Promise((resolve) => { this.over = resolve })
    this.listen(0)
    const link: Link = {
      base, order, token, fetch, WebSocket, tag,
      signal: this.abort.signal,
      renew: () => renew(this.abort.signal),
      heard: (patience = 0) => {
        this.heardAt = Date.now() + patience
        this.listen(patience)
      },
      confirmed: () => this.confirm(),
      received: (state, snapshot) => this.receive(state, snapshot),
    }
    // Not before this object is known to its owner, because the page's own fetch may close the watch.
    Promise.resolve()
      .then(() => transport(link))
      // A browser's error may quote the header or the sub-protocol that it does not like.
      .catch((error): End => ({ kind: 'lost', reason: String(error).split(token || '\0').join('…') }))
      .then((end) => this.end(end))
  }

  /** Ends it from this side. */
  end(end: End): void {
    clearTimeout(this.timer)
    this.over(end)
    this.abort.abort()
  }

  /** Ends it when nothing was heard for so many ms, which a phone that slept does not notice. */
  endIfSilent(ms: number): void {
    if (this.isConfirmed && Date.now() - this.heardAt >= ms) this.end({ kind: 'lost', reason: 'slept or offline' })
  }

  private listen(patience: number): void {
    if (this.abort.signal.aborted) return
    const { limits, name } = this.with_
    const limit = (this.isConfirmed || name === 'poll' ? limits.silence : limits.answer) + patience
    clearTimeout(this.timer)
    this.timer = setTimeout(
      () => this.end({ kind: this.heardAt ? 'lost' : 'refused', reason: `nothing heard for ${limit / 1000} s` }),
      limit,
    )
  }

  private confirm(): void {
    if (this.isConfirmed || this.abort.signal.aborted) return
    this.isConfirmed = true
    this.listen(0)
    this.with_.onConfirmed()
  }

  private receive(state: unknown, snapshot: boolean): void {
    if (!isOrderState(state)) throw new Error('not an order')
    if (this.abort.signal.aborted || state.order !== this.with_.order) return
    if (snapshot) this.confirm()
    this.with_.onState(state, snapshot)
  }
}
