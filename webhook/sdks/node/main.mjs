// Answers questions about requests with the providers' own SDKs: one JSON object
// a line on stdin, one a line on stdout, in the same order. See ../README.md.
import { createInterface } from 'node:readline'
import { sdks } from './sdks.mjs'

// The SDKs read the clock themselves. It stands where the question says.
const RealDate = Date
let now = RealDate.now()
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length ? args : [now]))
  }
  static now() {
    return now
  }
}

// headersOf makes of a request's header lines what Node's HTTP server makes of
// them: names in small letters, repeated ones joined, a character for each byte.
function headersOf(lines) {
  const headers = {}
  for (const { name, value } of lines) {
    const key = name.toLowerCase()
    const text = Buffer.from(value, 'base64').toString('latin1')
    headers[key] = key in headers ? `${headers[key]}, ${text}` : text
  }
  return headers
}

async function answer(question) {
  const body = Buffer.from(question.body, 'base64')
  const request = { ...question, body, text: body.toString('utf8'), headers: headersOf(question.headers) }
  now = question.at
  if (question.op === 'verify') return { ok: (await sdks[question.sdk].verify(request)) === true }
  const signed = await sdks[question.sdk].sign(request)
  return { ok: true, headers: signed.headers, body: (signed.body ?? body).toString('base64') }
}

for await (const line of createInterface({ input: process.stdin })) {
  let result
  try {
    result = await answer(JSON.parse(line))
  } catch (error) {
    result = { ok: false, why: String(error?.message ?? error) }
  }
  process.stdout.write(JSON.stringify(result) + '\n')
}
