/** One event of a stream. */
export interface StreamEvent {
  event: string
  data: string
}

/** Reads an event stream (HTML standard, section 9.2.6) however it is cut into chunks. The id field
 *  is passed over, because a state says its own position.
 *
 *  A line that ends in CR is complete at once: waiting to see whether LF follows would hold a paid
 *  order back until the next heartbeat. */
export function createParser(onEvent: (event: StreamEvent) => void, onRetry: (ms: number) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder() // UTF-8; takes one byte order mark off the start
  let rest = ''
  let afterCR = false
  let event = ''
  let data: string[] = []

  const line = (text: string) => {
    if (text === '') {
      const message = { event: event || 'message', data: data.join('\n') }
      const empty = data.length === 0
      event = ''
      data = []
      if (!empty) onEvent(message)
      return
    }
    const colon = text.indexOf(':')
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') event = value
    else if (field === 'data') data.push(value)
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry(Number(value))
  }

  return (chunk) => {
    let text = decoder.decode(chunk, { stream: true })
    if (text === '') return
    if (afterCR && text[0] === '\n') text = text.slice(1)
    afterCR = text === '' ? false : text[text.length - 1] === '\r'
    const lines = (rest + text).split(/\r\n|\n|\r/)
    rest = lines.pop()!
    lines.forEach(line)
  }
}
