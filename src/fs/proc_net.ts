// The text of files in /proc/net, byte for byte as Linux 6.18 writes it (net/ipv4/proc.c, udp.c, raw.c, ping.c, arp.c,
// fib_trie.c, net/core/net-procfs.c). Pure functions: plain data in, text out.
// Addresses are __be32 as they lie in memory, read as a little-endian number: 127.0.0.1 is 0x0100007f.
// Ports are in host order. Counters are numbers or bigints.
import {
  RTF_GATEWAY,
  RTF_HOST,
  RTF_REJECT,
  RTF_UP,
  RTN_PROHIBIT,
  RTN_UNREACHABLE,
} from '../../assembly/uapi/rtnetlink.ts'
import { ICMPMSG_MIB_BASE, ICMPMSG_MIB_SLOTS } from '../../assembly/uapi/snmp.ts'
import * as names from './snmp_names.ts'

export type Count = number | bigint

/** The value of a counter by its id in assembly/uapi/snmp.ts. */
export type MibValues = (id: number) => Count

/** What /proc/net/snmp shows and is no counter. Times in ms. */
export interface SnmpParameters {
  /** net.ipv4.conf.all.forwarding */
  forwarding: boolean
  /** net.ipv4.ip_default_ttl */
  defaultTtl: number
  rtoMin?: number
  rtoMax?: number
}

/** struct rtnl_link_stats64 of a device; what is missing is 0. */
export interface LinkStats {
  rx_bytes?: Count
  rx_packets?: Count
  rx_errors?: Count
  rx_dropped?: Count
  rx_missed_errors?: Count
  rx_fifo_errors?: Count
  rx_length_errors?: Count
  rx_over_errors?: Count
  rx_crc_errors?: Count
  rx_frame_errors?: Count
  rx_compressed?: Count
  multicast?: Count
  tx_bytes?: Count
  tx_packets?: Count
  tx_errors?: Count
  tx_dropped?: Count
  tx_fifo_errors?: Count
  collisions?: Count
  tx_carrier_errors?: Count
  tx_aborted_errors?: Count
  tx_window_errors?: Count
  tx_heartbeat_errors?: Count
  tx_compressed?: Count
}

/** A line of /proc/net/arp. */
export interface ArpRow {
  ip: number
  /** ARPHRD_* of the device */
  type: number
  /** ATF_*: COM when the state is NUD_VALID, and PERM when permanent; PERM and PUBL for a proxy entry */
  flags: number
  /** as long as the device's addresses are; zeros when unknown */
  lladdr: Uint8Array
  /** absent for a proxy entry of all devices */
  dev?: string
}

/** A socket in /proc/net/udp, raw or icmp. */
export interface SocketRow {
  /** the hash bucket */
  slot: number
  localAddress: number
  /** raw: the protocol; icmp: the identifier */
  localPort: number
  remoteAddress?: number
  remotePort?: number
  /** sk_state: TCP_ESTABLISHED when connected, else TCP_CLOSE */
  state: number
  /** sk_wmem_alloc, less the one that stands for the socket */
  txQueue?: number
  /** bytes of truesize in the receive queue */
  rxQueue?: number
  uid?: number
  inode?: number
  refcnt?: number
  /** what stands for the socket's address, which the kernel shows hashed */
  pointer?: Count
  drops?: number
}

/** A route of table main in /proc/net/route. */
export interface RouteRow {
  /** absent for a route without a device */
  dev?: string
  destination: number
  mask: number
  /** 0 when on-link */
  gateway?: number
  metric?: number
  /** RTN_*, unicast if absent. The file leaves local, broadcast and multicast ones out. */
  type?: number
  advmss?: number
  window?: number
  /** RTAX_RTT, in eighths of a ms */
  rtt?: number
}

/** A device in /proc/net/igmp, and its groups: the one joined last first. */
export interface GroupsRow {
  ifindex: number
  dev: string
  count: number
  version: number
  groups: readonly {
    /** As it lies in memory. */
    group: number
    users: number
    running: boolean
    /** Until the timer fires, in hundredths of a second. */
    left: number
    reporter: boolean
  }[]
}

/** /proc/net/sockstat. Memory of tcp and udp in pages, of fragments in bytes. */
export interface SockStat {
  used: number
  tcp: { inuse: number; orphan: number; tw: number; alloc: number; mem: number }
  udp: { inuse: number; mem: number }
  udplite: { inuse: number }
  raw: { inuse: number }
  frag: { inuse: number; memory: number }
}

const right = (value: Count | string, width: number): string => String(value).padStart(width)
const hex = (value: Count, width: number): string => value.toString(16).padStart(width, '0')
const HEX = (value: number, width: number): string => hex(value >>> 0, width).toUpperCase()
/** Lines of these files are filled with spaces to 127 columns, so that a reader may seek. */
const wide = (line: string): string => line.padEnd(127)
const file = (lines: string[]): string => lines.map((line) => line + '\n').join('')
const sum = (...counts: (Count | undefined)[]): bigint =>
  counts.reduce<bigint>((total, n) => total + BigInt(n ?? 0), 0n)

function pair(prefix: string, head: readonly string[], values: readonly Count[]): string[] {
  return [`${prefix}: ${head.join(' ')}`, `${prefix}: ${values.join(' ')}`]
}

function block(prefix: string, rows: readonly names.MibRow[], values: MibValues): string[] {
  return pair(
    prefix,
    rows.map(([name]) => name),
    rows.map(([, id]) => values(id)),
  )
}

/** Only types that were seen, received ones first, sixteen to a line; no line at all when there are none. */
function icmpMsg(values: MibValues): string[] {
  const seen: [string, Count][] = []
  for (let slot = 0; slot < ICMPMSG_MIB_SLOTS; slot++) {
    const value = values(ICMPMSG_MIB_BASE + slot)
    if (Number(value) !== 0) seen.push([names.icmpMsgName(slot), value])
  }
  const lines: string[] = []
  for (let first = 0; first < seen.length; first += 16) {
    const part = seen.slice(first, first + 16)
    lines.push(
      ...pair(
        'IcmpMsg',
        part.map(([name]) => name),
        part.map(([, value]) => value),
      ),
    )
  }
  return lines
}

/** /proc/net/snmp. */
export function procNetSnmp(values: MibValues, parameters: SnmpParameters): string {
  const { forwarding, defaultTtl, rtoMin = 200, rtoMax = 120000 } = parameters
  const constants: Count[] = [1, rtoMin, rtoMax, -1] // RtoAlgorithm other; no limit of connections (RFC 4022)
  return file([
    ...pair(
      'Ip',
      ['Forwarding', 'DefaultTTL', ...names.ipRows.map(([name]) => name)],
      [forwarding ? 1 : 2, defaultTtl, ...names.ipRows.map(([, id]) => values(id))],
    ),
    ...block('Icmp', names.icmpRows, values),
    ...icmpMsg(values),
    ...pair(
      'Tcp',
      names.tcpRows.map(([name]) => name),
      names.tcpRows.map(([, id], i) => constants[i] ?? values(id)),
    ),
    ...block('Udp', names.udpRows, values),
    ...block('UdpLite', names.udpLiteRows, values),
  ])
}

/** /proc/net/netstat. */
export function procNetNetstat(values: MibValues): string {
  return file([
    ...block('TcpExt', names.tcpExtRows, values),
    ...block('IpExt', names.ipExtRows, values),
    ...pair(
      'MPTcpExt',
      names.mptcpExtNames,
      names.mptcpExtNames.map(() => 0),
    ),
  ])
}

function devLine({ name, stats: s }: { name: string; stats: LinkStats }): string {
  const columns: [Count | undefined, number][] = [
    [s.rx_bytes, 7],
    [s.rx_packets, 7],
    [s.rx_errors, 4],
    [sum(s.rx_dropped, s.rx_missed_errors), 4],
    [s.rx_fifo_errors, 4],
    [sum(s.rx_length_errors, s.rx_over_errors, s.rx_crc_errors, s.rx_frame_errors), 5],
    [s.rx_compressed, 10],
    [s.multicast, 9],
    [s.tx_bytes, 8],
    [s.tx_packets, 7],
    [s.tx_errors, 4],
    [s.tx_dropped, 4],
    [s.tx_fifo_errors, 4],
    [s.collisions, 5],
    [sum(s.tx_carrier_errors, s.tx_aborted_errors, s.tx_window_errors, s.tx_heartbeat_errors), 7],
    [s.tx_compressed, 10],
  ]
  return `${name.padStart(6)}: ${columns.map(([value, width]) => right(value ?? 0, width)).join(' ')}`
}

/** /proc/net/dev, devices in the order given (the kernel's: by index). */
export function procNetDev(devices: readonly { name: string; stats: LinkStats }[]): string {
  return file([
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
    ...devices.map(devLine),
  ])
}

/**
 * /proc/net/softnet_stat: a line per CPU that is online, each of 15 columns: processed, dropped, time_squeeze, five zeros,
 * zero (was cpu_collision), received_rps, flow_limit_count, backlog length (both queues), CPU, input_qlen, process_qlen.
 */
export function softnetStat(cpus: readonly (readonly number[])[]): string {
  return file(cpus.map((columns) => columns.map((value) => hex(value >>> 0, 8)).join(' ')))
}

/** An address as inet_ntoa gives it. */
function dotted(address: number): string {
  return [address & 255, (address >>> 8) & 255, (address >>> 16) & 255, address >>> 24].join('.')
}

/** /proc/net/arp. The kernel leaves out NUD_NOARP entries, and gives the proxy entries last. */
export function procNetArp(rows: readonly ArpRow[]): string {
  const line = ({ ip, type, flags, lladdr, dev }: ArpRow): string => {
    const address = Array.from(lladdr, (byte) => hex(byte, 2)).join(':')
    return [
      dotted(ip).padEnd(16),
      ` 0x${type.toString(16).padEnd(10)}`,
      `0x${flags.toString(16).padEnd(10)}`,
      `${address.padEnd(17)}     *        ${dev ?? '*'}`,
    ].join('')
  }
  return file(['IP address       HW type     Flags       HW address            Mask     Device', ...rows.map(line)])
}

/** /proc/net/igmp. */
export function procNetIgmp(devices: readonly GroupsRow[]): string {
  const lines = devices.flatMap(({ ifindex, dev, count, version, groups }) => [
    `${ifindex}\t${dev.padEnd(10)}: ${right(count, 5)} ${right(`V${version}`, 7)}`,
    ...groups.map(({ group, users, running, left, reporter }) => {
      const timer = `${running ? 1 : 0}:${HEX(left, 8)}`
      return `\t\t\t\t${HEX(group, 8)} ${right(users, 5)} ${timer}\t\t${reporter ? 1 : 0}`
    }),
  ])
  return file(['Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter', ...lines])
}

function socketLine(row: SocketRow, slotWidth: number): string {
  const { localAddress, localPort, remoteAddress = 0, remotePort = 0, txQueue = 0, rxQueue = 0 } = row
  const { uid = 0, inode = 0, refcnt = 2, pointer = 0, drops = 0 } = row
  return [
    `${right(row.slot, slotWidth)}:`,
    `${HEX(localAddress, 8)}:${HEX(localPort, 4)}`,
    `${HEX(remoteAddress, 8)}:${HEX(remotePort, 4)}`,
    HEX(row.state, 2),
    `${HEX(txQueue, 8)}:${HEX(rxQueue, 8)}`,
    '00:00000000 00000000',
    right(uid, 5),
    right(0, 8),
    `${inode} ${refcnt} ${hex(pointer, 16)} ${drops}`,
  ].join(' ')
}

const socketHead =
  'sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops'

/** /proc/net/udp, and udplite, which has the same form. */
export function procNetUdp(rows: readonly SocketRow[]): string {
  return file([wide(`   ${socketHead}`), ...rows.map((row) => wide(socketLine(row, 5)))])
}

/** /proc/net/icmp: the ping sockets. */
export function procNetIcmp(rows: readonly SocketRow[]): string {
  return file([wide(`  ${socketHead}`), ...rows.map((row) => wide(socketLine(row, 5)))])
}

/** /proc/net/raw. */
export function procNetRaw(rows: readonly SocketRow[]): string {
  return file([`  ${socketHead}`, ...rows.map((row) => socketLine(row, 4))])
}

function routeLine(row: RouteRow): string {
  const { gateway = 0, metric = 0, advmss = 0, window = 0, rtt = 0 } = row
  const rejects = row.type === RTN_UNREACHABLE || row.type === RTN_PROHIBIT
  const host = row.mask >>> 0 === 0xffffffff
  const flags = RTF_UP | (gateway ? RTF_GATEWAY : 0) | (host ? RTF_HOST : 0) | (rejects ? RTF_REJECT : 0)
  const mtu = advmss ? advmss + 40 : 0 // so does the kernel; the route's own mtu is not shown
  return [
    row.dev ?? '*',
    HEX(row.destination, 8),
    HEX(gateway, 8),
    HEX(flags, 4),
    '0',
    '0',
    metric,
    HEX(row.mask, 8),
    mtu,
    window,
    rtt >> 3,
  ].join('\t')
}

/** /proc/net/route, routes in the order given (the kernel's: by prefix). */
export function procNetRoute(rows: readonly RouteRow[]): string {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
  return file([wide(head), ...rows.map((row) => wide(routeLine(row)))])
}

/** /proc/net/sockstat. */
export function procNetSockstat({ used, tcp, udp, udplite, raw, frag }: SockStat): string {
  return file([
    `sockets: used ${used}`,
    `TCP: inuse ${tcp.inuse} orphan ${tcp.orphan} tw ${tcp.tw} alloc ${tcp.alloc} mem ${tcp.mem}`,
    `UDP: inuse ${udp.inuse} mem ${udp.mem}`,
    `UDPLITE: inuse ${udplite.inuse}`,
    `RAW: inuse ${raw.inuse}`,
    `FRAG: inuse ${frag.inuse} memory ${frag.memory}`,
  ])
}

const ARP_CACHE = [
  'entries',
  'allocs',
  'destroys',
  'hash_grows',
  'lookups',
  'hits',
  'res_failed',
  'rcv_probes_mcast',
  'rcv_probes_ucast',
  'periodic_gc_runs',
  'forced_gc_runs',
  'unresolved_discards',
  'table_fulls',
]

/** /proc/net/stat/arp_cache: a row for each CPU in eight hex digits; entries are those of all. */
export function arpCacheStat(cpus: readonly (readonly number[])[]): string {
  const names = ARP_CACHE.map((name, i) => (i < 6 ? name.padEnd(i === 3 ? 10 : 8) : name)).join(' ')
  const after = [1, 1, 1, 3, 1, 1, 3, 9, 9, 9, 7, 12, 0]
  const row = (columns: readonly number[]): string =>
    columns.map((value, i) => value.toString(16).padStart(8, '0') + ' '.repeat(after[i]!)).join('')
  return `${[names, ...cpus.map(row)].join('\n')}\n`
}
