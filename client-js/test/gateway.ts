import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OrderState } from '../src/protocol.ts'

const apiKey = 'an-api-key-of-the-tests-0123456789abcdef'
const secret = 'a-secret-of-the-tests-0123456789abcdef'

// The gateway refuses PAYBELL_ variables that it does not know.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PAYBELL_')))

/** A real gateway, in a process of its own, on a free port that it keeps when it is started again. */
export interface Gateway {
  readonly url: string
  readonly admin: string
  /** Kills it without a word, and starts it on the same ledger. */
  restart(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  /** Kills it and removes what it kept. */
  stop(): Promise<void>
  /** Registers an order. */
  order(id?: string): Promise<string>
  /** Registers an order on these terms, for 99 EUR where they name no amount. */
  session(terms: object): Promise<{ token: string; urls: Record<string, string> }>
  /** An event that the backend vouches for. */
  event(order: string, event: object): Promise<void>
  /** Revokes tokens. */
  revoke(which: object): Promise<void>
  /** Pays an order in full. */
  pay(order: string): Promise<void>
  /** A token as the merchant's backend signs it. */
  token(order: string, seconds?: number): string
  /** The order as it is in the ledger. */
  state(order: string): Promise<OrderState>
  /** Who was told which versions of the order. */
  told(order: string): Promise<{ version: number; transport: string }[]>
  /** How many clients are connected, by transport. */
  connections(): Promise<Record<string, number>>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

let built: string | undefined

/** The program: PAYBELL_BIN, or what the source builds to. */
export function program(): string {
  if (process.env.PAYBELL_BIN) return process.env.PAYBELL_BIN
  if (!built) {
    built = join(mkdtempSync(join(tmpdir(), 'paybell-bin-')), 'paybell')
    process.on('exit', () => execFileSync('rm', ['-r', join(built!, '..')]))
    execFileSync('go', ['build', '-o', built, './cmd/paybell'], { cwd: join(process.cwd(), '..'), stdio: 'inherit' })
  }
  return built
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

export async function startRealGateway({ origins = [] as string[], hosted = undefined as object | undefined } = {}): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'paybell-gateway-'))
  const [port, adminPort] = [await freePort(), await freePort()]
  const config = join(folder, 'paybell.yaml')
  await writeFile(config, JSON.stringify({
    listen: `127.0.0.1:${port}`,
    admin: `127.0.0.1:${adminPort}`,
    ledger: `sqlite:${folder}/paybell.db`,
    origins,
    auth: { issuer: 'shop', keys: [{ id: 'k1', algorithm: 'HS256', secret }], api_keys: [apiKey] },
    ...(hosted && { public_url: `http://127.0.0.1:${port}`, cluster_secret: `cluster-${secret}`, hosted: { enabled: true, ...hosted } }),
    sources: { shop: { provider: 'standard', secrets: [`whsec_${Buffer.from(secret).toString('base64')}`] } },
  }))
  const url = `http://127.0.0.1:${port}`
  let running: ChildProcess | undefined

  const ask = async (path: string, body: object) => {
    const response = await fetch(url + path, {
      method: 'POST', body: JSON.stringify(body), headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  const gateway: Gateway = {
    url,
    admin: `http://127.0.0.1:${adminPort}`,
    async start() {
      const child = running = spawn(program(), ['serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'], env })
      let said = ''
      child.stderr!.on('data', (text) => { said += text })
      await new Promise<void>((resolve, reject) => {
        child.once('exit', () => reject(new Error(`the gateway ended: ${said}`)))
        child.stdout!.on('data', (text) => /listens on/.test(text) && resolve())
      })
    },
    async kill() {
      const child = running
      running = undefined
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    async restart() {
      await gateway.kill()
      await gateway.start()
    },
    async stop() {
      await gateway.kill()
      await rm(folder, { recursive: true, force: true })
    },
    async order(id = `A${randomUUID()}`) {
      await ask('/v1/sessions', { order: id, amount: 9900, currency: 'EUR' })
      return id
    },
    session: async (terms) => await ask('/v1/sessions', { amount: 9900, currency: 'EUR', ...terms }) as { token: string; urls: Record<string, string> },
    event: async (order, event) => void await ask(`/v1/orders/${order}/events`, { id: randomUUID(), ...event }),
    revoke: async (which) => void await ask('/v1/revocations', which),
    pay: (order) => gateway.event(order, { status: 'paid', amount: 9900, currency: 'EUR', payment: `p-${order}` }),
    token(order, seconds = 300) {
      const now = Math.floor(Date.now() / 1000)
      const content = `${encode({ alg: 'HS256', kid: 'k1' })}.${encode({
        iss: 'shop', aud: 'paybell', iat: now, exp: now + seconds, jti: randomUUID(), orders: [order],
      })}`
      return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`
    },
    async state(order) {
      const response = await fetch(`${url}/v1/orders/${order}`, { headers: { Authorization: `Bearer ${gateway.token(order)}` } })
      return await response.json() as OrderState
    },
    async told(order) {
      const response = await fetch(`${url}/v1/orders/${order}/timeline`, { headers: { Authorization: `Bearer ${apiKey}` } })
      return (await response.json() as { told: { version: number; transport: string }[] }).told
    },
    async connections() {
      const metrics = await (await fetch(`${gateway.admin}/metrics`)).text()
      const found = metrics.matchAll(/^paybell_connections\{[^}]*transport="(\w+)"[^}]*\} (\d+)/gm)
      return Object.fromEntries([...found].map(([, transport, count]) => [transport!, Number(count)]))
    },
  }
  await gateway.start()
  return gateway
}
