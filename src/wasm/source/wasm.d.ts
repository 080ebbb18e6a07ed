// What esbuild's binary loader makes of a .wasm import.

declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>
  export default bytes
}
