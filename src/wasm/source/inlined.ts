// The core's Wasm in a bundle for browsers: inlined, so that the package is one file (esbuild maps `#wasm` to this file).

import bytes from 'netpath/netpath.wasm'
import { type CompiledCore, hashOf } from './hash.ts'

export type { CompiledCore } from './hash.ts'

/** The release core, compiled. Each call compiles anew: keep the module. */
export async function compileCore(): Promise<CompiledCore> {
  return { module: await WebAssembly.compile(bytes), hash: hashOf(bytes) }
}
