// What a compiled core is known by: a snapshot fits only the .wasm that it was taken from.

/** The compiled module, and a hash of the bytes it was compiled from. */
export interface CompiledCore {
  readonly module: WebAssembly.Module
  readonly hash: string
}

/** 64 bits of hash as hex: two lanes of multiply and shift, against accidents and not against enemies. */
export function hashOf(bytes: Uint8Array): string {
  let a = 0x9e3779b9
  let b = 0x85ebca6b
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ (byte + (a >>> 24)), 0x27d4eb2f)
    b ^= b >>> 15
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0')
}
