// The public exports that run everywhere.

export { compileCore } from '#wasm'
