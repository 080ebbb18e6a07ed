// A network device, its NAPI contexts and packet handlers: linux/netdevice.h. Layout only.

import { IPV4_DEVCONF_MAX } from '../uapi/sysctl.ts'
import { net } from './net_namespace.ts'
import { timer_list } from './timer.ts'

/** What a device is: selects ndo_start_xmit and the rest of the driver. */
export const DEV_KIND_LOOPBACK: u32 = 0
export const DEV_KIND_TUN: u32 = 1
export const DEV_KIND_IGB: u32 = 2
export const DEV_KIND_VETH: u32 = 3
export const DEV_KIND_DUMMY: u32 = 4
export const DEV_KIND_IPIP: u32 = 5
export const DEV_KIND_VXLAN: u32 = 6
/** Where routes of devices that are gone lead (blackhole_netdev). */
export const DEV_KIND_BLACKHOLE: u32 = 7
export const DEV_KIND_MAX: u32 = 8

/** state bits (enum netdev_state_t) */
export const __LINK_STATE_START: u32 = 1
export const __LINK_STATE_PRESENT: u32 = 2
export const __LINK_STATE_NOCARRIER: u32 = 4

/** features (netdev_features.h), those that netpath knows */
export const NETIF_F_SG: u32 = 1
export const NETIF_F_IP_CSUM: u32 = 2
export const NETIF_F_HW_CSUM: u32 = 4
export const NETIF_F_TSO: u32 = 8
export const NETIF_F_GSO: u32 = 16
export const NETIF_F_GRO: u32 = 32
export const NETIF_F_RXCSUM: u32 = 64
export const NETIF_F_GSO_UDP_L4: u32 = 128
export const NETIF_F_GRO_FRAGLIST: u32 = 256
export const NETIF_F_GRO_UDP_FWD: u32 = 512
export const NETIF_F_LOOPBACK: u32 = 1024
export const NETIF_F_RXHASH: u32 = 2048
export const NETIF_F_HIGHDMA: u32 = 4096
export const NETIF_F_RXALL: u32 = 8192
export const NETIF_F_FRAGLIST: u32 = 1 << 14
export const NETIF_F_TSO_ECN: u32 = 1 << 15
export const NETIF_F_TSO_MANGLEID: u32 = 1 << 16
export const NETIF_F_TSO6: u32 = 1 << 17
export const NETIF_F_IPV6_CSUM: u32 = 1 << 18
export const NETIF_F_GSO_ROBUST: u32 = 1 << 19
export const NETIF_F_GSO_IPXIP4: u32 = 1 << 20
export const NETIF_F_GSO_UDP_TUNNEL: u32 = 1 << 21
export const NETIF_F_GSO_UDP_TUNNEL_CSUM: u32 = 1 << 22
/** A list of ready packets as one (NETIF_F_GSO_FRAGLIST). */
export const NETIF_F_GSO_FRAGLIST: u32 = 1 << 23
export const NETIF_F_HW_VLAN_CTAG_TX: u32 = 1 << 24
export const NETIF_F_HW_VLAN_STAG_TX: u32 = 1 << 25

/** Groups of them. */
export const NETIF_F_CSUM_MASK: u32 = NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM
export const NETIF_F_ALL_TSO: u32 = NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_TSO_MANGLEID
/** What a device may be asked to cut into segments. */
export const NETIF_F_GSO_MASK: u32 =
  NETIF_F_ALL_TSO |
  NETIF_F_GSO_ROBUST |
  NETIF_F_GSO_UDP_L4 |
  NETIF_F_GSO_IPXIP4 |
  NETIF_F_GSO_UDP_TUNNEL |
  NETIF_F_GSO_UDP_TUNNEL_CSUM |
  NETIF_F_GSO_FRAGLIST
export const NETIF_F_GSO_ENCAP_ALL: u32 = NETIF_F_GSO_IPXIP4 | NETIF_F_GSO_UDP_TUNNEL | NETIF_F_GSO_UDP_TUNNEL_CSUM
export const NETIF_F_GSO_SOFTWARE: u32 = NETIF_F_ALL_TSO | NETIF_F_GSO_UDP_L4 | NETIF_F_GSO_FRAGLIST
/** What every device has, for the stack does it. */
export const NETIF_F_SOFT_FEATURES: u32 = NETIF_F_GSO | NETIF_F_GRO
/** What the stack could do for every device, but does not unless asked. */
export const NETIF_F_SOFT_FEATURES_OFF: u32 = NETIF_F_GRO_FRAGLIST | NETIF_F_GRO_UDP_FWD

/** Events of a device (enum netdev_cmd): what notifiers are told. */
export const NETDEV_UP: u32 = 1
export const NETDEV_DOWN: u32 = 2
export const NETDEV_CHANGE: u32 = 4
export const NETDEV_REGISTER: u32 = 5
export const NETDEV_UNREGISTER: u32 = 6
export const NETDEV_CHANGEMTU: u32 = 7
export const NETDEV_CHANGEADDR: u32 = 8
export const NETDEV_CHANGENAME: u32 = 10

/** priv_flags (enum netdev_priv_flags): no qdisc unless one is asked for; the route is dropped before the driver. */
export const IFF_XMIT_DST_RELEASE: u32 = 1 << 4
export const IFF_NO_QUEUE: u32 = 1 << 20

export const NETDEV_TX_OK: i32 = 0
export const NETDEV_TX_BUSY: i32 = 16
/** Codes of a transmit: NET_XMIT_*. */
export const NET_XMIT_SUCCESS: i32 = 0
export const NET_XMIT_DROP: i32 = 1
export const NET_XMIT_CN: i32 = 2
/** Between qdiscs: the packet is gone though the answer says otherwise, and it was not the child's to count. */
export const __NET_XMIT_STOLEN: i32 = 0x10000
export const __NET_XMIT_BYPASS: i32 = 0x20000
/** What a driver answers up to this says that the skb is gone; above, that it is still the caller's. */
export const NET_XMIT_MASK: i32 = 15

/** The packet is the driver's, or lost. */
export function dev_xmit_complete(rc: i32): bool {
  return rc < NET_XMIT_MASK
}

/** struct rtnl_link_stats64, the columns of /proc/net/dev and ip -s link. */
@unmanaged
@final
export class rtnl_link_stats64 {
  rx_packets: u64
  tx_packets: u64
  rx_bytes: u64
  tx_bytes: u64
  rx_errors: u64
  tx_errors: u64
  rx_dropped: u64
  tx_dropped: u64
  multicast: u64
  collisions: u64
  rx_length_errors: u64
  rx_over_errors: u64
  rx_crc_errors: u64
  rx_frame_errors: u64
  rx_fifo_errors: u64
  rx_missed_errors: u64
  tx_aborted_errors: u64
  tx_carrier_errors: u64
  tx_fifo_errors: u64
  tx_heartbeat_errors: u64
  tx_window_errors: u64
  rx_compressed: u64
  tx_compressed: u64
  rx_nohandler: u64
  rx_otherhost_dropped: u64
}

@unmanaged
@final
export class net_device {
  next: usize
  nd_net: usize
  ifindex: u32
  kind: u32
  /** IFF_* */
  flags: u32
  /** __LINK_STATE_* bits. */
  state: u32
  mtu: u32
  min_mtu: u32
  max_mtu: u32
  /** ARPHRD_* */
  type: u16
  hard_header_len: u16
  addr_len: u16
  needed_headroom: u16
  /** NETIF_F_*: in force, those that may be switched, those that the administrator wants of them. */
  features: u32
  hw_features: u32
  wanted_features: u32
  /** Those for a packet within a tunnel. */
  hw_enc_features: u32
  /** A TAP: those of them that its reader takes (TUNSETOFFLOAD). */
  set_features: u32
  promiscuity: u32
  allmulti: u32
  tx_queue_len: u32
  /** Hardware address and broadcast address, 8 bytes of room each. */
  dev_addr: u64
  broadcast: u64
  /** IPv4 part (in_device), 0: none. */
  ip_ptr: usize
  /** Taps of this device alone (packet_type with dev set). */
  ptype_all: usize
  ptype_specific: usize
  /** Multicast hardware addresses: a list (net/core/dev_addr_lists.ts). */
  mc: usize
  /** The root qdisc: that of the queue, or the one above all queues. */
  qdisc: usize
  /** Driver's private part. */
  priv: usize
  napi_list: usize
  /** Transmit queues (netdev_queue), and how many. */
  _tx: usize
  num_tx_queues: u32
  group: u32
  name0: u64
  name1: u64
  /** Next hops of routes that leave by it (fib_nh). */
  fib_nh_head: usize
  /** Unicast hardware addresses besides its own: a list as mc. */
  uc: usize
  /** IFF_PROMISC and IFF_ALLMULTI as the administrator set them; flags has them for any user. */
  gflags: u32
  /** IFF_NO_QUEUE and others that nobody outside sees. */
  priv_flags: u32
  /** Qdiscs that can be found by handle. */
  qdisc_hash: usize
  /** (dev, txqueue) => void, 0: its queues are not watched; ticks until one counts as hanging, 0: 5 s. */
  ndo_tx_timeout: u32
  watchdog_timeo: u32
  /** Bytes of the driver's private part. */
  priv_size: u32
  /** CPUs to which what it receives is handed (rps_map): their number, then each; 0: none. */
  rps_map: usize
}

export const DEV_ADDR: usize = offsetof<net_device>('dev_addr')
export const DEV_BROADCAST: usize = offsetof<net_device>('broadcast')
export const DEV_NAME: usize = offsetof<net_device>('name0')
/** Behind the struct lie the watchdog's timer and the statistics. */
const DEV_WATCHDOG_TIMER: usize = offsetof<net_device>()
export const DEV_STATS: usize = (DEV_WATCHDOG_TIMER + offsetof<timer_list>() + 7) & ~7
export const NET_DEVICE_SIZE: usize = DEV_STATS + offsetof<rtnl_link_stats64>()

export function watchdog_timer(dev: net_device): timer_list {
  return changetype<timer_list>(changetype<usize>(dev) + DEV_WATCHDOG_TIMER)
}

export function watchdog_timer_dev(timer: usize): net_device {
  return changetype<net_device>(timer - DEV_WATCHDOG_TIMER)
}

export function dev_stats(dev: net_device): rtnl_link_stats64 {
  return changetype<rtnl_link_stats64>(changetype<usize>(dev) + DEV_STATS)
}

/** Up, as the administrator wants it. */
export function netif_running(dev: net_device): bool {
  return (dev.state & __LINK_STATE_START) != 0
}

export function netif_carrier_ok(dev: net_device): bool {
  return (dev.state & __LINK_STATE_NOCARRIER) == 0
}

/** The IPv4 part, 0: the device has none. */
export function __in_dev_get_rcu(dev: net_device): in_device {
  return changetype<in_device>(dev.ip_ptr)
}

export const NAPI_STATE_SCHED: u32 = 1
export const NAPI_STATE_MISSED: u32 = 2
export const NAPI_STATE_DISABLE: u32 = 4

/** What napi_poll polls (kind) */
export const NAPI_KIND_IGB: u32 = 0
export const NAPI_KIND_TUN: u32 = 1
export const NAPI_KIND_BACKLOG: u32 = 2
/** A tunnel's cell: what it took out of its packets. */
export const NAPI_KIND_CELL: u32 = 3

@unmanaged
@final
export class napi_struct {
  /** Next on the device's list. */
  next: usize
  dev: usize
  /** NAPI_STATE_* bits. */
  state: u32
  weight: u32
  kind: u32
  /** Driver's queue. */
  priv: usize
  id: u32
  /** Packets handed up since it was last complete. */
  work: u32
}

/** A protocol or a tap: which function (kind) gets packets of type from dev (0: all). */
@unmanaged
@final
export class packet_type {
  next: usize
  /** ETH_P_* in network order; ETH_P_ALL: a tap. */
  type: u16
  /** PTYPE_* */
  kind: u16
  dev: usize
  af_packet_priv: usize
  /** Table index for PTYPE_FUNC: (skb, packet_type, dev) => void, takes over the skb. */
  func: u32
  /** A tap that does not want to see what is sent. */
  ignore_outgoing: u32
}

export const PTYPE_IP: u32 = 1
export const PTYPE_ARP: u32 = 2
export const PTYPE_FUNC: u32 = 3
/** With PTYPE_IP or PTYPE_ARP: others get the packet afterwards, the protocol has a reference of its own. */
export const PTYPE_SHARED: u32 = 4
/** With or without these: taps exist. */
export const PTYPE_TAPPED: u32 = 8
/** The bits that say whose the packet is. */
export const PTYPE_MASK: u32 = 3

/** IPv4 of a device (struct in_device): addresses, groups, switches. */
@unmanaged
@final
export class in_device {
  dev: usize
  ifa_list: usize
  /** Joined groups (ip_mc_list). */
  mc_list: usize
  mc_count: u32
  dead: u32
  /** neigh_parms of ARP on this device. */
  arp_parms: usize
  /** Groups by address: usize[MC_HASH_SIZE], 0 while there are few. */
  mc_hash: usize
  /** Groups that were left, which reports still have to tell (ip_mc_list). */
  mc_tomb: usize
  /** Until when (jiffies) routers of these IGMP versions count as there; 0: none was. */
  mr_v1_seen: u32
  mr_v2_seen: u32
  /** An answer to a general query waits; the longest it may, in jiffies. */
  mr_gq_running: u32
  mr_maxdelay: u32
  /** The querier's robustness; its interval between queries, and for responses, in jiffies (RFC 3376 8.1 to 8.3). */
  mr_qrv: u32
  mr_qi: u32
  mr_qri: u32
  /** Reports of changes that still go. */
  mr_ifc_count: u32
}

export const IN_DEV_CNF: usize = offsetof<in_device>()

export function in_dev_net(in_dev: in_device): net {
  return changetype<net>(changetype<net_device>(in_dev.dev).nd_net)
}
/** A switch of a device (IPV4_DEVCONF_*). */
export function in_dev_conf_get(in_dev: in_device, id: u32): i32 {
  return load<i32>(changetype<usize>(in_dev) + IN_DEV_CNF + ((<usize>id) << 2))
}

/** A switch of conf.all. */
export function ipv4_devconf_all(net: net, id: u32): i32 {
  return load<i32>(net.devconf_all + ((<usize>id) << 2))
}

/** On when the device's or all's is (IN_DEV_ORCONF). */
export function in_dev_orconf(in_dev: in_device, id: u32): bool {
  return (in_dev_conf_get(in_dev, id) | ipv4_devconf_all(in_dev_net(in_dev), id)) != 0
}

/** On when the device's and all's are (IN_DEV_ANDCONF). */
export function in_dev_andconf(in_dev: in_device, id: u32): bool {
  return in_dev_conf_get(in_dev, id) != 0 && ipv4_devconf_all(in_dev_net(in_dev), id) != 0
}

/** The larger of the device's and all's (IN_DEV_MAXCONF). */
export function in_dev_maxconf(in_dev: in_device, id: u32): i32 {
  return max(in_dev_conf_get(in_dev, id), ipv4_devconf_all(in_dev_net(in_dev), id))
}

/** ipv4_devconf lies behind the struct: i32[IPV4_DEVCONF_MAX + 1]. */
export const IN_DEV_CNF_SIZE: usize = (<usize>IPV4_DEVCONF_MAX + 1) * 4
/** Behind it the timers of answers to general queries, and of reports of changes. */
const MR_GQ_TIMER: usize = IN_DEV_CNF + IN_DEV_CNF_SIZE
const MR_IFC_TIMER: usize = MR_GQ_TIMER + offsetof<timer_list>()
export const IN_DEVICE_SIZE: usize = MR_IFC_TIMER + offsetof<timer_list>()

export function mr_gq_timer(in_dev: in_device): timer_list {
  return changetype<timer_list>(changetype<usize>(in_dev) + MR_GQ_TIMER)
}

export function mr_ifc_timer(in_dev: in_device): timer_list {
  return changetype<timer_list>(changetype<usize>(in_dev) + MR_IFC_TIMER)
}

export function mr_gq_timer_in_dev(timer: usize): in_device {
  return changetype<in_device>(timer - MR_GQ_TIMER)
}

export function mr_ifc_timer_in_dev(timer: usize): in_device {
  return changetype<in_device>(timer - MR_IFC_TIMER)
}

/** One address of a device (struct in_ifaddr); addresses and masks in network order. */
@unmanaged
@final
export class in_ifaddr {
  /** Next on the device's list. */
  ifa_next: usize
  /** Next in the hash by local address. */
  hash_next: usize
  ifa_dev: usize
  ifa_local: u32
  ifa_address: u32
  ifa_mask: u32
  ifa_broadcast: u32
  ifa_rt_priority: u32
  ifa_scope: u8
  ifa_prefixlen: u8
  ifa_proto: u16
  /** IFA_F_* */
  ifa_flags: u32
  label0: u64
  label1: u64
}

export const IN_IFADDR_SIZE: u32 = offsetof<in_ifaddr>()
export const IFA_LABEL: usize = offsetof<in_ifaddr>('label0')
export const IFA_F_SECONDARY: u32 = 1
export const IFA_F_PERMANENT: u32 = 0x80
export const IFA_F_NOPREFIXROUTE: u32 = 0x200

/** A joined group (struct ip_mc_list); behind the struct lies its timer. */
@unmanaged
@final
export class ip_mc_list {
  next: usize
  /** Next in the chain of in_device.mc_hash. */
  next_hash: usize
  interface: usize
  multiaddr: u32
  /** Sockets and others that joined. */
  users: u32
  /** MCAST_INCLUDE or MCAST_EXCLUDE: what the interface asks for (net/ipv4/igmp). */
  sfmode: u32
  /** Users in each mode. */
  sfcount_exclude: u32
  sfcount_include: u32
  /** ip_sf_list: all sources that a user named; those of which reports still have to tell that they went. */
  sources: usize
  tomb: usize
  /** Its hardware address is let in. */
  loaded: u32
  /** An answer waits in the timer, for these sources only (gsquery). */
  tm_running: u32
  gsquery: u32
  /** We reported last, not another member; unsolicited reports left (version 1 and 2). */
  reporter: u32
  unsolicit_count: u32
  /** Reports of a change of mode left. */
  crcount: u32
}

const IP_MC_TIMER: usize = offsetof<ip_mc_list>()
export const IP_MC_LIST_SIZE: usize = IP_MC_TIMER + offsetof<timer_list>()

export function ip_mc_timer(im: ip_mc_list): timer_list {
  return changetype<timer_list>(changetype<usize>(im) + IP_MC_TIMER)
}

export function ip_mc_timer_group(timer: usize): ip_mc_list {
  return changetype<ip_mc_list>(timer - IP_MC_TIMER)
}
