const longestWait = 300_000

/** How long to wait before try number `attempt` (from 0), in ms. Random over the whole span, so
 *  that a restarted node is not met by every browser in the same second. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(30_000, 500 * 2 ** attempt)
}

/** Reads a wait in ms that the gateway asked for; 0 when it is not a number above 0. Held to five
 *  minutes, because a slip on the other side must not end a customer's waiting. */
export function askedWait(ms: unknown): number {
  return (ms as number) > 0 ? Math.min(ms as number, longestWait) : 0
}

/** Reads a `Retry-After` header (RFC 9110, section 10.2.3: seconds or a date) as ms from now, for `askedWait`. */
export function retryAfter(header: string | null): number {
  return +header! * 1000 || Date.parse(header!) - Date.now()
}

/** Resolves after `ms`, or when the signal is aborted. A signal wakes one sleeper only. A timer of more than 24 days would
 *  run at once. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, signal.aborted ? 0 : Math.min(ms, 2e9))
    signal.onabort = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}
