// The package as users get it: packed, unpacked into a node_modules without this repository, imported in Node, as browsers do,
// and type-checked.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rootFolder } from '../root.ts'

const root = fileURLToPath(rootFolder)

interface Manifest {
  name: string
  version: string
  dependencies: Record<string, string>
  exports: Record<string, unknown>
  bin: Record<string, string>
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest

/** A project that has the package, and of ours nothing else but what the package depends on. */
interface Project {
  folder: string
  files: string[]
}

/** npm's own file: it is beside the Node that runs this, or npm itself says where. */
function npmCli(): { file: string; args: string[] } {
  const given = process.env['npm_execpath']
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')
  const found = [given, beside].find((file) => file !== undefined && /\.[cm]?js$/.test(file) && existsSync(file))
  return found ? { file: process.execPath, args: [found] } : { file: 'npm', args: [] }
}

/** Packages that are needed, with those that they need. */
function closure(names: readonly string[], known = new Set<string>()): Set<string> {
  for (const name of names) {
    if (known.has(name)) continue
    known.add(name)
    const own = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as Partial<Manifest>
    closure(Object.keys(own.dependencies ?? {}), known)
  }
  return known
}

function makeProject(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'netpath-package-'))
  const { file, args } = npmCli()
  const packed = execFileSync(
    file,
    [...args, 'pack', '--ignore-scripts', '--json', '--offline', '--pack-destination', folder],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, npm_config_cache: join(folder, 'cache') },
    },
  )
  const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf('['))) as [
    { filename: string; files: { path: string }[] },
  ]
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'netpath'), { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', join(modules, 'netpath')])
  for (const name of closure(Object.keys(manifest.dependencies))) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name), 'dir')
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }))
  return { folder, files: files.map(({ path }) => path) }
}

const project = makeProject()
const test = suite('package')
test.after(() => rmSync(project.folder, { recursive: true, force: true }))

function node(script: string, ...options: string[]): string {
  const file = join(project.folder, 'main.mjs')
  writeFileSync(file, script)
  return execFileSync(process.execPath, [...options, file], { cwd: project.folder, encoding: 'utf8' })
}

/** The first program that people write. */
const EXAMPLE = `
const net = await lab({ seed: 1 })
const a = net.host('a', { eth0: '10.0.0.1/24' })
const b = net.host('b', { eth0: '10.0.0.2/24', cpus: 2 })
net.link(a.eth0, b.eth0, { rate: '10gbit', delay: '20us' })
const server = b.udp({ port: 9000, options: { SO_RCVBUFFORCE: 1 << 24 } })
const { sent } = await a.blast('10.0.0.2:9000', { packets: 1000, size: 64, pps: 1e6 })
let received = 0
for (let batch; (batch = server.recvBatch(64)); ) received += batch.count
const { balanced, live } = net.account()
console.log(JSON.stringify({ sent, received, balanced, live }))
await net.close()
`

function assertExample(out: string): void {
  const told = JSON.parse(out) as { sent: number; received: number; balanced: boolean; live: number }
  assert.is(told.sent, 1000)
  assert.ok(told.received > 900 && told.received <= 1000, out)
  assert.equal([told.balanced, told.live], [true, 0])
}

test('nothing goes in that is not needed, and all that is', () => {
  const wanted = [
    'package.json',
    'LICENSE',
    'build/netpath.wasm',
    'dist/src/node.js',
    'dist/src/node.d.ts',
    'dist/src/index.d.ts',
    'dist/src/cli/main.js',
    'dist/browser/index.js',
    'dist/browser/external.js',
  ]
  assert.equal(
    wanted.filter((file) => !project.files.includes(file)),
    [],
  )
  const odd = project.files.filter((file) =>
    /^(test|bench|assembly|src|scripts|dist\/(test|bench))\/|\.pcap$/.test(file),
  )
  assert.equal(odd, [])
})

test('what package.json names is there', () => {
  const named: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value === 'string') named.push(value)
    else for (const inner of Object.values(value as object)) visit(inner)
  }
  visit([manifest.exports, manifest.bin])
  const missing = named.filter((file) => !existsSync(join(project.folder, 'node_modules/netpath', file)))
  assert.equal(missing, [])
})

for (const entry of ['netpath', 'netpath/external']) {
  test(`Node imports ${entry} and runs the example`, () => {
    assertExample(node(`import { lab } from '${entry}'\n${EXAMPLE}`))
  })
}

test('a browser module works as it is, with the Wasm in it', () => {
  const script = `import { lab } from 'netpath'\nif (!import.meta.resolve('netpath').endsWith('/dist/browser/index.js')) throw new Error('another file')\n${EXAMPLE}`
  const file = join(project.folder, 'node_modules/netpath/dist/browser/index.js')
  assert.not.match(readFileSync(file, 'utf8'), /[}\s]from ?["'](?!\.)/)
  const url = JSON.stringify(new URL(`file://${file}`).href)
  assertExample(node(script.replace(`from 'netpath'`, `from ${url}`).replace(`import.meta.resolve('netpath')`, url)))
})

test('the browser module that loads the Wasm beside it names where', () => {
  const folder = join(project.folder, 'node_modules/netpath')
  const code = readFileSync(join(folder, 'dist/browser/external.js'), 'utf8')
  const [, place] = /new URL\(["']([^"']+\.wasm)["'], ?import\.meta\.url\)/.exec(code) ?? []
  assert.ok(place, 'a URL that bundlers find')
  assert.ok(existsSync(join(folder, 'dist/browser', place!)), place)
})

test('the Wasm is an export of its own', () => {
  const out = node(`
    import { readFileSync } from 'node:fs'
    const module = new WebAssembly.Module(readFileSync(new URL(import.meta.resolve('netpath/netpath.wasm'))))
    console.log(String(WebAssembly.Module.exports(module).some(({ name }) => name === 'napi_poll')))`)
  assert.is(out, 'true\n')
})

test('the command runs', () => {
  const main = join(project.folder, 'node_modules/netpath', manifest.bin['netpath']!)
  assert.match(readFileSync(main, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  assert.is(execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' }), `${manifest.version}\n`)
})

test('types are right for those who use them', () => {
  const file = join(project.folder, 'user.ts')
  writeFileSync(
    file,
    `import { lab, type Host, type Snapshot } from 'netpath'
const net = await lab({ seed: 1, costs: { rx: [100, 0.5] } })
const a = net.host('a', { eth0: '10.0.0.1/24', cpus: 2 })
const host: Host = a
const name: string = a.eth0.name
const saved: Snapshot = net.snapshot()
const count: number | undefined = host.udp({ port: 7 }).recvBatch()?.count
export { name, saved, count }
// @ts-expect-error there is no eth1
a.eth1
// @ts-expect-error a seed is a number
await lab({ seed: 'x' })
`,
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--lib',
    'es2022,dom,esnext.disposable',
  ]
  const run = (): string =>
    execFileSync(process.execPath, [tsc, ...options, '--types', '', file], {
      cwd: project.folder,
      encoding: 'utf8',
      stdio: 'pipe',
    })
  try {
    run()
  } catch (error) {
    assert.unreachable((error as { stdout?: string }).stdout ?? String(error))
  }
})

test('a bundler makes one file for browsers of it', async () => {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    stdin: { contents: `import { lab } from 'netpath'\n${EXAMPLE}`, resolveDir: project.folder },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'silent',
  })
  assert.is(outputFiles.length, 1)
  const code = outputFiles[0]!.text
  assert.not.match(code, /\bfrom ?["']node:/)
  assertExample(node(code))
})

test.run()
