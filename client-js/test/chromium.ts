import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'

/** One tab, which is before the others until another one is. */
export interface Tab {
  /** What the expression, or the promise that it is, amounts to in the page. */
  evaluate<Value>(expression: string): Promise<Value>
  /** Sends a command of the Chrome DevTools Protocol. */
  send(method: string, params?: object): Promise<any>
  /** Takes it before the others, which are hidden by it. */
  show(): Promise<void>
}

/** A Chromium as customers have it. Playwright would keep every page awake and in focus, so that none is ever hidden. */
export async function startChromium(...args: string[]): Promise<{ open(url: string): Promise<Tab>; stop(): Promise<void> }> {
  const profile = mkdtempSync(join(tmpdir(), 'paybell-chromium-'))
  const child = spawn(process.env.CHROMIUM ?? '/usr/bin/chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-port=0',
    `--user-data-dir=${profile}`, ...args, 'about:blank'], { stdio: 'ignore' })
  let address = ''
  for (let tries = 0; !address.includes('\n'); tries++) {
    if (tries > 600) throw new Error('Chromium does not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
    address = await readFile(join(profile, 'DevToolsActivePort'), 'utf8').catch(() => '')
  }
  const socket = new WebSocket(`ws://127.0.0.1:${address.trim().replace('\n', '')}`)
  await once(socket, 'open')
  let questions = 0
  const asked = new Map<number, { resolve(result: any): void; reject(error: Error): void }>()
  socket.on('message', (data) => {
    const { id, result, error } = JSON.parse(String(data))
    const question = asked.get(id)
    asked.delete(id)
    if (error) question?.reject(new Error(error.message))
    else question?.resolve(result)
  })
  const send = (method: string, params: object = {}, sessionId?: string) => new Promise<any>((resolve, reject) => {
    const id = ++questions
    asked.set(id, { resolve, reject })
    socket.send(JSON.stringify({ id, method, params, sessionId }))
  })
  return {
    async open(url) {
      const { targetId } = await send('Target.createTarget', { url })
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
      return {
        send: (method, params) => send(method, params, sessionId),
        show: () => send('Target.activateTarget', { targetId }),
        async evaluate(expression) {
          const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId)
          if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
          return result.value
        },
      }
    },
    async stop() {
      socket.close()
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      await rm(profile, { recursive: true, force: true })
    },
  }
}
