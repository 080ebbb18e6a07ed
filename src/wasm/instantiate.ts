// Compiles the core once for the process, and keeps a pool of instances: each Wasm memory reserves much address space,
// so a closed host's instance is reset and used again.

import { instantiateSync } from '@assemblyscript/loader'
import { compileCore } from '#wasm'
import { type CoreExports, readConstants, readLayout } from './abi.ts'
import { Core } from './core.ts'
import { checked, invalid } from './errors.ts'
import type { CompiledCore } from './source/hash.ts'
import { CoreMemory } from './views.ts'

export type { CompiledCore } from './source/hash.ts'

/** What a host's instance is booted with. */
export interface BootOptions {
  memoryMb: number
  hz: number
  seedLo: number
  seedHi: number
  cpus: number
}

/** An instance that waits for its next host, with what its memory held below the heap when it was new. */
interface Pooled {
  exports: CoreExports
  memory: CoreMemory
  pristine: Uint8Array
}

/** What the process keeps: the module, and by module the instances that are free and what they looked like when new. */
const kept: { compiled?: Promise<CompiledCore> | undefined } = {}
const pools = new WeakMap<WebAssembly.Module, Pooled[]>()
const pristines = new WeakMap<Core, { module: WebAssembly.Module; pooled: Pooled }>()

/** Free instances beyond this are left to the garbage collector. */
const POOL_LIMIT = 64

/** The compiled core; the first call compiles, later ones share it. */
export async function loadCore(): Promise<CompiledCore> {
  kept.compiled ??= compileCore()
  try {
    return await kept.compiled
  } catch (error) {
    kept.compiled = undefined
    throw error
  }
}

function assemblyScriptString(memory: WebAssembly.Memory, p: number): string {
  if (!p) return ''
  const bytes = new DataView(memory.buffer).getUint32(p - 4, true)
  return String.fromCharCode(...new Uint16Array(memory.buffer, p, bytes >>> 1))
}

function fresh(module: WebAssembly.Module): Pooled {
  const holder: { memory?: WebAssembly.Memory } = {}
  const bug = (message: number, file: number, line: number, column: number): never => {
    const text = (p: number): string => (holder.memory ? assemblyScriptString(holder.memory, p) : '')
    throw new WebAssembly.RuntimeError(`${text(message) || 'abort'} at ${text(file)}:${line}:${column}`)
  }
  const { instance } = instantiateSync(module, { imports: { bug }, env: {} })
  const exports = instance.exports as unknown as CoreExports
  holder.memory = exports.memory
  const memory = new CoreMemory(exports.memory)
  const heap = readConstants(instance.exports).HEAP_BASE
  return { exports, memory, pristine: memory.slice(0, heap) }
}

/** An instance for a host: a pooled one or a new one, booted. ENOMEM when the engine gives no memory. */
export function acquireCore(compiled: CompiledCore, options: BootOptions): Core {
  const { memoryMb, hz, seedLo, seedHi, cpus } = options
  if (!(memoryMb >= 1 && memoryMb <= 2000)) throw invalid('boot', `memoryMb is 1 to 2000, not ${memoryMb}`)
  const pooled = pools.get(compiled.module)?.pop() ?? fresh(compiled.module)
  const bytes = Math.floor(memoryMb * 1048576)
  checked(pooled.exports.boot(bytes, hz, seedLo, seedHi, cpus), 'boot', `${memoryMb} MB for a host`)
  pooled.memory.refresh()
  const raw = pooled.exports as unknown as WebAssembly.Exports
  const core = new Core(pooled.exports, pooled.memory, readConstants(raw), readLayout(raw), bytes)
  pristines.set(core, { module: compiled.module, pooled })
  return core
}

/** Gives an instance back: its memory as it was when new, for the next host. A dead one is dropped. */
export function releaseCore(core: Core): void {
  const known = pristines.get(core)
  pristines.delete(core)
  if (!known || core.dead) return
  const { module, pooled } = known
  const brk = core.memory.readU32(core.boot('arena_brk'))
  core.memory.fill(core.constants.HEAP_BASE, Math.max(0, brk - core.constants.HEAP_BASE))
  core.memory.write(0, pooled.pristine)
  const pool = pools.get(module) ?? []
  pools.set(module, pool)
  if (pool.length < POOL_LIMIT) pool.push(pooled)
}

/** A host's memory as a snapshot holds it: all that the arena has handed out. */
export function saveCore(core: Core): Uint8Array<ArrayBuffer> {
  return core.memory.slice(0, core.memory.readU32(core.boot('arena_brk')))
}

/** Puts a saved memory back. What lay beyond it becomes zero, as it was then. */
export function restoreCore(core: Core, saved: Uint8Array): void {
  const brk = core.memory.readU32(core.boot('arena_brk'))
  if (brk > saved.length) core.memory.fill(saved.length, brk - saved.length)
  core.memory.write(0, saved)
  core.replaced()
}
