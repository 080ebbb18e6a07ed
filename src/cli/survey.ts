// What a capture says about the machine it was taken at: its MAC and addresses, its peers, the UDP ports it was asked on.

import type { Capture, PacketBatch } from '../pcap/reader.ts'

/** TTLs that systems start with: a packet that has one of them was not forwarded yet. */
const FRESH_TTLS = new Set([64, 128, 255])
const BROADCAST_MAC = 'ffffffffffff'

/** What is known of one hardware address. */
interface Sender {
  mac: string
  /** Unicast frames from or to it. */
  unicast: number
  ipv4Sent: number
  freshSent: number
  /** Source addresses of its IPv4 and ARP packets, with how often; fresh ones are its own. */
  addresses: Map<string, { packets: number; fresh: number }>
}

/** The machine that a capture was taken at, and how it was found. */
export interface CaptureHost {
  mac: string
  /** Its addresses, the one with most packets first. */
  addresses: string[]
  prefixLength: number
  /** How it was found, for people. */
  because: string
}

/** Everything that replay needs to know before it begins. */
export interface Survey {
  frames: number
  bytes: number
  /** Bytes of the longest frame. */
  longest: number
  firstNs: bigint
  lastNs: bigint
  /** Frames by protocol, as people call them. */
  protocols: Map<string, number>
  senders: Map<string, Sender>
  /** UDP destination ports by destination address. */
  udpPorts: Map<string, Set<number>>
}

function hex(data: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let i = from; i < to; i++) text += data[i]!.toString(16).padStart(2, '0')
  return text
}

function ipAt(data: Uint8Array, at: number): string {
  return `${data[at]}.${data[at + 1]}.${data[at + 2]}.${data[at + 3]}`
}

const IP_PROTOCOLS: Record<number, string> = { 1: 'ICMP', 2: 'IGMP', 6: 'TCP', 17: 'UDP' }
const ETHER_TYPES: Record<number, string> = { 0x0806: 'ARP', 0x86dd: 'IPv6', 0x8100: 'VLAN', 0x88cc: 'LLDP' }

/** A frame's protocol as people call it. */
export function protocolOf(data: Uint8Array): string {
  if (data.length < 14) return 'runt'
  const type = (data[12]! << 8) | data[13]!
  if (type < 0x600) return '802.3'
  if (type !== 0x0800) return ETHER_TYPES[type] ?? `type 0x${type.toString(16).padStart(4, '0')}`
  if (data.length < 34) return 'IPv4'
  return IP_PROTOCOLS[data[23]!] ?? `IPv4 protocol ${data[23]}`
}

function senderOf(survey: Survey, mac: string): Sender {
  let sender = survey.senders.get(mac)
  if (!sender) {
    sender = { mac, unicast: 0, ipv4Sent: 0, freshSent: 0, addresses: new Map() }
    survey.senders.set(mac, sender)
  }
  return sender
}

function sawAddress(sender: Sender, address: string, fresh: boolean): void {
  const seen = sender.addresses.get(address) ?? { packets: 0, fresh: 0 }
  seen.packets += 1
  if (fresh) seen.fresh += 1
  sender.addresses.set(address, seen)
}

function surveyIp(survey: Survey, sender: Sender, data: Uint8Array): void {
  const header = (data[14]! & 15) * 4
  const fresh = FRESH_TTLS.has(data[22]!)
  sender.ipv4Sent += 1
  if (fresh) sender.freshSent += 1
  sawAddress(sender, ipAt(data, 26), fresh)
  const first = (((data[20]! << 8) | data[21]!) & 0x1fff) === 0
  if (data[23] === 17 && first && data.length >= 14 + header + 8) {
    const to = ipAt(data, 30)
    const ports = survey.udpPorts.get(to) ?? new Set<number>()
    ports.add((data[14 + header + 2]! << 8) | data[14 + header + 3]!)
    survey.udpPorts.set(to, ports)
  }
}

function surveyFrame(survey: Survey, data: Uint8Array): void {
  survey.frames += 1
  survey.bytes += data.length
  survey.longest = Math.max(survey.longest, data.length)
  const protocol = protocolOf(data)
  survey.protocols.set(protocol, (survey.protocols.get(protocol) ?? 0) + 1)
  if (data.length < 14) return
  const to = hex(data, 0, 6)
  const from = hex(data, 6, 12)
  const sender = senderOf(survey, from)
  if (!(data[0]! & 1)) {
    sender.unicast += 1
    if (to !== from) senderOf(survey, to).unicast += 1
  }
  if (data[12] === 8 && data[13] === 0 && data.length >= 34) surveyIp(survey, sender, data)
  // ARP for IPv4: the sender's own address is always one of its link.
  if (protocol === 'ARP' && data.length >= 42 && data[16] === 8) sawAddress(sender, ipAt(data, 28), true)
}

/** An empty survey. */
export function newSurvey(): Survey {
  return {
    frames: 0,
    bytes: 0,
    longest: 0,
    firstNs: 0n,
    lastNs: 0n,
    protocols: new Map(),
    senders: new Map(),
    udpPorts: new Map(),
  }
}

function surveyBatch(survey: Survey, batch: PacketBatch): void {
  for (let i = 0; i < batch.count; i++) {
    const time = batch.timesNs[i]!
    if (survey.frames === 0 || time < survey.firstNs) survey.firstNs = time
    if (time > survey.lastNs) survey.lastNs = time
    surveyFrame(survey, batch.data.subarray(batch.offsets[i], batch.offsets[i]! + batch.lengths[i]!))
  }
}

/** Reads a capture once. On a corrupt one, survey holds what was read, and the CaptureError is thrown. */
export async function surveyCapture(survey: Survey, capture: Capture): Promise<void> {
  for await (const batch of capture.batches()) surveyBatch(survey, batch)
}

/** Longest common prefix of addresses, at most 24 and at least 8 bits: the link that all of them may share. */
function commonPrefix(addresses: readonly string[]): number {
  const numbers = addresses.map((a) => a.split('.').reduce((n, part) => n * 256 + Number(part), 0))
  for (let bits = 24; bits > 8; bits--) {
    const size = 2 ** (32 - bits)
    if (numbers.every((n) => Math.floor(n / size) === Math.floor(numbers[0]! / size))) return bits
  }
  return 8
}

/** Fresh packets among those it sent, 0 to 1. */
function freshShare(sender: Sender): number {
  return sender.ipv4Sent === 0 ? 0 : sender.freshSent / sender.ipv4Sent
}

/**
 * The machine that the capture was taken at: of the MACs whose packets leave with a fresh TTL, the one that takes part in
 * most unicast frames, and of equals the one that forwards least. Null: no IPv4 sender.
 */
export function findHost(survey: Survey): CaptureHost | null {
  const candidates = [...survey.senders.values()].filter((s) => s.mac !== BROADCAST_MAC && s.freshSent > 0)
  candidates.sort((a, b) => b.unicast - a.unicast || freshShare(b) - freshShare(a))
  const host = candidates[0]
  if (!host) return null
  const own = [...host.addresses].filter(([address, seen]) => seen.fresh > 0 && address !== '0.0.0.0')
  own.sort((a, b) => b[1].fresh - a[1].fresh)
  if (own.length === 0) return null
  return {
    mac: host.mac,
    addresses: own.map(([address]) => address),
    prefixLength: commonPrefix([own[0]![0]]),
    because: `its packets leave with a fresh TTL (${host.freshSent} of ${host.ipv4Sent}), and ${host.unicast} unicast frames are from or to it`,
  }
}

/** The MAC that sends from this address, null: none does. */
export function macOf(survey: Survey, address: string): string | null {
  for (const sender of survey.senders.values()) {
    if ((sender.addresses.get(address)?.fresh ?? 0) > 0) return sender.mac
  }
  for (const sender of survey.senders.values()) if (sender.addresses.has(address)) return sender.mac
  return null
}
