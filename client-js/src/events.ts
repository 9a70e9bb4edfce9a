import type { InnerEvents } from './extra.ts'

type Listeners = { [Name in keyof InnerEvents]?: readonly (InnerEvents[Name] | undefined)[] }

/** Who listens to what, until `silence` is called. */
export function createEvents(listeners: Listeners) {
  return {
    on<Name extends keyof InnerEvents>(event: Name, listener: InnerEvents[Name]): () => void {
      listeners[event] = [...(listeners[event] ?? []), listener] as Listeners[Name]
      return () => {
        listeners[event] = listeners[event]?.filter((other) => other !== listener) as Listeners[Name]
      }
    },

    /** What a listener throws is its own affair, and must not end the watch. */
    tell<Name extends keyof InnerEvents>(event: Name, ...args: Parameters<InnerEvents[Name]>): void {
      for (const listener of listeners[event] ?? []) {
        if (!listeners[event]) return
        try {
          (listener as ((...args: unknown[]) => void) | undefined)?.(...args)
        } catch (error) {
          setTimeout(() => { throw error })
        }
      }
    },

    silence(): void {
      listeners = {}
    },
  }
}
