// Classic BPF programs as users write them, as the flat array of struct sock_filter {u16 code; u8 jt; u8 jf; u32 k} that
// SO_ATTACH_FILTER takes. Source: linux/filter.h, Documentation/networking/filter.rst.

import { integer } from '../wasm/encode.ts'
import { invalid } from '../wasm/errors.ts'

/** One instruction: [code, jt, jf, k]; k counts modulo 2^32, so that SKF_AD_OFF may be written as -0x1000. */
export type FilterInstruction = readonly [code: number, jt: number, jf: number, k: number]

/**
 * A program: instructions, their bytes (8 each, little-endian), or the text of `tcpdump -ddd` (a line with their number,
 * then a line `code jt jf k` for each).
 */
export type FilterProgram = readonly FilterInstruction[] | Uint8Array | string

const INSTRUCTION_SIZE = 8

function parseText(text: string): FilterInstruction[] {
  // `tcpdump -ddd | tr '\n' ','` is how scripts hand it over.
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const rows = lines.map((line) => line.split(/\s+/).map(Number))
  const count = rows[0]
  if (count?.length !== 1 || count[0] !== rows.length - 1 || rows.slice(1).some((row) => row.length !== 4)) {
    throw invalid(
      'setsockopt',
      "a filter's text is what `tcpdump -ddd` prints: the number of lines, then 'code jt jf k'",
    )
  }
  return rows.slice(1) as unknown as FilterInstruction[]
}

/** The bytes of a program. EINVAL for what is none; whether it may run, the core decides. */
export function encodeFilter(program: FilterProgram): Uint8Array<ArrayBuffer> {
  if (program instanceof Uint8Array) return program.slice()
  const rows = typeof program === 'string' ? parseText(program) : program
  if (!Array.isArray(rows)) throw invalid('setsockopt', 'a filter is an array of [code, jt, jf, k], bytes, or text')
  const out = new DataView(new ArrayBuffer(rows.length * INSTRUCTION_SIZE))
  rows.forEach((row: unknown, i) => {
    if (!Array.isArray(row) || row.length !== 4)
      throw invalid('setsockopt', `instruction ${i} of the filter is no [code, jt, jf, k]`)
    const [code, jt, jf, k] = row as unknown[]
    const at = i * INSTRUCTION_SIZE
    out.setUint16(at, integer(code, 0, 65535, `code of instruction ${i}`, 'setsockopt'), true)
    out.setUint8(at + 2, integer(jt, 0, 255, `jt of instruction ${i}`, 'setsockopt'))
    out.setUint8(at + 3, integer(jf, 0, 255, `jf of instruction ${i}`, 'setsockopt'))
    out.setUint32(at + 4, integer(k, -2147483648, 4294967295, `k of instruction ${i}`, 'setsockopt') >>> 0, true)
  })
  return new Uint8Array(out.buffer)
}
