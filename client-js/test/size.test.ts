import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const bundle = async (contents: string, minify: boolean) => (await build({
  stdin: { contents, resolveDir: `${process.cwd()}/src`, loader: 'ts' },
  bundle: true, minify, write: false, format: 'esm', target: 'es2020', external: ['react', 'vue'],
})).outputFiles[0]!

/** What a page's bundle pays for these imports, minified and gzipped. */
const size = async (contents: string) => gzipSync((await bundle(contents, true)).contents, { level: 9 }).length

const used = (names: string, from: string) => `import { ${names} } from '${from}'; globalThis.used = [${names}]`
const core = './core.ts'
const usual = used('watchOrder', './index.ts')

describe('gzipped', () => {
  // These are promises: docs/client.md and README.md make them.
  const limits: [what: string, contents: string, most: number][] = [
    ['one transport: WebSocket', used('watchOrder, websocket', core), 2560],
    ['one transport: SSE', used('watchOrder, sse', core), 2560],
    ['one transport: long polling', used('watchOrder, longPoll', core), 2560],
    ['one transport: polling', used('watchOrder, poll', core), 2560],
    ['core with all transports', used('watchOrder, fallBack, websocket, sse, longPoll, poll', core), 4096],
    ['watchOrder of @paybell/client, with all transports, and the life of phones', usual, 4096],
  ]
  for (const [what, contents, most] of limits) {
    it(`${what}: at most ${most} bytes`, async (t) => {
      const bytes = await size(contents)
      t.diagnostic(`${bytes} bytes`)
      assert.ok(bytes <= most, `${bytes} bytes`)
    })
  }

  it('React: at most 700 bytes more', async (t) => {
    const more = await size(used('useOrder', './react.ts')) - await size(usual)
    t.diagnostic(`${more} bytes more`)
    assert.ok(more <= 700, `${more} bytes more`)
  })

  it('leaves out the transports that are not passed', async () => {
    const text = async (names: string) => (await bundle(used(names, core), false)).text
    assert.doesNotMatch(await text('watchOrder, sse'), /paybell\.v1|wait=25|navigator|sessionStorage/)
    assert.doesNotMatch(await text('watchOrder, websocket'), /event-stream|wait=25|navigator|sessionStorage/)
    assert.doesNotMatch(await text('watchOrder, poll'), /event-stream|paybell\.v1|navigator|sessionStorage/)
  })
})
