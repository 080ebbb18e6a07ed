// net.ipv4.ip_local_reserved_ports as text: '8080,9000-9009'. Mirrors proc_do_large_bitmap of kernel/sysctl.c.

import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'
import { checked, invalid } from '../wasm/errors.ts'

export const RESERVED_PORTS = 'net.ipv4.ip_local_reserved_ports'

const PORTS = 65536
const NUMBER = '0[xX][0-9a-fA-F]+|\\d+'
/** One port or a range; commas and newlines part them, and one may end the list. */
const RANGE = new RegExp(`(${NUMBER})(?:-(${NUMBER}))?(?:[,\\n]\\n?|$)`, 'y')

type Range = readonly [low: number, high: number]

const number = (text: string): number => (/^0[0-7]+$/.test(text) ? parseInt(text, 8) : Number(text))

/** EINVAL: no list of ports, or a range that ends before it begins. */
export function parsePorts(text: string): Range[] {
  const ranges: Range[] = []
  RANGE.lastIndex = text.startsWith('\n') ? 1 : 0
  while (RANGE.lastIndex < text.length) {
    const found = RANGE.exec(text)
    const low = number(found?.[1] ?? '')
    const high = found?.[2] === undefined ? low : number(found[2])
    if (!found || !(low <= high && high < PORTS))
      throw invalid('sysctl', `${RESERVED_PORTS}: '${text}' is no list of ports such as '8080,9000-9009'`)
    ranges.push([low, high])
  }
  return ranges
}

/** What is reserved, in order, with neighbours joined. */
export function readPorts({ core }: Machine, namespace: NamespaceState): string {
  const map = core.memory.readU32(namespace.net + core.offsets.net.local_reserved_ports)
  if (map === 0) return ''
  const { u8 } = core.memory.views
  const reserved = (port: number): boolean => port < PORTS && (u8[map + (port >> 3)]! & (1 << (port & 7))) !== 0
  const parts: string[] = []
  for (let low = 0; low < PORTS; low++) {
    if (!reserved(low)) continue
    let high = low
    while (reserved(high + 1)) high++
    parts.push(low === high ? String(low) : `${low}-${high}`)
    low = high
  }
  return parts.join(',')
}

/** EINVAL, ENOMEM: then nothing has changed. */
export function writePorts({ core }: Machine, namespace: NamespaceState, text: string): void {
  const ranges = parsePorts(text)
  checked(core.exports.reserved_ports_clear(namespace.net), 'sysctl', RESERVED_PORTS)
  for (const [low, high] of ranges) core.exports.reserved_ports_add(namespace.net, low, high)
}
