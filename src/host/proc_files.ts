// The files of /proc/net and /proc/sys/net of a namespace: what a host's state is, read out and written as text.

import { ARPHRD_ETHER } from '../../assembly/uapi/if_arp.ts'
import { NUD_NOARP, NUD_PERMANENT, NUD_VALID } from '../../assembly/uapi/neighbour.ts'
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from '../../assembly/uapi/rtnetlink.ts'
import { AF_INET, IPPROTO_ICMP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../assembly/uapi/socket.ts'
import type { Machine } from '../kernel/machine.ts'
import type { NamespaceState } from '../kernel/state.ts'
import { deviceName, deviceStats } from '../net/dev.ts'
import { trieTables } from '../net/fib_trie.ts'
import { groupRows } from '../net/igmp.ts'
import { neighbourRows } from '../net/rtnetlink/neigh.ts'
import { ROUTE_TYPES } from '../net/rtnetlink/names.ts'
import { listRoutes } from '../net/rtnetlink/route_get.ts'
import { readSysctl } from '../net/sysctl.ts'
import { byteSwap16, maskOf, parseIPv4, parsePrefix } from '../wasm/encode.ts'
import { systemError } from '../wasm/errors.ts'
import { readMib } from './counters.ts'
import { procNetFibTrie, procNetFibTriestat } from '../fs/proc_fib.ts'
import * as text from '../fs/proc_net.ts'

const ATF_COM = 2
const ATF_PERM = 4
const ATF_PUBL = 8
/** Buckets of the table of UDP ports. */
const UDP_BUCKETS = 16384
const PING_BUCKETS = 64
const RAW_BUCKETS = 256

/** A socket of the core, as far as /proc shows it. */
interface SocketInfo {
  family: number
  type: number
  protocol: number
  pointer: number
  row: text.SocketRow
}

function sockets(machine: Machine, namespace: NamespaceState): SocketInfo[] {
  const { core } = machine
  const { memory, offsets } = core
  const field = offsets.sock
  const found: SocketInfo[] = []
  for (let p = memory.readU32(core.boot('sock_list')); p !== 0; p = memory.readU32(p + field.all_next)) {
    if (memory.readU32(p + field.net) !== namespace.net) continue
    const port = memory.readU32(p + field.inet_num)
    found.push({
      family: memory.readU16(p + field.sk_family),
      type: memory.readU16(p + field.sk_type),
      protocol: memory.readU16(p + field.sk_protocol),
      pointer: p,
      row: {
        slot: port,
        localAddress: memory.readU32(p + field.inet_rcv_saddr),
        localPort: port,
        remoteAddress: memory.readU32(p + field.inet_daddr),
        remotePort: byteSwap16(memory.readU16(p + field.inet_dport)),
        state: memory.readU8(p + field.sk_state),
        txQueue: memory.readI32(p + field.sk_wmem_alloc),
        rxQueue: memory.readI32(p + field.sk_rmem_alloc),
        uid: memory.readU32(p + field.sk_uid),
        inode: memory.readU32(p + field.handle),
        refcnt: memory.readU32(p + field.sk_refcnt) + 1,
        drops: memory.readU32(p + field.sk_drops),
      },
    })
  }
  return found
}

const isUdp = ({ family, type, protocol }: SocketInfo): boolean =>
  family === AF_INET && type === SOCK_DGRAM && protocol === IPPROTO_UDP
const isPing = ({ family, type, protocol }: SocketInfo): boolean =>
  family === AF_INET && type === SOCK_DGRAM && protocol === IPPROTO_ICMP
const isRaw = ({ family, type }: SocketInfo): boolean => family === AF_INET && type === SOCK_RAW

function socketRows(
  machine: Machine,
  namespace: NamespaceState,
  wanted: (socket: SocketInfo) => boolean,
  slot: (socket: SocketInfo) => number,
): text.SocketRow[] {
  const chosen = sockets(machine, namespace).filter(wanted)
  const rows = chosen.map((socket) => ({ ...socket.row, slot: slot(socket) }))
  return rows.sort((a, b) => a.slot - b.slot)
}

function bound({ row }: SocketInfo): boolean {
  return row.localPort !== 0
}

function sockstat(machine: Machine, namespace: NamespaceState): text.SockStat {
  const { memory, offsets } = machine.core
  const all = sockets(machine, namespace)
  const count = (wanted: (socket: SocketInfo) => boolean): number => all.filter(wanted).length
  const tcp = count(({ type }) => type === SOCK_STREAM)
  const pages = all.filter(isUdp).reduce((sum, { row }) => sum + Math.ceil((row.rxQueue ?? 0) / 4096), 0)
  return {
    used: all.length,
    tcp: { inuse: 0, orphan: 0, tw: 0, alloc: tcp, mem: 0 },
    udp: { inuse: count((socket) => isUdp(socket) && bound(socket)), mem: pages },
    udplite: { inuse: 0 },
    raw: { inuse: count(isRaw) },
    frag: {
      inuse: memory.readU32(namespace.net + offsets.net.frag_queues),
      memory: memory.readU32(namespace.net + offsets.net.frag_mem),
    },
  }
}

/** The first namespace's alone, as Linux has it. All CPUs count as the first. */
function arpCache(machine: Machine, namespace: NamespaceState): string {
  if (namespace.id !== 0) throw systemError('ENOENT', 'open', '/proc/net/stat/arp_cache: the first namespace has it')
  const { core } = machine
  core.exports.neigh_stat(core.callBuffer)
  const columns = Array.from({ length: 13 }, (_, i) => core.memory.readU32(core.callBuffer + 4 * i))
  return text.arpCacheStat(
    machine.state.cpus.map((_, cpu) => (cpu === 0 ? columns : [columns[0]!, ...Array<number>(12).fill(0)])),
  )
}

function arp(machine: Machine, namespace: NamespaceState): string {
  const entries = neighbourRows(machine, namespace).filter(({ state }) => (state & NUD_NOARP) === 0)
  const rows = entries.map(({ ifindex, key, state, lladdr }) => {
    const valid = (state & NUD_VALID) !== 0
    const flags = (valid ? ATF_COM : 0) | (state & NUD_PERMANENT ? ATF_PERM : 0)
    const shown = valid ? lladdr : new Uint8Array(6)
    return { ip: key, type: ARPHRD_ETHER, flags, lladdr: shown, dev: deviceName(namespace, ifindex) }
  })
  const proxies = neighbourRows(machine, namespace, true).map(({ ifindex, key }) => ({
    ip: key,
    type: ARPHRD_ETHER,
    flags: ATF_PUBL | ATF_PERM,
    lladdr: new Uint8Array(6),
    ...(ifindex && { dev: deviceName(namespace, ifindex) }),
  }))
  return text.procNetArp([...rows, ...proxies])
}

function route(machine: Machine, namespace: NamespaceState): string {
  const hidden = [RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST]
  const shown = listRoutes(machine, namespace, 'main').filter(({ type }) => !hidden.includes(ROUTE_TYPES[type]!))
  return text.procNetRoute(
    shown.map((info) => {
      const { address, length } = parsePrefix(info.to)
      const first = info.nexthops?.[0]
      const dev = info.dev ?? first?.dev
      const via = info.via ?? first?.via
      return {
        ...(dev !== undefined && { dev }),
        destination: address,
        mask: maskOf(length),
        gateway: via === undefined ? 0 : parseIPv4(via),
        metric: info.metric,
        type: ROUTE_TYPES[info.type]!,
        advmss: info.metrics['advmss'] ?? 0,
        window: info.metrics['window'] ?? 0,
        rtt: info.metrics['rtt'] ?? 0,
      }
    }),
  )
}

function igmp(machine: Machine, namespace: NamespaceState): string {
  const rows = groupRows(machine, namespace)
  const devices = namespace.devices.flatMap(({ ifindex, name }) => {
    const groups = rows.filter((row) => row.ifindex === ifindex)
    const [first] = groups
    return first ? [{ ifindex, dev: name, count: first.count, version: first.version, groups }] : []
  })
  return text.procNetIgmp(devices)
}

function softnet(machine: Machine): string {
  const { core } = machine
  const { memory, constants, offsets } = core
  const field = offsets.softnet_data
  return text.softnetStat(
    machine.state.cpus.map(({ id }) => {
      const at = memory.readU32(core.boot('softnet')) + id * constants.SOFTNET_SIZE
      const read = (offset: number): number => memory.readU32(at + offset)
      const input = read(field.input_qlen)
      const processed = read(field.process_qlen)
      const counts = [read(field.processed), read(field.dropped), read(field.time_squeeze)]
      return [
        ...counts,
        ...[0, 0, 0, 0, 0, 0],
        ...[read(field.received_rps), read(field.flow_limit), input + processed, id, input, processed],
      ]
    }),
  )
}

const FILES: Readonly<Record<string, (machine: Machine, namespace: NamespaceState) => string>> = {
  arp,
  fib_trie: (machine, namespace) => procNetFibTrie(trieTables(machine, namespace)),
  fib_triestat: (machine, namespace) => procNetFibTriestat(trieTables(machine, namespace)),
  igmp,
  route,
  dev: (machine, namespace) =>
    text.procNetDev(namespace.devices.map((device) => ({ name: device.name, stats: deviceStats(machine, device) }))),
  softnet_stat: softnet,
  snmp: (machine, namespace) =>
    text.procNetSnmp((id) => readMib(machine, namespace, id), {
      forwarding: readSysctl(machine, namespace, 'net.ipv4.ip_forward') !== '0',
      defaultTtl: Number(readSysctl(machine, namespace, 'net.ipv4.ip_default_ttl')),
    }),
  netstat: (machine, namespace) => text.procNetNetstat((id) => readMib(machine, namespace, id)),
  udp: (machine, namespace) =>
    text.procNetUdp(
      socketRows(
        machine,
        namespace,
        (socket) => isUdp(socket) && bound(socket),
        ({ row }) => row.localPort & (UDP_BUCKETS - 1),
      ),
    ),
  icmp: (machine, namespace) =>
    text.procNetIcmp(
      socketRows(
        machine,
        namespace,
        (socket) => isPing(socket) && bound(socket),
        ({ row }) => row.localPort & (PING_BUCKETS - 1),
      ),
    ),
  raw: (machine, namespace) =>
    text.procNetRaw(socketRows(machine, namespace, isRaw, ({ protocol }) => protocol & (RAW_BUCKETS - 1))),
  'stat/arp_cache': arpCache,
  sockstat: (machine, namespace) => text.procNetSockstat(sockstat(machine, namespace)),
}

/** Paths that readProc knows below /proc/net. */
export const PROC_NET_FILES: readonly string[] = Object.keys(FILES).sort()

/** The text of /proc/net/FILE or /proc/sys/net/.... ENOENT for a file that there is not, or not yet. */
export function readProc(machine: Machine, namespace: NamespaceState, path: string): string {
  const net = /^\/proc\/(?:self\/)?net\/([a-z_/]+)$/.exec(path)?.[1]
  if (net !== undefined && Object.hasOwn(FILES, net)) return FILES[net]!(machine, namespace)
  // In a path '/' parts and '.' belongs to a name; in a sysctl's name it is the other way round.
  const sysctl = /^\/proc\/sys\/(net\/.+)$/.exec(path)?.[1]
  if (sysctl !== undefined) return `${readSysctl(machine, namespace, sysctl.replaceAll('/', '.'))}\n`
  throw systemError(
    'ENOENT',
    'open',
    `${path}; there are /proc/net/{${PROC_NET_FILES.join(',')}} and /proc/sys/net/...`,
  )
}
