import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { freePort, startRealGateway, type Gateway } from './gateway.ts'

export const chromiumFlags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** A shop on an origin of its own, with a real gateway and a real Chromium. */
export interface Shop {
  gateway: Gateway
  browser: BrowserContext
  /** The shop's address. */
  url: string
  /** Which pages asked for a token, by their name, in order. */
  tokens: string[]
  /** The address of a page of that name, with the script in it. `gateway` and `query` are known to it as globals. */
  publish(name: string, script: string, query?: Record<string, string>): Promise<string>
  /** The address of a page with that in its body, which bundles nothing. */
  publishPlain(body: string): string
  /** Opens a page of that name. */
  open(name: string, script: string, query?: Record<string, string>): Promise<Page>
  close(): Promise<void>
}

/** What a page's script may use: `paybell` (all exports), `query`, `token()`, and `seen`, which it fills. */
const prelude = `
import * as paybell from '../src/full.ts'
const query = Object.fromEntries(new URLSearchParams(location.search))
const token = async () => (await fetch('/token' + location.search)).text()
const seen = window.seen = { states: [], ways: [], errors: [], events: [], began: performance.now(), paidAfter: 0 }
const options = {
  url: query.gateway, order: query.order, token,
  onChange: (state) => {
    seen.states.push(state)
    if (state.status === 'paid') seen.paidAfter = performance.now() - seen.began
  },
  onTransport: (way) => seen.ways.push(way),
  onError: (error) => seen.errors.push(error.message),
}
`

/** Follows the order of the query with all defaults. */
export const follow = `
const watch = window.watch = paybell.watchOrder(options)
for (const event of ['slow', 'stale', 'fresh', 'requires_action']) watch.on(event, () => seen.events.push(event))
`

export async function startShop(): Promise<Shop> {
  const scripts = new Map<string, string>()
  const tokens: string[] = []
  let published = 0
  const server = createServer(async ({ url }, response) => {
    const { pathname, searchParams } = new URL(url!, 'http://shop')
    if (pathname === '/token') {
      tokens.push(searchParams.get('name')!)
      response.end(gateway.token(searchParams.get('order')!, Number(searchParams.get('seconds') ?? 300)))
    } else if (pathname.endsWith('.js')) {
      response.setHeader('Content-Type', 'text/javascript').end(scripts.get(pathname))
    } else if (pathname.startsWith('/plain')) {
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(`<!doctype html><html lang="en"><title>Shop</title>${scripts.get(pathname)}`)
    } else if (pathname.startsWith('/page')) {
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      response.end(`<!doctype html><html lang="en"><title>Shop</title><main id="app"></main><script type="module" src="${pathname}.js"></script></html>`)
    } else response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const gateway = await startRealGateway({ origins: [url] })
  const profile = mkdtempSync(join(tmpdir(), 'paybell-chromium-'))
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: chromiumFlags, ignoreDefaultArgs: ['--disable-back-forward-cache'],
  })
  browser.setDefaultTimeout(60_000)
  const shop: Shop = {
    gateway, browser, url, tokens,
    async publish(name, script, query = {}) {
      const path = `/page-${published++}`
      const { outputFiles } = await build({
        stdin: { contents: prelude + script, resolveDir: `${process.cwd()}/test`, loader: 'tsx' },
        bundle: true, write: false, format: 'esm', jsx: 'automatic',
        define: { 'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
      })
      scripts.set(`${path}.js`, outputFiles[0]!.text)
      return `${url}${path}?${new URLSearchParams({ gateway: gateway.url, name, ...query })}`
    },
    publishPlain(body) {
      const path = `/plain-${published++}`
      scripts.set(path, body)
      return url + path
    },
    async open(name, script, query) {
      const page = await browser.newPage()
      await page.goto(await shop.publish(name, script, query))
      return page
    },
    async close() {
      await browser.close()
      await gateway.stop()
      server.closeAllConnections()
      server.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
  return shop
}

/** A real nginx before the gateway, which keeps to these locations. */
export async function startNginx(gateway: Gateway, locations: string): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'paybell-nginx-'))
  const port = await freePort()
  await writeFile(join(folder, 'nginx.conf'), `
daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
events { worker_connections 100; }
http {
  access_log off;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass ${gateway.url}; }
    ${locations.split('GATEWAY').join(gateway.url)}
  }
}`)
  const nginx: ChildProcess = spawn('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { stdio: 'inherit' })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; !await fetch(`${url}/livez`).then(({ ok }) => ok, () => false); tries++) {
    if (tries > 200 || nginx.exitCode !== null) throw new Error('nginx does not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url,
    async stop() {
      nginx.kill('SIGTERM')
      await once(nginx, 'exit')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** What the page has seen so far. */
export const seenBy = (page: Page) => page.evaluate(() => (window as any).seen) as Promise<{
  states: { status: string; version: number; epoch: string }[]; ways: (string | null)[]; errors: string[]; events: string[]; paidAfter: number
}>

/** Waits until the page shows the status. */
export const shows = (page: Page, status: string) =>
  page.waitForFunction((status) => (window as any).watch.state?.status === status, status, { polling: 20 })
