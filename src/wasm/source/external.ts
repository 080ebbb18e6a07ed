// The core's Wasm beside the bundle: streamed, for `netpath/external` (esbuild maps `#wasm` to this file).

import { type CompiledCore, hashOf } from './hash.ts'

export type { CompiledCore } from './hash.ts'

/** The release core, compiled while it arrives. Each call fetches and compiles anew: keep the module. */
export async function compileCore(): Promise<CompiledCore> {
  // The path is that of the bundle, dist/browser/external.js; bundlers know this form and carry the file along.
  const response = await fetch(new URL('../../build/netpath.wasm', import.meta.url))
  const copy = response.clone()
  const [module, bytes] = await Promise.all([WebAssembly.compileStreaming(response), copy.arrayBuffer()])
  return { module, hash: hashOf(new Uint8Array(bytes)) }
}
