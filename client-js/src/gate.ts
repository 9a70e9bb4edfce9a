import type { Inside } from './extra.ts'

/** Keeps a watch from connecting until the function that it returns is called. */
export function shut(gates: Inside['gates']): () => void {
  let open: () => void
  const gate = new Promise<void>((resolve) => { open = resolve })
  gates.add(gate)
  return () => {
    gates.delete(gate)
    open()
  }
}
