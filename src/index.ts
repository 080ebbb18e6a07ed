// netpath: the Linux kernel's IPv4 packet path. Everything here runs in Node and in any browser.

export { Lab, lab } from './lab.ts'
export type { Account, Cost, Drop, LabAccount, LabOptions, RunResult, Snapshot, Wire, WireOptions } from './lab.ts'
export { Host } from './host.ts'
export { HostBuffer } from './host/buffer.ts'
export type { HostOptions, HostSpec, HostWith, NicSpec } from './host.ts'
export { Namespace } from './host/namespace.ts'
export type {
  AddressCommands,
  FdbCommands,
  LinkCommands,
  NeighbourCommands,
  NicOptions,
  NexthopCommands,
  QdiscCommands,
  RouteCommands,
  RuleCommands,
  TapOptions,
  TunOptions,
} from './host/namespace.ts'
export { Device, Nic, Tap, Tun } from './host/devices.ts'
export type { FrameBatch, FrameColumns, Frames, SentFrames, TapOffload, TxQueue, Written } from './host/devices.ts'
export { encodeBatch } from './drivers/net/frames.ts'
export { Trace } from './host/trace.ts'
export type { TraceOptions } from './host/trace.ts'
export type { TraceKind, TraceRecord } from './trace/ring.ts'
export { decodeTrace } from './trace/ring.ts'
export type { BlastOptions, BlastResult } from './lab/blast.ts'
export { Socket } from './socket/socket.ts'
export type {
  PacketAddress,
  ReadOptions,
  SendOptions,
  SocketAddress,
  SocketType,
  WaitOptions,
} from './socket/socket.ts'
export { Epoll } from './socket/epoll.ts'
export type { EpollEvent, EpollEvents, EpollFlag } from './socket/epoll.ts'
export { UdpSocket } from './socket/udp_socket.ts'
export type { Datagram, UdpOptions } from './socket/udp_socket.ts'
export { SendBatch } from './socket/udp_batch.ts'
export type { DatagramColumns, UdpBatch } from './socket/udp_batch.ts'
export type { PacketAuxdata, QueuedError, ReceivedCmsg, SendCmsg } from './socket/cmsg.ts'
export type { FilterInstruction, FilterProgram } from './socket/filter.ts'
export type { Membership, OptionName, OptionValue, PacketMembership } from './socket/options.ts'
export type { MsgFlag, Received, SocketName } from './socket/syscalls.ts'
export type { DeviceStats, LinkInfo } from './net/dev.ts'
export type { AddressSpec } from './net/rtnetlink/addr.ts'
export type { LinkChange, NetnsLike } from './net/rtnetlink/link.ts'
export type { FdbInfo, FdbSpec } from './net/rtnetlink/fdb.ts'
export type { DummyLink, IpipLink, NewLink, VethLink, VxlanLink } from './net/rtnetlink/newlink.ts'
export type { NeighbourInfo, NeighbourSpec } from './net/rtnetlink/neigh.ts'
export type { NexthopMember, NexthopObjectInfo, NexthopObjectSpec } from './net/rtnetlink/nexthop.ts'
export type { NexthopSpec, RouteSpec, RouteVerb } from './net/rtnetlink/route.ts'
export type { ClassInfo, QdiscInfo, QdiscName, QdiscSpec } from './net/rtnetlink/qdisc.ts'
export type { NexthopInfo, RouteInfo, RouteQuery } from './net/rtnetlink/route_get.ts'
export type { RuleInfo, RuleSpec } from './net/rtnetlink/rule.ts'
export type { LinkStats } from './kernel/state.ts'
export { formatIPv4, formatMac, parseIPv4, parseMac } from './wasm/encode.ts'
export type { Endpoint, EndpointLike, LinkName } from './wasm/encode.ts'
export { CoreError, errnoName, errnoNumber } from './wasm/errors.ts'
export type { SystemError } from './wasm/errors.ts'
