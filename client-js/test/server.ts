import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { Limits } from '../src/connection.ts'
import type { OrderState } from '../src/protocol.ts'
import { fallBack, longPoll, pageLife, poll, punctual, sse, wakeBy, websocket, type Transport } from '../src/core.ts'
import type { Arrival, CoreOptions, Watch, WatchError } from '../src/options.ts'
import { watchOrder } from '../src/watch.ts'

/** What a test's gateway does, right or wrong. What is left out answers 404. */
export interface Behaviour {
  websocket?: (socket: WebSocket, request: IncomingMessage) => void
  upgrade?: (request: IncomingMessage, socket: Socket) => void
  sse?: (response: ServerResponse, request: IncomingMessage) => void
  poll?: (response: ServerResponse, request: IncomingMessage) => void
}

/** A gateway on a real socket whose behaviour may be changed at any time. */
export interface Gateway {
  url: string
  behaviour: Behaviour
  /** What was asked, as the transports' names, with the bearer token. */
  asked: { way: string; token: string; url: string; at: number }[]
  /** Cuts every connection. */
  drop(): void
}

export function order(version: number, fields: Partial<OrderState> = {}): OrderState {
  return {
    order: 'A1', version, epoch: 'e1', status: version > 1 ? 'paid' : 'created', final: version > 1, amount: 9900,
    currency: 'EUR', paid: 0, refunded: 0, disputed: false, overpaid: false, method: null, reason: null,
    action_url: null, livemode: true, updated_at: null, ...fields,
  }
}

export async function startGateway(t: TestContext, behaviour: Behaviour): Promise<Gateway> {
  const sockets = new Set<Socket>()
  const gateway: Gateway = { url: '', behaviour, asked: [], drop: () => sockets.forEach((socket) => socket.destroy()) }
  const note = (way: string, token: string, request: IncomingMessage) =>
    gateway.asked.push({ way, token, url: request.url!, at: performance.now() })
  const server = createServer((request, response) => {
    const way = request.url!.startsWith('/v1/sse') ? 'sse' : 'poll'
    note(way === 'poll' && request.url!.includes('wait=') ? 'longpoll' : way, request.headers.authorization?.replace('Bearer ', '') ?? '', request)
    const answer = gateway.behaviour[way]
    if (answer) answer(response, request)
    else response.writeHead(404).end()
  })
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => offered.has('paybell.v1') && 'paybell.v1' })
  server.on('connection', (socket) => sockets.add(socket))
  server.on('upgrade', (request, socket, head) => {
    note('websocket', /bearer\.([^,]*)/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1] ?? '', request)
    const { upgrade, websocket } = gateway.behaviour
    if (upgrade) return upgrade(request, socket as Socket)
    if (!websocket) return void socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
    webSockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on('error', () => {})
      websocket(ws, request)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    gateway.drop()
    server.close()
  })
  gateway.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return gateway
}

/** A watch that may come back at once, and a record of what it told. */
export interface Watched extends Watch {
  states: OrderState[]
  arrivals: Arrival[]
  ways: (string | null)[]
  errors: WatchError[]
}

/** As patient as in production, so that a slow machine changes nothing: see {@link holdTimers}. */
export const patient = { answer: 5_000, silence: 60_000, stable: 0, renewal: 0, slow: 3_000, climb: 600_000 } satisfies Limits

/** All transports, by their names. */
export const all = { websocket, sse, longpoll: longPoll, poll } satisfies Record<string, Transport>

/** Everything that a page's watch does, but for the sharing among tabs. */
export const extras = [punctual, fallBack, wakeBy(pageLife)]

export function watch(t: TestContext, gateway: Gateway, options: Partial<CoreOptions> = {}, limits: Partial<Limits> = {}): Watched {
  const record = { states: [] as OrderState[], arrivals: [] as Arrival[], ways: [] as (string | null)[], errors: [] as WatchError[] }
  const running = watchOrder({
    url: gateway.url,
    order: 'A1',
    token: 'token',
    WebSocket,
    transports: Object.values(all),
    extras,
    random: () => 0.01,
    onTransport: (way) => record.ways.push(way),
    onError: (error) => record.errors.push(error),
    ...options,
    onChange: (state, arrival) => {
      record.states.push(state)
      record.arrivals.push(arrival)
      options.onChange?.(state, arrival)
    },
    limits: { ...patient, ...limits },
  })
  t.after(() => running.close())
  return Object.defineProperties(record, Object.getOwnPropertyDescriptors(running)) as unknown as Watched
}

/** Waits until a condition holds, and says which one did not. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !holds();) {
    if (performance.now() > end) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Timers of one duration, which run when the test says so. */
export interface HeldTimers {
  /** How many were ever started. */
  started: number
  /** How many are neither run nor cleared. */
  readonly pending: number
  fire(): void
}

/** Holds all timers of exactly `ms` until the test fires them. */
export function holdTimers(t: TestContext, ms: number): HeldTimers {
  const { setTimeout, clearTimeout } = globalThis
  const pending = new Map<unknown, () => void>()
  const start = (run: (...args: unknown[]) => void, delay?: number, ...args: unknown[]) => {
    if (delay !== ms) return setTimeout(run, delay, ...args)
    timers.started++
    const handle = {}
    pending.set(handle, () => run(...args))
    return handle
  }
  const clear = (handle: any) => void (pending.delete(handle) || clearTimeout(handle))
  const timers: HeldTimers = {
    started: 0,
    get pending() { return pending.size },
    fire: () => pending.forEach((run, handle) => {
      pending.delete(handle)
      run()
    }),
  }
  Object.assign(globalThis, { setTimeout: start, clearTimeout: clear })
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }))
  return timers
}

/** Long enough for what must not come to show itself on an idle machine. */
export const aWhile = () => new Promise((resolve) => setTimeout(resolve, 200))

export const versions = (states: OrderState[]) => states.map((state) => state.version)
export const ways = (gateway: Gateway) => gateway.asked.map(({ way }) => way)
export const tokens = (gateway: Gateway) => gateway.asked.map(({ token }) => token)

export const snapshot = (version: number, fields = {}) => message('snapshot', { order: order(version, fields) })
export const update = (version: number, fields = {}) => message('update', { order: order(version, fields) })
export const message = (type: string, fields: object = {}) => JSON.stringify({ type, ...fields })

export function startStream(response: ServerResponse, version = 1): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  sendEvent(response, 'snapshot', order(version))
}

export function sendEvent(response: ServerResponse, event: string, data: unknown): void {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

/** Answers a poll as the gateway does, held until `current` changes when asked to wait. */
export function answerPoll(current: () => OrderState): NonNullable<Behaviour['poll']> {
  return async (response, request) => {
    const tag = () => `"${current().epoch}.${current().version}"`
    const known = request.headers['if-none-match']
    while (request.url!.includes('wait=') && tag() === known && !response.destroyed) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    if (tag() === known) response.writeHead(304).end()
    else response.writeHead(200, { 'Content-Type': 'application/json', ETag: tag() }).end(JSON.stringify(current()))
  }
}

/** Answers as the gateway does when the token does not name the order. */
export function forbid(response: ServerResponse): void {
  response.writeHead(403, { 'Content-Type': 'application/problem+json' }).end('{"type":"urn:paybell:problem:not-your-order"}')
}
