/** Reads an event stream (HTML standard, section 9.2.6) however it is cut into chunks. The id field is passed
 *  over, because a state says its own position; the field `retry` is told as an event of that name.
 *
 *  A line that ends in CR is complete at once: waiting to see whether LF follows would hold a paid
 *  order back until the next heartbeat. */
export function createParser(onEvent: (event: string, data: string) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder() // UTF-8; takes one byte order mark off the start
  let rest = ''
  let afterCR = false
  let event = ''
  let data = ''

  const line = (text: string) => {
    const [, field, value] = /^([^:]*):? ?(.*)/s.exec(text) as unknown as [string, string, string]
    if (field === 'event') event = value
    else if (field === 'data') data += '\n' + value
    else if (field === 'retry') onEvent(field, value)
    else if (!text) {
      if (data) onEvent(event, data.slice(1))
      event = data = ''
    }
  }

  return (chunk) => {
    const text = decoder.decode(chunk, { stream: true })
    const lines = (rest + (afterCR ? text.replace(/^\n/, '') : text)).split(/\r\n|\n|\r/)
    afterCR = /\r$/.test(text)
    rest = lines.pop()!
    lines.forEach(line)
  }
}
