import type { Extra } from './extra.ts'

/** Tells the page when it has waited too long for a connection (`slow`, `stale`), and when that is over. */
export const punctual: Extra = ({ on, tell, watch, limits: { slow = 3_000 } }) => {
  let late = false
  let timer: ReturnType<typeof setTimeout>
  const start = () => {
    timer = setTimeout(() => {
      late = true
      tell(watch.state ? 'stale' : 'slow')
    }, slow)
  }
  on('transport', (transport) => {
    clearTimeout(timer)
    if (!transport) start()
    else if (late) {
      late = false
      tell('fresh')
    }
  })
  on('close', () => clearTimeout(timer))
  start()
}
