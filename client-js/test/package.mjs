// The package as npm would publish it: what is in it, and that every way of importing it finds its
// code and its types.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, it } from 'node:test'
import { publint } from 'publint'

const root = join(import.meta.dirname, '..')
const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
let folder, packed

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'paybell-package-'))
  const said = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
  packed = Object.values(JSON.parse(said))[0]
})

after(() => rm(folder, { recursive: true, force: true }))

it('holds code, declarations, source, script and hash, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path)
  const allowed = /^(README\.md|package\.json|dist\/paybell(-status)?\.js(\.integrity)?|lib\/[a-z-]+\.(js|d\.ts)|src\/[a-z-]+\.ts)$/
  assert.deepEqual(paths.filter((path) => !allowed.test(path)), [])
  for (const entry of Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)))) {
    assert.ok(paths.includes(entry.slice(2)), entry)
  }
})

it('has a README that links to nothing outside of it', async () => {
  const links = [...(await readFile(join(root, 'README.md'), 'utf8')).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link)
  const paths = packed.files.map(({ path }) => path)
  assert.deepEqual(links.filter((link) => !/^(#|https:)/.test(link) && !paths.includes(link)), [])
})

it('puts types first, and has no dependency', async () => {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const entry of Object.values(exports)) {
    if (typeof entry === 'object') assert.equal(Object.keys(entry)[0], 'types')
  }
  assert.equal(manifest.dependencies, undefined)
  assert.equal(manifest.sideEffects, false)
})

it('pleases publint', async () => {
  const { messages } = await publint({ pkgDir: root, strict: true })
  assert.deepEqual(messages, [])
})

it('pleases attw', () => {
  execFileSync('npx', ['attw', join(folder, packed.filename), '--profile', 'esm-only', '--exclude-entrypoints', './paybell.js', './paybell-status.js', './package.json'],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
})

for (const [name, entry] of Object.entries(exports)) {
  if (typeof entry === 'string' || name === './react' || name === './vue') continue
  it(`imports ${name} without a DOM, and starts nothing`, async () => {
    await import(join(root, entry.default))
    assert.equal(globalThis.document, undefined)
  })
}
