/**
 * Sequence numbers as recordings have them (oraclelib/kernel.py, tcp_out and tcp_in): those of every connection whose SYN
 * left the host begin at one fixed number, whoever chose the real one. So forwarded connections are shifted too.
 */
import { ETH_HLEN, add, ipOffset, payload, put16, quotedIp, tcpSum, u16 } from './normalize.ts'

/** A connection whose SYN left the host: its real first number, and the last TSval that it sent. */
interface Flow {
  isn: number
  tsval?: Uint8Array
}

/** Flows by both ends as they stand in the frames that the host sends. */
export type TcpFlows = Map<string, Flow>

const IPPROTO_TCP = 6
const TCP_SYN = 2
const TCP_RST = 4
const TCP_ACK = 16
const TCPOPT_SACK = 5
const TCPOPT_TIMESTAMP = 8
const TCP_HLEN = 20

const u32 = (b: Uint8Array, at: number): number => (u16(b, at) * 65536 + u16(b, at + 2)) >>> 0

function put32(b: Uint8Array, at: number, value: number): void {
  put16(b, at, value >>> 16)
  put16(b, at + 2, value)
}

/** The TCP header's place [from, to of the segment) of the IPv4 packet at o; undefined: there is none. */
function segment(p: Uint8Array, o: number): [number, number] | undefined {
  if (p[o + 9] !== IPPROTO_TCP || (u16(p, o + 6) & 0x1fff) !== 0) return undefined
  const [a, b] = payload(p, o)
  return b - a >= TCP_HLEN ? [a, b] : undefined
}

const end = (p: Uint8Array, address: number, port: number): string =>
  `${p.subarray(address, address + 4).join('.')}:${u16(p, port)}`

/** The ends of the packet at o with ports at a: its sender's first. */
const ends = (p: Uint8Array, o: number, a: number): [string, string] => [end(p, o + 12, a), end(p, o + 16, a + 2)]

function shift(p: Uint8Array, at: number, by: number): void {
  put32(p, at, u32(p, at) + by)
}

/** Shifts the blocks of a SACK option. Answers where the timestamp option is, or -1. */
function walkOptions(p: Uint8Array, a: number, b: number, by: number): number {
  const last = Math.min(b, a + (p[a + 12]! >>> 4) * 4)
  let timestamp = -1
  let at = a + TCP_HLEN
  while (at < last && p[at] !== 0) {
    const length = p[at] === 1 ? 1 : at + 1 < last ? p[at + 1]! : 0
    if (p[at] !== 1 && length < 2) break
    if (p[at] === TCPOPT_SACK && by !== 0) {
      for (let edge = at + 2; edge + 4 <= Math.min(at + length, last); edge += 4) shift(p, edge, by)
    }
    if (p[at] === TCPOPT_TIMESTAMP && length === 10) timestamp = at
    at += length
  }
  return timestamp
}

/** Changes a copy of a segment; a checksum that was right is right afterwards. */
function rewritten(frame: Uint8Array, o: number, a: number, b: number, change: (p: Uint8Array) => void): Uint8Array {
  const right = tcpSum(frame, o, a, b) === 0xffff
  const p = frame.slice()
  change(p)
  if (!right) return p
  put16(p, a + 16, 0)
  put16(p, a + 16, ~tcpSum(p, o, a, b))
  return p
}

/** A frame that the host sent, with its numbers as a recording has them. isn: where all begin there. */
export function tcpOut(flows: TcpFlows, frame: Uint8Array, isn: number): Uint8Array {
  const o = ipOffset(frame)
  const place = o < 0 ? undefined : segment(frame, o)
  if (!place) return frame
  const [a, b] = place
  const [from, to] = ends(frame, o, a)
  const flags = frame[a + 13]!
  const seq = u32(frame, a + 4)
  const key = `${from} ${to}`
  if (flags & TCP_SYN && flows.get(key)?.isn !== seq) flows.set(key, { isn: seq })
  const own = flows.get(key)
  const peer = flows.get(`${to} ${from}`)
  // A reset that answers a segment without ACK has sequence 0.
  const shiftsSeq = own !== undefined && !(flags & TCP_RST && seq === 0)
  const shiftsAck = peer !== undefined && (flags & TCP_ACK) !== 0
  if (!shiftsSeq && !shiftsAck) return frame
  return rewritten(frame, o, a, b, (p) => {
    if (shiftsSeq) {
      shift(p, a + 4, isn - own.isn)
      const timestamp = walkOptions(p, a, b, 0)
      if (timestamp >= 0) own.tsval = p.slice(timestamp + 2, timestamp + 6)
    }
    if (shiftsAck) {
      shift(p, a + 8, isn - peer.isn)
      walkOptions(p, a, b, isn - peer.isn)
    }
  })
}

/** A segment that is quoted in an ICMP error at o: its sequence number is one of ours. */
function quotedIn(flows: TcpFlows, frame: Uint8Array, o: number, isn: number): Uint8Array {
  const q = quotedIp(frame, o)
  if (q < 0 || frame[q + 9] !== IPPROTO_TCP) return frame
  const a = q + (frame[q]! & 15) * 4
  if (frame.length < a + 8) return frame
  const flow = flows.get(ends(frame, q, a).join(' '))
  if (!flow) return frame
  const p = frame.slice()
  shift(p, a + 4, flow.isn - isn)
  const [from, to] = payload(p, o)
  put16(p, from + 2, 0)
  put16(p, from + 2, ~add(p, from, to))
  return p
}

/** A frame of a scenario as this run needs it: what refers to our numbers refers to the real ones. */
export function tcpIn(flows: TcpFlows, frame: Uint8Array, isn: number): Uint8Array {
  const o = frame.length > ETH_HLEN && flows.size > 0 ? ipOffset(frame) : -1
  if (o < 0) return frame
  const place = segment(frame, o)
  if (!place) return quotedIn(flows, frame, o, isn)
  const [a, b] = place
  const [from, to] = ends(frame, o, a)
  const flow = flows.get(`${to} ${from}`)
  if (!flow) return frame
  return rewritten(frame, o, a, b, (p) => {
    if (p[a + 13]! & TCP_ACK) shift(p, a + 8, flow.isn - isn)
    const timestamp = walkOptions(p, a, b, flow.isn - isn)
    if (timestamp >= 0 && flow.tsval && u32(p, timestamp + 6) === 0) p.set(flow.tsval, timestamp + 6)
  })
}
