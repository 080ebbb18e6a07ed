/**
 * One line about a frame for people: ARP, IPv4 with fragments and options, UDP, ICMP, TCP.
 * The words are those of the `is` members of the recorded scenarios, so both can be read side by side.
 */
import { toHex } from './bytestr.ts'

const ETH_HLEN = 14
const TCP_FLAGS = 'FSRPAUEC'

const u16 = (b: Uint8Array, at: number): number => (b[at] << 8) | b[at + 1]
const u32 = (b: Uint8Array, at: number): number => ((u16(b, at) << 16) | u16(b, at + 2)) >>> 0
const address = (b: Uint8Array, at: number): string => b.subarray(at, at + 4).join('.')

function mac(b: Uint8Array, at: number): string {
  return Array.from(b.subarray(at, at + 6), (x) => (x + 256).toString(16).substring(1)).join(':')
}

/** An Ethernet frame in one line; never throws. */
export function dissect(frame: Uint8Array): string {
  if (frame.length < ETH_HLEN) return `runt ${frame.length}`
  const unparsable = `unparsable, ${frame.length} bytes`
  const line = `${mac(frame, 6)}>${mac(frame, 0)} `
  const protocol = u16(frame, 12)
  if (protocol === 0x0806) {
    if (frame.length < 42) return unparsable
    const sender = `${address(frame, 28)}(${mac(frame, 22)})`
    return `${line}ARP op ${u16(frame, 20)} ${sender} > ${address(frame, 38)}(${mac(frame, 32)})`
  }
  if (protocol !== 0x0800) return `${line}ethertype ${protocol.toString(16).padStart(4, '0')}`
  if (frame.length < ETH_HLEN + 20) return unparsable
  return line + dissectIp(frame.subarray(ETH_HLEN))
}

/** An IPv4 packet in one line; never throws. */
export function dissectIp(packet: Uint8Array): string {
  if (packet.length < 20) return `unparsable, ${packet.length} bytes`
  const total = u16(packet, 2)
  const id = u16(packet, 4)
  const frag = u16(packet, 6)
  const header = (packet[0] & 15) * 4
  const offset = (frag & 0x1fff) * 8
  let line = `IP ${address(packet, 12)} > ${address(packet, 16)} ttl ${packet[8]} len ${total}`
  if (id) line += ` id ${id}`
  if (frag & 0x4000) line += ' DF'
  if (frag & 0x3fff) line += ` frag ${offset}${frag & 0x2000 ? '+' : ''}`
  if (header > 20) line += ` opts ${toHex(packet.subarray(20, header))}`
  // Only the first fragment begins with a transport header.
  return offset ? line : `${line} ${transport(packet, header, total)}`
}

function transport(p: Uint8Array, h: number, total: number): string {
  const protocol = p[9]
  if (protocol === 17 && p.length >= h + 8) return `UDP ${u16(p, h)} > ${u16(p, h + 2)} len ${u16(p, h + 4)}`
  if (protocol === 1 && p.length >= h + 8) return `ICMP ${p[h]}/${p[h + 1]} rest ${toHex(p, h + 4, h + 8)}`
  if (protocol === 6 && p.length >= h + 20) {
    const flags = [...TCP_FLAGS].filter((_, bit) => p[h + 13] & (1 << bit)).join('')
    const numbers = `seq ${u32(p, h + 4)} ack ${u32(p, h + 8)} win ${u16(p, h + 14)}`
    return `TCP ${u16(p, h)} > ${u16(p, h + 2)} ${flags} ${numbers} data ${total - h - (p[h + 12] >> 4) * 4}`
  }
  return `proto ${protocol}`
}
