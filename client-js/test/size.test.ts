import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** What a page's bundle pays for these imports, minified and gzipped. */
async function size(contents: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: `${process.cwd()}/src`, loader: 'ts' },
    bundle: true, minify: true, write: false, format: 'esm', target: 'es2020', external: ['react', 'vue'],
  })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}

const used = (names: string, from: string) => `import { ${names} } from '${from}'; globalThis.used = [${names}]`
const core = './core.ts'
const everything = used('watchOrder', './index.ts')

describe('gzipped', () => {
  const limits: [what: string, contents: string, most: number][] = [
    ['one transport: WebSocket', used('watchOrder, websocket', core), 2850],
    ['one transport: long polling', used('watchOrder, longPoll', core), 2800],
    ['one transport: SSE', used('watchOrder, sse', core), 3250],
    ['all transports', used('watchOrder, fallBack, websocket, sse, longPoll, poll', core), 4096],
    ['watchOrder with all there is', everything, 5500],
  ]
  for (const [what, contents, most] of limits) {
    it(`${what}: at most ${most} bytes`, async (t) => {
      const bytes = await size(contents)
      t.diagnostic(`${bytes} bytes`)
      assert.ok(bytes <= most, `${bytes} bytes`)
    })
  }

  it('React: at most 700 bytes more', async (t) => {
    const more = await size(used('useOrder', './react.ts')) - await size(everything)
    t.diagnostic(`${more} bytes more`)
    assert.ok(more <= 700, `${more} bytes more`)
  })

  it('leaves out the transports that are not passed', async () => {
    const bundle = async (names: string) => (await build({
      stdin: { contents: used(names, core), resolveDir: `${process.cwd()}/src`, loader: 'ts' }, bundle: true, write: false, format: 'esm',
    })).outputFiles[0]!.text
    assert.doesNotMatch(await bundle('watchOrder, sse'), /paybell\.v1|wait=25|navigator/)
    assert.doesNotMatch(await bundle('watchOrder, websocket'), /event-stream|wait=25|navigator/)
    assert.doesNotMatch(await bundle('watchOrder, poll'), /event-stream|paybell\.v1|navigator/)
  })
})
