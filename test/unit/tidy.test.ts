// The house rules of the two trees, held by a test: import direction, cycles, file heads, sizes, module state.
// It reads the sources as text, so it runs from dist too and needs no compiler.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const HEAD_LINES = 8
const FILE_LINES = 500

/** Tables (folders and files), which may be as long as what they list; the ABI is one. */
const TABLES = ['assembly/uapi', 'assembly/index']

/**
 * A tree's layers, lowest first. An entry is a file without its ending or a folder; the longest entry that holds a file
 * places it. A file imports from its own layer and below.
 */
type Layers = readonly (readonly string[])[]

const WASM: Layers = [
  ['assembly/uapi', 'assembly/imports'],
  ['assembly/lib'],
  ['assembly/include'],
  ['assembly/kernel', 'assembly/trace'],
  [
    'assembly/net/core/dst',
    'assembly/net/core/page',
    'assembly/net/core/skbuff',
    'assembly/net/core/skbuff_data',
    'assembly/net/core/flow_dissector',
    'assembly/net/core/dev_features',
    'assembly/net/core/gso',
    'assembly/net/core/skb_checksum_help',
  ],
  ['assembly/net/sched'],
  ['assembly/net/core'],
  ['assembly/net/ethernet', 'assembly/net/packet', 'assembly/net/netfilter'],
  ['assembly/net/ipv4'],
  ['assembly/net/ipv4/netfilter'],
  ['assembly/net/socket'],
  ['assembly/drivers'],
  ['assembly/path'],
  ['assembly/admin'],
  ['assembly/border', 'assembly/layout'],
  ['assembly/index'],
]

const TYPESCRIPT: Layers = [
  ['assembly/uapi'],
  ['src/wasm'],
  ['src/kernel', 'src/trace'],
  ['src/net', 'src/drivers'],
  ['src/socket', 'src/fs'],
  ['src/host', 'src/lab'],
  ['src/tools', 'src/pcap', 'src/conform'],
  ['src/cli', 'src/index', 'src/node'],
]

/** What each tree may import besides itself; bench/assembly is Wasm, the rest of bench is not. */
const NEIGHBOURS: readonly (readonly [tree: string, others: readonly string[]])[] = [
  ['assembly', []],
  ['src', ['assembly/uapi']],
  ['bench/assembly', ['assembly']],
  ['bench', ['src', 'assembly/uapi']],
  ['test', ['src', 'bench', 'assembly/uapi']],
]

/** The repository: the nearest folder above this file, in the sources or in dist, with a package.json. */
function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder)
    if (above === folder) throw new Error('no package.json above the tidy test')
    folder = above
  }
  return folder
}

const root = findRoot()

/** All TypeScript files below a folder, as sorted paths from the root. */
function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  const found = readdirSync(join(root, folder)).map((name) => {
    const path = posix.join(folder, name)
    if (name === 'node_modules') return []
    if (statSync(join(root, path)).isDirectory()) return sources(path)
    return path.endsWith('.ts') ? [path] : []
  })
  return found.flat().sort()
}

const STRING_OR_COMMENT =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/(?=[dgimsuvy]*[^\w\s(])/g

/** Only the line breaks of a text, so that line numbers stay. */
const blank = (text: string): string => text.replace(/[^\n]/g, ' ')

const uncommented = (text: string): string =>
  text.replace(STRING_OR_COMMENT, (part) => (/^\/[/*]/.test(part) ? blank(part) : part))

const codeOnly = (text: string): string => text.replace(STRING_OR_COMMENT, blank)

interface Source {
  readonly path: string
  readonly text: string
  /** Without comments and strings; line numbers as in `text`. */
  readonly code: string
  readonly imports: readonly string[]
}

const IMPORT =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const imports = [...uncommented(text).matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!)
  return { path, text, code: codeOnly(text), imports }
}

const files = ['assembly', 'src', 'bench', 'test'].flatMap(sources).map(read)
const byPath = new Map(files.map((file) => [file.path, file]))

const isIn = (path: string, entry: string): boolean => path === `${entry}.ts` || path.startsWith(`${entry}/`)

const within = (...folders: string[]): Source[] =>
  files.filter(({ path }) => folders.some((folder) => isIn(path, folder)))

/** What a file imports by relative path, as paths from the root. */
function targets(file: Source): string[] {
  return file.imports.filter((name) => name.startsWith('.')).map((name) => posix.join(posix.dirname(file.path), name))
}

/** The layer of a file, or -1 when no entry holds it. */
function layerOf(layers: Layers, path: string): number {
  let best = -1
  let length = 0
  layers.forEach((entries, layer) => {
    for (const entry of entries) {
      if (entry.length > length && isIn(path, entry)) {
        best = layer
        length = entry.length
      }
    }
  })
  return best
}

/** Imports of a tree that go up, and files that no layer holds. */
function wrongWay(tree: string, layers: Layers): string[] {
  const found: string[] = []
  for (const file of within(tree)) {
    const layer = layerOf(layers, file.path)
    if (layer < 0) found.push(`${file.path}: in no layer`)
    for (const target of targets(file)) {
      if (layerOf(layers, target) > layer) found.push(`${file.path} imports ${target}, which is above it`)
    }
  }
  return found
}

/** One line for each cycle: the way from a file back to itself. */
function cycles(): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const way: string[] = []
  const visit = (path: string): void => {
    if (way.includes(path)) {
      found.push([...way.slice(way.indexOf(path)), path].join(' -> '))
      return
    }
    const file = byPath.get(path)
    if (!file || done.has(path)) return
    way.push(path)
    targets(file).forEach(visit)
    way.pop()
    done.add(path)
  }
  files.forEach(({ path }) => visit(path))
  return found
}

/** `path:line: text` for each line of a view of the files that matches. */
function lines(list: readonly Source[], view: (file: Source) => string, pattern: RegExp): string[] {
  return list.flatMap((file) => {
    const original = file.text.split('\n')
    return view(file)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1}: ${original[i]!.trim()}`] : []))
  })
}

/** Lines of the comment that a text opens with, after a `#!` line; 0 without one. */
function headLength(text: string): number {
  const body = text.startsWith('#!') ? text.slice(text.indexOf('\n') + 1) : text
  const comment = /^(?:\/\*[\s\S]*?\*\/|\/\/[^\n]*(?:\n\/\/[^\n]*)*)/.exec(body)
  return comment ? comment[0].split('\n').length : 0
}

const code = (file: Source): string => file.code
const tidy = suite('tidy')

tidy('there are files to look at', () => {
  for (const tree of ['assembly', 'src', 'test']) assert.ok(within(tree).length > 0, tree)
})

tidy('relative imports end in .ts and lead to a file', () => {
  const found = files.flatMap((file) =>
    targets(file)
      .filter((target) => !target.endsWith('.ts') || !existsSync(join(root, target)))
      .filter((target) => !target.endsWith('.json'))
      .map((target) => `${file.path} imports ${target}`),
  )
  assert.equal(found, [])
})

tidy('assembly imports one way', () => {
  assert.equal(wrongWay('assembly', WASM), [])
})

tidy('src imports one way', () => {
  assert.equal(wrongWay('src', TYPESCRIPT), [])
})

tidy('a tree imports only itself and its neighbours: src nothing of assembly but uapi', () => {
  const found = files.flatMap((file) => {
    const [tree, others] = NEIGHBOURS.find(([name]) => isIn(file.path, name))!
    return targets(file)
      .filter((target) => ![tree, ...others].some((other) => isIn(target, other)))
      .map((target) => `${file.path} imports ${target}`)
  })
  assert.equal(found, [])
})

tidy('no import cycle', () => {
  assert.equal(cycles(), [])
})

tidy('what src/index.ts reaches imports nothing of Node', () => {
  const found: string[] = []
  const seen = new Set<string>()
  const visit = (path: string): void => {
    const file = byPath.get(path)
    if (!file || seen.has(path)) return
    seen.add(path)
    for (const name of file.imports) if (name.startsWith('node:')) found.push(`${path} imports ${name}`)
    targets(file).forEach(visit)
  }
  visit('src/index.ts')
  assert.equal(found, [])
})

tidy(`every file opens with a comment of at most ${HEAD_LINES} lines`, () => {
  const found = files
    .map(({ path, text }) => ({ path, head: headLength(text) }))
    .filter(({ head }) => head === 0 || head > HEAD_LINES)
    .map(({ path, head }) => `${path}: ${head} lines`)
  assert.equal(found, [])
})

tidy(`no file is longer than ${FILE_LINES} lines, tables aside`, () => {
  const found = files
    .filter(({ path }) => !TABLES.some((table) => isIn(path, table)))
    .map(({ path, text }) => ({ path, length: text.trimEnd().split('\n').length }))
    .filter(({ length }) => length > FILE_LINES)
    .map(({ path, length }) => `${path}: ${length} lines`)
  assert.equal(found, [])
})

tidy('no mutable variable at module level, no static field that is not readonly', () => {
  const trees = within('assembly', 'src', 'bench/assembly').filter(({ path }) => !path.endsWith('.d.ts'))
  const found = [
    ...lines(trees, code, /^(?:export\s+)?(?:declare\s+)?(?:let|var)\b/),
    ...lines(trees, code, /^\s+(?:(?:public|private|protected)\s+)?static\s+(?!readonly\b)[\w#]+\s*[:=]/),
  ]
  assert.equal(found, [])
})

tidy('assembly makes no managed object', () => {
  assert.equal(lines(within('assembly', 'bench/assembly'), code, /\bnew\s+[\w(]/), [])
})

tidy('only assembly/imports.ts declares functions of JavaScript', () => {
  const others = within('assembly').filter(({ path }) => path !== 'assembly/imports.ts' && !path.endsWith('.d.ts'))
  assert.equal(lines(others, code, /^(?:export\s+)?declare\b/), [])
})

tidy('nothing is left to do', () => {
  assert.equal(
    lines(files, (file) => file.text, /\b(?:TO[D]O|FIX[M]E)\b/),
    [],
  )
})

tidy('every test file runs its tests, and all of them', () => {
  const tests = within('test').filter(({ path }) => path.endsWith('.test.ts'))
  const silent = tests.filter((file) => !/\brun\(\)/.test(file.code)).map(({ path }) => `${path}: no .run()`)
  assert.equal([...silent, ...lines(tests, code, /\w\.only\(/)], [])
})

tidy.run()
