// The routing tables' tries as they lie in the core, read node by node (net/ipv4/fib_trie.c).

import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'
import type { Core } from '../wasm/core.ts'
import type { Ptr } from '../wasm/abi.ts'
import { byteSwap32 } from '../wasm/encode.ts'

/** A route of a leaf. */
export interface TrieAlias {
  length: number
  /** RT_SCOPE_*, RTN_* */
  scope: number
  type: number
  tos: number
}

/** A node of the trie, in the order of a walk: a tnode before its children. */
export interface TrieNode {
  /** In network order. */
  key: number
  depth: number
  pos: number
  /** Bits of the key that choose a child; 0: a leaf. */
  bits: number
  fullChildren: number
  emptyChildren: number
  /** Of a leaf. */
  aliases: readonly TrieAlias[]
}

export interface TrieTable {
  id: number
  nodes: Iterable<TrieNode>
}

function aliasesOf({ memory, offsets }: Core, leaf: Ptr): TrieAlias[] {
  const field = offsets.fib_alias
  const found: TrieAlias[] = []
  for (let p = memory.readU32(leaf + offsets.key_vector.tnode); p !== 0; p = memory.readU32(p + field.next)) {
    found.push({
      length: 32 - memory.readU8(p + field.fa_slen),
      scope: memory.readU8(memory.readU32(p + field.fa_info) + offsets.fib_info.fib_scope),
      type: memory.readU8(p + field.fa_type),
      tos: memory.readU8(p + field.fa_tos),
    })
  }
  return found
}

/** A node and all below it. */
function* walk(core: Core, p: Ptr, depth: number): Generator<TrieNode> {
  const { memory } = core
  const field = core.offsets.key_vector
  const bits = memory.readU8(p + field.bits)
  yield {
    key: byteSwap32(memory.readU32(p + field.key)),
    depth,
    pos: memory.readU8(p + field.pos),
    bits,
    fullChildren: memory.readU32(p + field.full_children),
    emptyChildren: memory.readU32(p + field.empty_children),
    aliases: bits === 0 ? aliasesOf(core, p) : [],
  }
  if (bits === 0) return
  for (let i = 0; i < 2 ** bits; i++) {
    const child = memory.readU32(p + field.tnode + 4 * i)
    if (child !== 0) yield* walk(core, child, depth + 1)
  }
}

/** All tables in the order of the kernel's hash, with the nodes of their tries; local and main may share one. */
export function* trieTables(machine: Machine, namespace: NamespaceState): Generator<TrieTable> {
  const { core } = machine
  const { memory, offsets } = core
  const field = offsets.fib_table
  const first = memory.readU32(namespace.net + offsets.net.fib_tables)
  for (let p = first; p !== 0; p = memory.readU32(p + field.next)) {
    const root = memory.readU32(memory.readU32(p + field.trie) + offsets.key_vector.tnode)
    yield { id: memory.readU32(p + field.tb_id), nodes: root === 0 ? [] : walk(core, root, 0) }
  }
}
