// Builds dist/paybell.js, which is committed so that the Go program can embed it without Node.
//   node build.mjs           writes it
//   node build.mjs --check   fails when it is not what the source builds to
//   node build.mjs --tests   bundles the tests into .build/, because Node 20 runs no TypeScript
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const root = import.meta.dirname
const output = `${root}/dist/paybell.js`

/** What a checkout page pays for the library, gzipped. */
const mostBytes = 4096

async function library() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['src/global.ts'],
    outfile: output,
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2020',
    charset: 'utf8',
    banner: { js: '/*! Paybell client | Apache-2.0 */' },
  })
  return outputFiles[0]
}

async function tests() {
  await rm(`${root}/.build`, { recursive: true, force: true })
  const names = (await readdir(`${root}/test`)).filter((name) => name.endsWith('.test.ts'))
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

async function check() {
  const wanted = (await library()).text
  const found = await readFile(output, 'utf8').catch(() => '')
  if (found !== wanted) {
    console.error('dist/paybell.js is not what src builds to: run `npm run build` and commit it')
    process.exitCode = 1
  }
  const size = gzipSync(wanted, { level: 9 }).length
  console.log(`dist/paybell.js: ${wanted.length} bytes, ${size} gzipped`)
  if (size > mostBytes) {
    console.error(`more than ${mostBytes} bytes gzipped`)
    process.exitCode = 1
  }
}

switch (process.argv[2]) {
  case '--check': await check(); break
  case '--tests': await tests(); break
  default: {
    await mkdir(`${root}/dist`, { recursive: true })
    await writeFile(output, (await library()).contents)
    await check()
  }
}
