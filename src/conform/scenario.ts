/**
 * The shape of a recorded scenario: a host, steps, and what the real kernel made of them (`oracle/README.md`
 * is the contract). Members are spelled as in the JSON. What a run of the emulator gives has the shape of `Expect`,
 * with raw bytes allowed where a recording has byte strings.
 */

/** A byte string (see bytestr.ts). */
export type ByteText = string

/** Bytes in a result: text in a recording, either in what a run gives. */
export type Bytes = ByteText | Uint8Array

/** `[address, port]`; a raw socket has port 0 or none. */
export type Endpoint = [address: string, port?: number]

export interface Scenario {
  schema: 1
  name: string
  /** The folder of a golden scenario, the profile of a random one. */
  area?: string
  about?: string
  /** Milliseconds of silence that end a step; 2 unless given. */
  settle?: number
  host: HostSpec
  steps: Step[]
  expect?: Expect
  /** Release of the kernel that answered. */
  kernel?: string
}

/** Random scenarios of one seed in one file. */
export interface Suite {
  profile: string
  seed: number
  scenarios: Scenario[]
}

// ---- host ----

export interface HostSpec {
  /** False: `lo` stays down. */
  lo?: boolean
  devices?: DeviceSpec[]
  sysctl?: SysctlValues
  lo_addresses?: AddressSpec[]
  neighbours?: NeighbourSpec[]
  rules?: RuleSpec[]
  routes?: RouteSpec[]
  iptables?: IptablesRule[]
  /** User chains that only a target names. */
  chains?: string[]
  policies?: IptablesPolicies
  sockets?: SocketSpec[]
}

export type SysctlValues = Record<string, number | string>

/** A TAP. Interface indices are 2, 3, ... in the order of the list. */
export interface DeviceSpec {
  name: string
  mac: string
  mtu?: number
  addresses?: AddressSpec[]
  up?: boolean
  arp?: boolean
  txqueuelen?: number
  promisc?: boolean
  allmulticast?: boolean
  carrier?: boolean
  napi?: boolean
  gro?: boolean
  /** ethtool features by name. */
  features?: Record<string, boolean>
  /** `kind`, then the words of `tc`. */
  qdisc?: { kind: string } & Record<string, string | number>
  /** Frames in and out carry a virtio header. */
  vnet?: boolean
  /** `CSUM`, `TSO4`, `USO4`, ... */
  offload?: string[]
}

export type AddressSpec =
  | string
  | {
      address: string
      peer?: string
      broadcast?: string
      scope?: string
      label?: string
      noprefixroute?: boolean
    }

export interface NeighbourSpec {
  dev: string
  ip: string
  mac?: string
  /** One of ip-neighbour(8)'s words; `permanent` unless given. */
  state?: string
  proxy?: boolean
}

export interface RouteSpec {
  /** A prefix or `default`. */
  to: string
  via?: string
  dev?: string
  metric?: number
  table?: number | string
  type?: string
  src?: string
  tos?: number
  scope?: string
  protocol?: string
  mtu?: number
  advmss?: number
  hoplimit?: number
  window?: number
  rtt?: number
  initcwnd?: number
  quickack?: number
  features?: number
  lock?: number
  onlink?: boolean
  nexthops?: NexthopSpec[]
}

export interface NexthopSpec {
  via?: string
  dev?: string
  weight?: number
  onlink?: boolean
}

export interface RuleSpec {
  priority: number
  not?: boolean
  from?: string
  to?: string
  iif?: string
  oif?: string
  tos?: number | string
  fwmark?: number | string
  ipproto?: number | string
  sport?: number | string
  dport?: number | string
  table?: number | string
  action?: string
  goto?: number
  suppress_prefixlength?: number
}

/** Values of `match` that begin with `!` are negated. */
export interface IptablesRule {
  table?: string
  chain: string
  match?: Record<string, string | number | boolean | string[]>
  target?: string
  args?: Record<string, string | number | boolean>
  goto?: boolean
}

/** `{filter: {FORWARD: 'DROP'}}` */
export type IptablesPolicies = Record<string, Record<string, string>>

export interface SocketSpec {
  name: string
  type: 'udp' | 'tcp' | 'raw' | 'packet' | 'ping'
  /** Raw: a number. Packet: `ALL`, `IP`, `ARP` or a number. */
  protocol?: number | string
  /** An endpoint, or the device of a packet socket. */
  bind?: Endpoint | string
  connect?: Endpoint | string
  listen?: number
  /** By C name, set in this order before bind. */
  options?: Record<string, OptionValue>
  read?: 'auto' | 'manual'
  /** A packet socket without link headers. */
  dgram?: boolean
  dev?: string
  /** The socket stays although a call on it failed. */
  keep?: boolean
}

/** IP_MTU_DISCOVER and SO_BINDTODEVICE are words, IP_OPTIONS a byte string, SO_LINGER `[on, seconds]`. */
export type OptionValue = number | string | boolean | number[] | Membership

export interface Membership {
  group?: string
  dev?: string
  address?: string
  type?: string
  mac?: string
}

/** A virtio-net header. */
export interface Vnet {
  flags?: string[]
  gso_type?: string
  ecn?: boolean
  gso_size?: number
  hdr_len?: number
  csum_start?: number
  csum_offset?: number
}

// ---- steps ----

/** What every step may have. */
export interface StepCommon {
  settle?: number
  /** Seconds. */
  wait?: number
  /** The order of the frames of a device, and of what a socket read, means nothing. */
  unordered?: boolean
}

/** To a socket, or out of a device with a link address. */
export type SendTo = Endpoint | string | { dev: string; mac?: string; protocol?: number | string }

export interface SendCmsg {
  IP_TTL?: number
  IP_TOS?: number
  UDP_SEGMENT?: number
  IP_PKTINFO?: { dev?: string; spec_dst?: string }
  IP_RETOPTS?: ByteText
}

export interface LookupQuery {
  to: string
  from?: string
  iif?: string
  oif?: string
  tos?: number
  mark?: number
  fibmatch?: boolean
}

export type RxFrame = ByteText | { bytes: ByteText; vnet?: Vnet }
export type RouteVerb = 'add' | 'append' | 'prepend' | 'replace' | 'change' | 'del'

export type Action =
  | { rx: string; frames: RxFrame[] }
  | { send: string; data?: ByteText; to?: SendTo; flags?: string[]; cmsg?: SendCmsg; vnet?: Vnet }
  | { recv: string; max?: number; flags?: string[] }
  | { open: SocketSpec }
  | { bind: string; to: Endpoint | string }
  | { connect: string; to: Endpoint | string | null }
  | { accept: string; as: string }
  | { shutdown: string; how: 'RD' | 'WR' | 'RDWR' }
  | { close: string }
  | { setsockopt: string; option: string; value: OptionValue }
  | { getsockopt: string; option: string }
  | { getsockname: string }
  | { wait: number }
  | { sysctl: SysctlValues }
  | ({ route: RouteVerb } & RouteSpec)
  | ({ rule: 'add' | 'del' } & RuleSpec)
  | ({ neigh: 'add' | 'replace' | 'del' } & NeighbourSpec)
  | { address: 'add' | 'del'; dev: string; value: AddressSpec }
  | { link: string; up?: boolean; mtu?: number; mac?: string; promisc?: boolean; carrier?: boolean }
  | { iptables: IptablesRule[]; policies?: IptablesPolicies }
  | { lookup: LookupQuery[] }
  | { show: 'neighbours' | 'fib' }

export type Step = Action & StepCommon

// ---- expect ----

/** Empty members are left out everywhere. */
export interface Expect {
  /** `steps[i]` belongs to step i. */
  steps: StepExpect[]
  counters?: Counters
  /** /proc/net/dev, by device. */
  devices?: Record<string, Counters>
  neighbours?: NeighbourEntry[]
  iptables?: IptablesCounters
  /** `sk_drops` by socket. */
  socket_drops?: Counters
  /** Counters and drops that differed between the recordings: left out, and not to be compared. */
  unstable?: string[]
}

export interface StepExpect {
  step?: number
  result?: Result
  tx?: Record<string, TxFrame[]>
  sockets?: Record<string, ReadEntry[]>
  counters?: Counters
  /** `{'REASON@function': n}` */
  drops?: Counters
}

/** By nstat's names; a missing one is 0. */
export type Counters = Record<string, number>

export interface TxFrame {
  bytes: Bytes
  norm?: string[]
  vnet?: Vnet
  /** A description for people. */
  is?: string
}

/** What one read gave; which members there are depends on the socket (see the contract, `sockets`). */
export interface ReadEntry {
  from?: Endpoint | string
  data?: Bytes
  /** Raw sockets: from the IP header on. */
  packet?: Bytes
  /** Packet sockets: from the Ethernet header on. */
  frame?: Bytes
  dev?: string
  proto?: number
  pkttype?: string
  vnet?: Vnet
  norm?: string[]
  is?: string
  flags?: string[]
  cmsg?: ReadCmsg
  queue?: 'error'
  error?: QueuedError
  err?: string
  eof?: true
}

export interface ReadCmsg {
  IP_TTL?: number
  IP_TOS?: number
  IP_PKTINFO?: { dev: string | number; spec_dst: string; addr: string }
  /** Plain hex. */
  IP_RECVOPTS?: ByteText
  IP_RETOPTS?: ByteText
  IP_ORIGDSTADDR?: [string, number]
  IP_RECVFRAGSIZE?: number
  UDP_GRO?: number
  PACKET_AUXDATA?: { status: number; len: number; snaplen: number; net: number }
}

export interface QueuedError {
  errno: string
  origin: string | number
  type: number
  code: number
  info?: number
  /** Bytes before the extensions of RFC 4884, and their flags above (IP_RECVERR_RFC4884). */
  data?: number
  offender?: string
}

/** The result of a step's call; a `recv` gives a ReadEntry. */
export interface Result extends ReadEntry {
  /** Frames of an `rx` that the driver would not take: errno by index. */
  refused?: Record<string, string>
  ret?: number
  /** Where an `open` failed. */
  at?: string
  connecting?: true
  value?: unknown
  errs?: Record<string, string>
  routes?: LookupResult[]
  neighbours?: NeighbourEntry[]
  fib?: FibEntry[]
  message?: string
}

export interface LookupResult {
  err?: string
  type?: string | number
  table?: number
  dev?: string
  via?: string
  src?: string
  metric?: number
  prefix?: string
  tos?: number
  flags?: string[]
  nexthops?: { dev: string; weight: number; via?: string }[]
  /** Route metrics (`mtu`, `advmss`, ...) by ip-route(8)'s names. */
  [metric: string]: unknown
}

export interface NeighbourEntry {
  dev: string
  ip: string
  state: string
  mac?: string
}

export interface FibEntry {
  to: string
  type: string | number
  table: number
  scope: string | number
  protocol: string | number
  tos?: number
  dev?: string
  via?: string
  metric?: number
  src?: string
  flags?: string[]
}

export interface IptablesCounters {
  /** `[packets, bytes]` in the order of the rules. */
  rules: [number, number][]
  /** `{'filter.INPUT': [packets, bytes]}`, without zeros. */
  policies?: Record<string, [number, number]>
}
