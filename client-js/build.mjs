// Builds the package. dist and what is built in hosted are committed, so that the Go program can embed them without
// Node; lib is not.
//   node build.mjs             writes the scripts of dist, beside each its hash for `integrity`, and the hosted page's script and texts
//   node build.mjs --check     fails when these are not what the source builds to
//   node build.mjs --package   writes lib: modules and declarations for bundlers, as `npm pack` does
//   node build.mjs --tests     bundles the tests into .build/, because Node 20 runs no TypeScript
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = import.meta.dirname
/** The scripts that pages load, by their entries. */
const scripts = { 'src/global.ts': `${root}/dist/paybell.js`, 'src/global-status.ts': `${root}/dist/paybell-status.js` }

/** One minified script of an entry and all that it imports. */
async function bundle(entry) {
  const { outputFiles: [{ text }] } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: root,
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2020',
    charset: 'utf8',
    banner: { js: '/*! Paybell client | Apache-2.0 */' },
  })
  return text
}

/** What is built and committed, by path. */
async function built() {
  const all = { [`${root}/hosted/page.js`]: await bundle('hosted/page.ts'), [`${root}/hosted/texts.json`]: await texts() }
  for (const [entry, path] of Object.entries(scripts)) {
    all[path] = await bundle(entry)
    all[`${path}.integrity`] = `sha384-${createHash('sha384').update(all[path]).digest('base64')}\n`
  }
  return all
}

/** What the element says and draws, for the page that the gateway makes where there is no JavaScript. */
async function texts() {
  const contents = `export * from './element-texts.ts'; export * from './element-looks.ts'`
  const { outputFiles: [{ text }] } = await build({
    stdin: { contents, resolveDir: `${root}/src`, loader: 'ts' }, bundle: true, write: false, format: 'esm',
  })
  const { languages, unknown, moods, icons } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  return `${JSON.stringify({ languages, unknown, moods, icons }, null, 1)}\n`
}

async function writeDist() {
  await mkdir(`${root}/dist`, { recursive: true })
  for (const [path, text] of Object.entries(await built())) await writeFile(path, text)
  await check()
}

async function check() {
  const wanted = await built()
  for (const [path, text] of Object.entries(wanted)) {
    if (await readFile(path, 'utf8').catch(() => '') === text) continue
    console.error(`${path} is not what src builds to: run \`npm run build\` and commit it`)
    process.exitCode = 1
  }
  for (const path of [...Object.values(scripts), `${root}/hosted/page.js`]) {
    console.log(`${path.slice(root.length + 1)}: ${wanted[path].length} bytes, ${gzipSync(wanted[path], { level: 9 }).length} gzipped`)
  }
}

async function library() {
  await rm(`${root}/lib`, { recursive: true, force: true })
  execFileSync('npx', ['tsc', '--project', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  // The compiler rewrites the imports in code, and leaves those in declarations.
  for (const name of (await readdir(`${root}/lib`)).filter((name) => name.endsWith('.d.ts'))) {
    const text = await readFile(`${root}/lib/${name}`, 'utf8')
    await writeFile(`${root}/lib/${name}`, text.replaceAll(/(from |import\()(['"]\.[^'"]*)\.ts(['"])/g, '$1$2.js$3'))
  }
}

async function tests() {
  await rm(`${root}/.build`, { recursive: true, force: true })
  const names = (await readdir(`${root}/test`)).filter((name) => /\.(test|browser)\.ts$/.test(name))
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => `test/${name}`),
    outdir: '.build',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
  })
}

switch (process.argv[2]) {
  case '--check': await check(); break
  case '--package': await library(); break
  case '--tests': await tests(); break
  default: await writeDist()
}
