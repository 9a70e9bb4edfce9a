/** Like the statuses that customers see: waits, must act, is done, may try again or must order anew. */
export type Mood = 'waiting' | 'action' | 'done' | 'failed'

/** The mood of a status; of any other it is `waiting`. */
export const moods: Record<string, Mood> = {
  requires_action: 'action', authorized: 'done', paid: 'done', refunded: 'done', partially_refunded: 'done',
  failed: 'failed', canceled: 'failed', expired: 'failed',
}

/** What is drawn for a mood, in 24 by 24. */
export const icons: Record<Mood, string> = {
  waiting: '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>',
  action: '<rect x="7" y="3" width="10" height="18" rx="2"/><path d="M11 17h2"/>',
  done: '<path d="M5 12.5l4.5 4.5L19 7.5"/>',
  failed: '<path d="M7 7l10 10M17 7L7 17"/>',
}
