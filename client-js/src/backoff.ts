/** How long to wait before try number `attempt` (from 0), in ms. Random over the whole span, so
 *  that a restarted node is not met by every browser in the same second. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(30_000, 500 * 2 ** attempt)
}

const longestWait = 300_000

/** Reads a wait in ms that the gateway asked for; 0 when it is not a number above 0. Held to five
 *  minutes, because a slip on the other side must not end a customer's waiting. */
export function askedWait(ms: unknown): number {
  return typeof ms === 'number' && ms > 0 ? Math.min(ms, longestWait) : 0
}

/** Reads a `Retry-After` header (RFC 9110, section 10.2.3: seconds or a date) as ms from `now`. */
export function retryAfter(header: string | null, now: number = Date.now()): number {
  if (!header) return 0
  return askedWait(/^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now)
}

/** Resolves after `ms`, or when the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
