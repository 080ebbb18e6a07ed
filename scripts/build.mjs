// Builds what is stale: build/*.wasm (asc), dist (tsc), dist/browser (esbuild). Everything it says goes to stderr.
// Usage: node scripts/build.mjs [--quiet] [--debug] (--debug: build/netpath.debug.wasm and bench.debug.wasm as well)
// A step is fresh while its inputs' paths, sizes and times are those of its last success (build/fresh.json).

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const quiet = process.argv.includes('--quiet')
const debug = process.argv.includes('--debug')
const require = createRequire(import.meta.url)
process.chdir(root)

const say = (text) => quiet || process.stderr.write(`${text}\n`)

/** All files below a path that end as asked, sorted; none when it is not there. */
function files(path, ending = '') {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  if (!stat) return []
  if (stat.isFile()) return path.endsWith(ending) ? [path] : []
  const below = fs.readdirSync(path).map((name) => files(`${path}/${name}`, ending))
  return below.flat().sort()
}

/** A hash over the inputs' paths, sizes and times: a deleted or added file changes it too. */
function signature(inputs) {
  const hash = createHash('sha1')
  for (const file of ['package-lock.json', 'scripts/build.mjs', ...inputs]) {
    const stat = fs.statSync(file, { throwIfNoEntry: false })
    hash.update(`${file} ${stat?.size} ${stat?.mtimeMs}\n`)
  }
  return hash.digest('hex')
}

/** Runs a tool of node_modules by its bin file with this Node. */
function run(pkg, bin, args, nodeArgs = []) {
  const file = join(dirname(require.resolve(`${pkg}/package.json`)), bin)
  const { status, signal } = spawnSync(process.execPath, [...nodeArgs, file, ...args], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error(`${pkg} ${args.join(' ')}: ${signal ?? `exit ${status}`}`)
}

/**
 * Inlines far more than asc asks Binaryen to: a call costs V8 more than most stations' own work (measured: a quarter of a
 * small packet's time). The name section stays.
 */
async function inlineMore(file) {
  const { default: binaryen } = await import('binaryen')
  const module = binaryen.readBinary(fs.readFileSync(file))
  const { SIMD128, BulkMemory, BulkMemoryOpt, SignExt, MutableGlobals, NontrappingFPToInt } = binaryen.Features
  module.setFeatures(SIMD128 | BulkMemory | BulkMemoryOpt | SignExt | MutableGlobals | NontrappingFPToInt)
  binaryen.setDebugInfo(true)
  binaryen.setOptimizeLevel(3)
  binaryen.setShrinkLevel(0)
  binaryen.setAlwaysInlineMaxSize(100)
  binaryen.setFlexibleInlineMaxSize(300)
  binaryen.setOneCallerInlineMaxSize(20000)
  binaryen.setAllowInliningFunctionsWithLoops(true)
  module.runPasses(['inlining-optimizing'])
  module.optimize()
  fs.writeFileSync(file, module.emitBinary())
  module.dispose()
}

/** Compiles one AssemblyScript entry. The deep stack is for long call chains; the rename keeps readers from halves. */
async function asc(entry, target, out) {
  fs.mkdirSync('build', { recursive: true })
  const temporary = `build/.${process.pid}.${out}`
  try {
    run(
      'assemblyscript',
      'bin/asc.js',
      [
        entry,
        '--target',
        target,
        '--outFile',
        temporary,
        ...(target === 'debug' ? ['--sourceMap', `./${out}.map`] : []),
      ],
      ['--stack-size=3900'],
    )
    if (target === 'release') await inlineMore(temporary)
    fs.renameSync(temporary, `build/${out}`)
  } finally {
    fs.rmSync(temporary, { force: true })
  }
}

/** Compiles src, test and bench, then removes what deleted sources left in dist. */
function tsc() {
  run('typescript', 'bin/tsc', [])
  for (const file of ['src', 'test', 'bench', 'assembly'].flatMap((tree) => files(`dist/${tree}`))) {
    const source = file.slice('dist/'.length).replace(/\.(d\.ts|js|js\.map)$/, '.ts')
    if (!fs.existsSync(source)) fs.rmSync(file)
  }
}

/** One self-contained ESM file for browsers, with the Wasm inlined or beside it. */
async function bundle(source, outfile) {
  const { build } = await import('esbuild')
  await build({
    entryPoints: ['src/index.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    loader: { '.wasm': 'binary' },
    alias: { '#wasm': `./src/wasm/source/${source}.ts` },
    logLevel: 'warning',
  })
}

const core = [...files('assembly', '.ts'), 'asconfig.json']
const benchCore = [...core, ...files('bench/assembly', '.ts')]
const uapi = files('assembly/uapi', '.ts')
const src = [...files('src', '.ts'), ...uapi, 'tsconfig.json', 'package.json']
const benchEntry = 'bench/assembly/index.ts'
const hasBench = fs.existsSync(benchEntry)

/** In order; `out` is what must exist for a step to be fresh. */
const steps = [
  {
    name: 'netpath.wasm',
    inputs: () => core,
    out: 'build/netpath.wasm',
    make: () => asc('assembly/index.ts', 'release', 'netpath.wasm'),
  },
  hasBench && {
    name: 'bench.wasm',
    inputs: () => benchCore,
    out: 'build/bench.wasm',
    make: () => asc(benchEntry, 'release', 'bench.wasm'),
  },
  debug && {
    name: 'netpath.debug.wasm',
    inputs: () => core,
    out: 'build/netpath.debug.wasm',
    make: () => asc('assembly/index.ts', 'debug', 'netpath.debug.wasm'),
  },
  debug &&
    hasBench && {
      name: 'bench.debug.wasm',
      inputs: () => benchCore,
      out: 'build/bench.debug.wasm',
      make: () => asc(benchEntry, 'debug', 'bench.debug.wasm'),
    },
  {
    name: 'dist',
    inputs: () => [...src, ...files('test', '.ts'), ...files('bench', '.ts')],
    out: 'dist/src/index.js',
    make: tsc,
  },
  {
    name: 'dist/browser/index.js',
    inputs: () => [...src, 'build/netpath.wasm'],
    out: 'dist/browser/index.js',
    make: () => bundle('inlined', 'dist/browser/index.js'),
  },
  {
    name: 'dist/browser/external.js',
    inputs: () => src,
    out: 'dist/browser/external.js',
    make: () => bundle('external', 'dist/browser/external.js'),
  },
].filter(Boolean)

const readFresh = () => {
  try {
    return JSON.parse(fs.readFileSync('build/fresh.json', 'utf8'))
  } catch {
    return {}
  }
}

const isFresh = (step, fresh) => fs.existsSync(step.out) && fresh[step.name] === signature(step.inputs())

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** One build at a time in a checkout: waits for a living holder, takes over from a dead one. */
async function lock(path) {
  fs.mkdirSync(dirname(path), { recursive: true })
  for (;;) {
    try {
      fs.writeFileSync(path, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const holder = Number(fs.readFileSync(path, { encoding: 'utf8', flag: 'a+' }))
    if (holder > 0 && !isAlive(holder)) fs.rmSync(path, { force: true })
    else await new Promise((resolve) => setTimeout(resolve, 100))
  }
  process.on('exit', () => fs.rmSync(path, { force: true }))
}

async function main() {
  if (steps.every((step) => isFresh(step, readFresh()))) return
  await lock('build/lock')
  const fresh = readFresh()
  for (const step of steps) {
    if (isFresh(step, fresh)) continue
    const started = performance.now()
    const before = signature(step.inputs())
    await step.make()
    // Taken before the work: what changes during it makes the step stale again.
    fresh[step.name] = before
    fs.writeFileSync('build/fresh.json', `${JSON.stringify(fresh, null, 2)}\n`)
    say(`built ${step.name} in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`build failed: ${error.message}\n`)
  process.exitCode = 1
}
