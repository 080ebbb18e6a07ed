// Views of an instance's memory. It grows in boot only; then the views are made anew.

/** The typed views of one buffer. */
export interface MemoryViews {
  readonly buffer: ArrayBufferLike
  readonly u8: Uint8Array<ArrayBuffer>
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly u64: BigUint64Array
  readonly data: DataView
}

function viewsOf(buffer: ArrayBuffer): MemoryViews {
  return {
    buffer,
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    f64: new Float64Array(buffer),
    u64: new BigUint64Array(buffer),
    data: new DataView(buffer),
  }
}

/** Memory of an instance, with views that are made anew when the buffer has changed. */
export class CoreMemory {
  readonly #memory: WebAssembly.Memory
  #views: MemoryViews

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory
    this.#views = viewsOf(memory.buffer)
  }

  /** The views: the memory grows in boot only, after which refresh() is called. */
  get views(): MemoryViews {
    return this.#views
  }

  /** Makes the views anew if the memory has grown. */
  refresh(): void {
    if (this.#views.buffer !== this.#memory.buffer) this.#views = viewsOf(this.#memory.buffer)
  }

  get u8(): Uint8Array<ArrayBuffer> {
    return this.views.u8
  }

  get byteLength(): number {
    return this.#memory.buffer.byteLength
  }

  readU8(p: number): number {
    return this.views.u8[p]!
  }

  readU16(p: number): number {
    return this.views.u16[p >>> 1]!
  }

  readU32(p: number): number {
    return this.views.u32[p >>> 2]!
  }

  readI32(p: number): number {
    return this.views.i32[p >>> 2]!
  }

  /** A counter of 64 bits as a number: exact up to 2^53. */
  readU64(p: number): number {
    const { u32 } = this.views
    return u32[p >>> 2]! + u32[(p >>> 2) + 1]! * 4294967296
  }

  readF64(p: number): number {
    return this.views.f64[p >>> 3]!
  }

  writeU8(p: number, value: number): void {
    this.views.u8[p] = value
  }

  writeU32(p: number, value: number): void {
    this.views.u32[p >>> 2] = value
  }

  writeI32(p: number, value: number): void {
    this.views.i32[p >>> 2] = value
  }

  /** Copies bytes in. */
  write(p: number, bytes: Uint8Array): void {
    this.views.u8.set(bytes, p)
  }

  /** Copies bytes out. */
  slice(p: number, length: number): Uint8Array<ArrayBuffer> {
    return this.views.u8.slice(p, p + length)
  }

  fill(p: number, length: number, value = 0): void {
    this.views.u8.fill(value, p, p + length)
  }
}
