// The text of /proc/net/fib_trie and /proc/net/fib_triestat, byte for byte as Linux 6.18 writes it (net/ipv4/fib_trie.c).
// Pure functions: plain data in, text out. Sizes are those of the kernel's structs on a 64-bit machine.

import * as rt from '../../assembly/uapi/rtnetlink.ts'
import type { TrieAlias, TrieNode, TrieTable } from '../net/fib_trie.ts'
import { formatIPv4 } from '../wasm/encode.ts'

const LEAF_BYTES = 48
const TNODE_BYTES = 40
const ALIAS_BYTES = 56
const POINTER_BYTES = 8

const SCOPES: Readonly<Record<number, string>> = {
  [rt.RT_SCOPE_UNIVERSE]: 'universe',
  [rt.RT_SCOPE_SITE]: 'site',
  [rt.RT_SCOPE_LINK]: 'link',
  [rt.RT_SCOPE_HOST]: 'host',
  [rt.RT_SCOPE_NOWHERE]: 'nowhere',
}

const TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE',
]

function tableName(id: number): string {
  if (id === rt.RT_TABLE_LOCAL) return 'Local:'
  return id === rt.RT_TABLE_MAIN ? 'Main:' : `Id ${id}:`
}

const indent = (depth: number): string => '   '.repeat(depth)

function aliasLine({ length, scope, type, tos }: TrieAlias, depth: number): string {
  const shownScope = SCOPES[scope] ?? `scope=${scope}`
  const shownType = TYPES[type] ?? `type ${type}`
  return `${indent(depth + 1)}  /${length} ${shownScope} ${shownType}${tos ? ` tos=${tos}` : ''}`
}

function nodeLines(node: TrieNode): string[] {
  const { depth, bits, pos } = node
  const key = formatIPv4(node.key)
  if (bits === 0) {
    return [`${indent(depth)}  |-- ${key}`, ...node.aliases.map((alias) => aliasLine(alias, depth))]
  }
  return [`${indent(depth)}  +-- ${key}/${32 - pos - bits} ${bits} ${node.fullChildren} ${node.emptyChildren}`]
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

/** /proc/net/fib_trie: the nodes of all tables that have any. */
export function procNetFibTrie(tables: Iterable<TrieTable>): string {
  const lines: string[] = []
  for (const { id, nodes } of tables) {
    for (const node of nodes) {
      if (node.depth === 0) lines.push(tableName(id))
      for (const line of nodeLines(node)) lines.push(line)
    }
  }
  return text(lines)
}

interface TrieStat {
  depths: number
  maxDepth: number
  leaves: number
  prefixes: number
  nullPointers: number
  /** tnodes by their bits. */
  sizes: number[]
}

function statOf(nodes: Iterable<TrieNode>): TrieStat {
  const stat: TrieStat = { depths: 0, maxDepth: 0, leaves: 0, prefixes: 0, nullPointers: 0, sizes: [] }
  for (const { depth, bits, emptyChildren, aliases } of nodes) {
    if (bits === 0) {
      stat.leaves += 1
      stat.depths += depth
      stat.maxDepth = Math.max(stat.maxDepth, depth)
      stat.prefixes += aliases.length
    } else {
      stat.sizes[bits] = (stat.sizes[bits] ?? 0) + 1
      stat.nullPointers += emptyChildren
    }
  }
  return stat
}

function statLines(id: number, stat: TrieStat): string[] {
  const { leaves, prefixes, sizes } = stat
  const average = leaves ? Math.floor((stat.depths * 100) / leaves) : 0
  const tnodes = sizes.reduce((sum, count) => sum + count, 0)
  const pointers = sizes.reduce((sum, count, bits) => sum + count * 2 ** bits, 0)
  const bytes = LEAF_BYTES * leaves + TNODE_BYTES * tnodes + ALIAS_BYTES * prefixes + POINTER_BYTES * pointers
  const bySize: string[] = []
  sizes.forEach((count, bits) => bySize.push(`  ${bits}: ${count}`))
  return [
    tableName(id),
    `\tAver depth:     ${Math.floor(average / 100)}.${String(average % 100).padStart(2, '0')}`,
    `\tMax depth:      ${stat.maxDepth}`,
    `\tLeaves:         ${leaves}`,
    `\tPrefixes:       ${prefixes}`,
    `\tInternal nodes: ${tnodes}`,
    `\t${bySize.join('')}`,
    `\tPointers: ${pointers}`,
    `Null ptrs: ${stat.nullPointers}`,
    `Total size: ${Math.floor((bytes + 1023) / 1024)}  kB`,
  ]
}

/** /proc/net/fib_triestat: depths, nodes by size and memory of all tables. */
export function procNetFibTriestat(tables: Iterable<TrieTable>): string {
  const lines = [`Basic info: size of leaf: ${LEAF_BYTES} bytes, size of tnode: ${TNODE_BYTES} bytes.`]
  for (const { id, nodes } of tables) lines.push(...statLines(id, statOf(nodes)))
  return text(lines)
}
