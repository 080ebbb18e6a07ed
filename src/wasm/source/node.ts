// The core's Wasm in Node: read from the package (package.json maps `#wasm` to this file).

import { readFile } from 'node:fs/promises'
import { type CompiledCore, hashOf } from './hash.ts'

export type { CompiledCore } from './hash.ts'

/** The release core, compiled. Each call reads and compiles anew: keep the module. */
export async function compileCore(): Promise<CompiledCore> {
  const bytes = await readFile(new URL('../../../../build/netpath.wasm', import.meta.url))
  return { module: await WebAssembly.compile(bytes), hash: hashOf(bytes) }
}
