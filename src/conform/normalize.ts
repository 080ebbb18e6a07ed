/**
 * What the kernel chooses at will is zeroed in both frames before they are compared, and checksums recomputed, as the
 * recorder did: `norm` of the expected frame names it. Sequence numbers (`tcp.seq`, `tcp.ack`) were shifted to a fixed
 * initial number, not zeroed: a run does the same to what it sends (tcp_flows.ts), and they are compared as they stand.
 */

export const ETH_HLEN = 14
const ICMP_ERRORS = [3, 4, 5, 11, 12]
const ICMP_TIMESTAMPREPLY = 14
const IPPROTO_ICMP = 1
const IPPROTO_TCP = 6
const IPOPT_TIMESTAMP = 68
const TCPOPT_TIMESTAMP = 8

/** `ip.id#3`: the id of a fragment. */
const FRAGMENT_LABEL = /^ip\.id#/

export const u16 = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1]

export function put16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8
  b[at + 1] = value
}

/** Sum of 16-bit words (RFC 1071) onto `sum`, folded; an odd last byte is padded. */
export function add(b: Uint8Array, from: number, to: number, sum = 0): number {
  for (let at = from; at < to; at += 2) sum += (b[at] << 8) | (at + 1 < to ? b[at + 1] : 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

const headerLength = (p: Uint8Array, o: number): number => (p[o] & 15) * 4
const headerEnd = (p: Uint8Array, o: number): number => Math.min(p.length, o + headerLength(p, o))
const isFirstOrWhole = (p: Uint8Array, o: number): boolean => (u16(p, o + 6) & 0x1fff) === 0

/** Offset of the IPv4 header in an Ethernet frame, or -1. */
export function ipOffset(frame: Uint8Array): number {
  return frame.length >= ETH_HLEN + 20 && u16(frame, 12) === 0x0800 && frame[ETH_HLEN] >>> 4 === 4 ? ETH_HLEN : -1
}

/** The id of the IPv4 header at o. */
export const ipId = (p: Uint8Array, o: number): number => u16(p, o + 4)

/** Where the payload of the IPv4 header at o begins and ends. */
export function payload(p: Uint8Array, o: number): [from: number, to: number] {
  return [o + headerLength(p, o), Math.min(p.length, o + u16(p, o + 2))]
}

/** Offset of the IPv4 header that the ICMP error at o quotes, or -1. */
export function quotedIp(p: Uint8Array, o: number): number {
  if (p[o + 9] !== IPPROTO_ICMP || !isFirstOrWhole(p, o)) return -1
  const [a, b] = payload(p, o)
  return b - a >= 28 && ICMP_ERRORS.includes(p[a]) && p[a + 8] >>> 4 === 4 ? a + 8 : -1
}

function fixIp(p: Uint8Array, o: number): void {
  put16(p, o + 10, 0)
  put16(p, o + 10, ~add(p, o, headerEnd(p, o)))
}

function fixIcmp(p: Uint8Array, o: number): void {
  const [a, b] = payload(p, o)
  put16(p, a + 2, 0)
  put16(p, a + 2, ~add(p, a, b))
}

/** The sum of the TCP segment [a, b) of the IPv4 header at o with its pseudo header: 0xffff when it is right. */
export function tcpSum(p: Uint8Array, o: number, a: number, b: number): number {
  return add(p, a, b, add(p, o + 12, o + 20) + IPPROTO_TCP + (b - a))
}

function zeroId(p: Uint8Array, o: number): void {
  put16(p, o + 4, 0)
  fixIp(p, o)
}

/**
 * Offsets of the times in the IP timestamp option of the header at o (RFC 791 3.1): the words before its pointer that
 * the recorder zeroed. Addresses stand among them and are compared.
 */
function zeroedTimes(expected: Uint8Array, o: number): number[] {
  const times: number[] = []
  const end = headerEnd(expected, o)
  let at = o + 20
  while (at < end && expected[at] !== 0) {
    const length = expected[at] === 1 ? 1 : (expected[at + 1] ?? 0)
    if (expected[at] !== 1 && (length < 2 || at + length > end)) break
    if (expected[at] === IPOPT_TIMESTAMP) {
      const filled = at + Math.min(length - 3, expected[at + 2] - 1)
      for (let word = at + 4; word < filled; word += 4) if (add(expected, word, word + 4) === 0) times.push(word)
    }
    at += length
  }
  return times
}

function zeroTimes(p: Uint8Array, o: number, expected: Uint8Array): void {
  for (const at of zeroedTimes(expected, o)) p.fill(0, at, at + 4)
  fixIp(p, o)
}

/** Offset of the timestamp option of the TCP header [a, b), or -1. */
function tcpTimestamp(p: Uint8Array, a: number, b: number): number {
  const end = Math.min(b, a + (p[a + 12] >>> 4) * 4)
  let found = -1
  let at = a + 20
  while (at < end && p[at] !== 0) {
    const length = p[at] === 1 ? 1 : at + 1 < end ? p[at + 1] : 0
    if (p[at] !== 1 && length < 2) break
    if (p[at] === TCPOPT_TIMESTAMP && length === 10) found = at
    at += length
  }
  return found
}

/** Zeroes TSval (at 2) or TSecr (at 6). A checksum that was wrong, or left to the device, stays as it is. */
function zeroTcpTime(p: Uint8Array, o: number, field: 2 | 6): void {
  if (p[o + 9] !== IPPROTO_TCP || !isFirstOrWhole(p, o)) return
  const [a, b] = payload(p, o)
  const option = b - a >= 20 ? tcpTimestamp(p, a, b) : -1
  if (option < 0) return
  const valid = tcpSum(p, o, a, b) === 0xffff
  p.fill(0, option + field, Math.min(option + field + 4, b))
  if (!valid) return
  put16(p, a + 16, 0)
  put16(p, a + 16, ~tcpSum(p, o, a, b))
}

function zeroIcmpTime(p: Uint8Array, o: number): void {
  const [a, b] = payload(p, o)
  if (p[o + 9] !== IPPROTO_ICMP || p[a] !== ICMP_TIMESTAMPREPLY || b - a < 20) return
  p.fill(0, a + 12, a + 20)
  fixIcmp(p, o)
}

function zeroQuoted(p: Uint8Array, o: number, zero: (quoted: number) => void): void {
  const quoted = quotedIp(p, o)
  if (quoted < 0) return
  zero(quoted)
  fixIcmp(p, o)
}

/**
 * A copy of the bytes with all that `norm` names zeroed. o: offset of the IPv4 header (-1: none, nothing is done).
 * `expected` is the recorded frame, which tells the times of an IP timestamp option from its addresses.
 */
export function normalize(bytes: Uint8Array, o: number, norm: readonly string[], expected: Uint8Array): Uint8Array {
  if (o < 0 || bytes.length < o + 20 || !norm.length) return bytes
  const p = bytes.slice()
  for (const name of norm) {
    if (name === 'ip.id' || FRAGMENT_LABEL.test(name)) zeroId(p, o)
    else if (name === 'icmp.ip.id') zeroQuoted(p, o, (q) => zeroId(p, q))
    else if (name === 'ip.timestamp') zeroTimes(p, o, expected)
    else if (name === 'icmp.ip.timestamp') zeroQuoted(p, o, (q) => zeroTimes(p, q, expected))
    else if (name === 'icmp.time') zeroIcmpTime(p, o)
    else if (name === 'tcp.tsval') zeroTcpTime(p, o, 2)
    else if (name === 'tcp.tsecr') zeroTcpTime(p, o, 6)
    else if (name !== 'tcp.seq' && name !== 'tcp.ack') throw new RangeError(`norm ${name} is not known`)
  }
  return p
}

/** The label `ip.id#n` in norm, or undefined: fragments of a scenario with one label have one id. */
export function fragmentLabel(norm: readonly string[]): string | undefined {
  return norm.find((name) => FRAGMENT_LABEL.test(name))
}

/**
 * Normalising would repair a wrong checksum, so a frame that a device sent is asked before it: which of the checksums
 * that `norm` has recomputed is wrong? A fragment of an ICMP message cannot be asked.
 */
export function wrongChecksum(frame: Uint8Array, norm: readonly string[]): 'IPv4 header' | 'ICMP' | null {
  const o = ipOffset(frame)
  if (o < 0) return null
  if (norm.some((name) => name.startsWith('ip.')) && add(frame, o, headerEnd(frame, o)) !== 0xffff) return 'IPv4 header'
  if (frame[o + 9] !== IPPROTO_ICMP || u16(frame, o + 6) & 0x3fff) return null
  const [a, b] = payload(frame, o)
  return norm.some((name) => name.startsWith('icmp.')) && add(frame, a, b) !== 0xffff ? 'ICMP' : null
}
