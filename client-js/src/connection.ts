import { isOrderState, type OrderState } from './protocol.ts'
import type { Asking, End, Link, Transport } from './transport.ts'

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
  /** A page without a connection for so long is told that it shows old news, or none. */
  slow: number
  /** A better transport than the one in use is tried again after so long, then after twice as long. */
  climb: number
}

/** What a connection is made of, and whom it tells. */
export interface Connecting extends Omit<Asking, 'signal' | 'received'>, Pick<Link, 'WebSocket' | 'tag'> {
  transport: Transport
  limits: Limits
  /** See {@link Link.renew}; given up when the signal is aborted. */
  renew(expiresIn: number, signal: AbortSignal): Promise<string | undefined>
  onState(state: OrderState, snapshot: boolean): void
  onConfirmed(): void
}

/** One connection, watched for silence. */
export interface Connection {
  /** Resolves when it is over, and never rejects. */
  readonly ended: Promise<End>
  /** Since when it delivers, in ms since 1970; 0: it has not yet. */
  confirmedAt(): number
  /** How long nothing was heard, in ms; below 0 while silence is announced. */
  silence(): number
  /** Ends it from this side. */
  end(end: End): void
}

/** A timer that is later than this, in ms, was held back by a sleep or by a throttled tab. */
const tooLate = 2_000

/** Opens one, in a moment: not before its owner knows it, because the page's own fetch may close the watch. */
export function connect(connecting: Connecting): Connection {
  const { transport, limits, token, order, renew, onState, onConfirmed } = connecting
  const abort = new AbortController()
  const { signal } = abort
  let confirmedAt = 0
  /** When something was heard last, or, later than that, until when silence was announced. */
  let heardAt = 0
  let timer: ReturnType<typeof setTimeout>
  let over: (end: End) => void
  const ended = new Promise<End>((resolve) => { over = resolve })

  const end = (end: End) => {
    clearTimeout(timer)
    over(end)
    abort.abort()
  }
  const listen = (limit: number) => {
    if (signal.aborted) return
    const due = Date.now() + limit
    clearTimeout(timer)
    timer = setTimeout(() => {
      // What arrived meanwhile is read after the timers: give it a chance to be heard.
      if (Date.now() - due > tooLate) listen(limits.answer)
      else end({ kind: heardAt ? 'lost' : 'refused', reason: 'nothing heard' })
    }, limit)
  }
  const bearable = () => (confirmedAt || /poll/.test(transport.name) ? limits.silence : limits.answer)
  const confirmed = () => {
    if (confirmedAt || signal.aborted) return
    confirmedAt = Date.now()
    listen(bearable())
    onConfirmed()
  }
  const link: Link = {
    ...connecting, signal, confirmed,
    renew: (expiresIn) => renew(expiresIn, signal),
    heard: (patience = 0) => {
      heardAt = Date.now() + patience
      listen(bearable() + patience)
    },
    received: (state, snapshot) => {
      if (!isOrderState(state)) throw new Error('not an order')
      if (signal.aborted || state.order !== order) return
      if (snapshot) confirmed()
      onState(state, snapshot)
    },
  }
  listen(bearable())
  Promise.resolve()
    .then(() => transport.open(link))
    // A browser's error may quote the header or the sub-protocol that it does not like.
    .catch((error): End => ({ kind: 'lost', reason: String(error).split(token || '\0').join('…') }))
    .then(end)
  return { ended, end, confirmedAt: () => confirmedAt, silence: () => Date.now() - heardAt }
}
