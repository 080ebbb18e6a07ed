// A socket as the network layer sees it (struct sock with inet_sock, udp_sock, raw and packet parts).
// TCP's parts follow in its own struct behind this one. Operations: net/core/sock.ts and the protocols.

/** sk_flags (enum sock_flags, a selection) */
export const SOCK_DEAD: u32 = 1
export const SOCK_DONE: u32 = 2
export const SOCK_DBG: u32 = 4
export const SOCK_KEEPOPEN: u32 = 8
export const SOCK_BROADCAST: u32 = 64
export const SOCK_RCVTSTAMP: u32 = 128
export const SOCK_RCVTSTAMPNS: u32 = 256
/** Packets are stamped because of it: see boot.netstamp_needed. */
export const SOCK_TIMESTAMP: u32 = 512
export const SOCK_RXQ_OVFL: u32 = 1024
export const SOCK_TXTIME: u32 = 2048
export const SOCK_NO_CHECK_TX: u32 = 4096
export const SOCK_LOCALROUTE: u32 = 8192
export const SOCK_ZEROCOPY: u32 = 16384
export const SOCK_FILTER_LOCKED: u32 = 32768
export const SOCK_OOBINLINE: u32 = 65536
export const SOCK_LINGER: u32 = 131072

/** sk_shutdown */
export const RCV_SHUTDOWN: u32 = 1
export const SEND_SHUTDOWN: u32 = 2
export const SHUTDOWN_MASK: u32 = 3

/** sk_userlocks */
export const SOCK_SNDBUF_LOCK: u32 = 1
export const SOCK_RCVBUF_LOCK: u32 = 2
export const SOCK_BINDADDR_LOCK: u32 = 4
export const SOCK_BINDPORT_LOCK: u32 = 8

/** inet_flags: one-bit options of IP sockets, by what they do */
export const INET_RECVERR: u32 = 1
export const INET_HDRINCL: u32 = 2
export const INET_MC_LOOP: u32 = 4
export const INET_MC_ALL: u32 = 8
export const INET_FREEBIND: u32 = 16
export const INET_TRANSPARENT: u32 = 32
export const INET_NODEFRAG: u32 = 64
export const INET_BIND_ADDRESS_NO_PORT: u32 = 128
export const INET_IS_ICSK: u32 = 256
/** Which control messages a read brings */
export const INET_PKTINFO: u32 = 512
export const INET_RECVTTL: u32 = 1024
export const INET_RECVTOS: u32 = 2048
export const INET_RECVOPTS: u32 = 4096
export const INET_RETOPTS: u32 = 8192
export const INET_PASSSEC: u32 = 16384
export const INET_RECVORIGDSTADDR: u32 = 32768
export const INET_RECVCHECKSUM: u32 = 65536
export const INET_RECVFRAGSIZE: u32 = 131072
export const INET_RECVERR_RFC4884: u32 = 262144
export const INET_RTALERT: u32 = 524288

/** sk_state (TCP_*: UDP uses ESTABLISHED for connected and CLOSE for not) */
export const TCP_ESTABLISHED: u32 = 1
export const TCP_CLOSE: u32 = 7

/** ready: an event of it lies in the ring; and what its waiters were woken for since, for edges */
export const SOCK_READY_QUEUED: u32 = 1
export const SOCK_READY_IN: u32 = 2
export const SOCK_READY_OUT: u32 = 4
export const SOCK_READY_ERR: u32 = 8
export const SOCK_READY_ALL: u32 = SOCK_READY_IN | SOCK_READY_OUT | SOCK_READY_ERR

@unmanaged
@final
export class sock {
  /** Next in the hash by port, and in the one by port and address (or raw, ping, packet list). */
  sk_next: usize
  sk_prev: usize
  hash2_next: usize
  hash2_prev: usize
  /** Next of all sockets of the instance. */
  all_next: usize
  all_prev: usize
  net: usize
  /** Handle that TypeScript knows it by: never used again after close. */
  handle: u32
  sk_family: u16
  sk_type: u16
  sk_protocol: u16
  sk_state: u8
  sk_reuse: u8
  sk_reuseport: u8
  sk_shutdown: u8
  sk_userlocks: u8
  /** A system call owns it: packets for it go to the backlog. */
  sk_owned: u8
  sk_refcnt: u32
  sk_flags: u32
  sk_bound_dev_if: u32
  /** UDP: number of its chain by port; address of the chain by port and address (and of the one by flow below). */
  sk_hash: u32
  sk_hash2: u32
  /** Local and remote, addresses and ports in network order. */
  inet_rcv_saddr: u32
  inet_saddr: u32
  inet_daddr: u32
  inet_sport: u16
  inet_dport: u16
  /** Local port, host order. */
  inet_num: u32
  inet_flags: u32
  inet_id: u32
  /** u8 each */
  tos: u8
  mc_ttl: u8
  min_ttl: u8
  pmtudisc: u8
  /** -1: the route's. */
  uc_ttl: i16
  ttl_pad: u16
  uc_index: u32
  mc_index: u32
  mc_addr: u32
  /** ip_mc_socklist. */
  mc_list: usize
  /** Options to send: an ip_options_rcu block, 0: none; with its size. */
  inet_opt: usize
  inet_opt_size: u32
  local_port_range: u32
  /** Cached route (rtable), counted. */
  sk_dst_cache: usize
  sk_dst_genid: u32
  /** Receive queue: head, tail, length. */
  rq_head: usize
  rq_tail: usize
  rq_len: u32
  eq_head: usize
  eq_tail: usize
  eq_len: u32
  wq_head: usize
  wq_tail: usize
  wq_len: u32
  backlog_head: usize
  backlog_tail: usize
  backlog_len: u32
  /** Bytes of truesize in the receive queue, and sent but not freed. */
  sk_rmem_alloc: i32
  sk_wmem_alloc: i32
  sk_forward_alloc: i32
  /** Bytes that options hold: memberships and their sources, filters. */
  sk_omem_alloc: u32
  sk_rcvbuf: i32
  sk_sndbuf: i32
  sk_rcvlowat: i32
  sk_drops: u32
  sk_err: i32
  sk_err_soft: i32
  sk_priority: u32
  sk_mark: u32
  sk_peek_off: i32
  sk_incoming_cpu: i32
  sk_tsflags: u32
  sk_tskey: u32
  /** Number of the next send with MSG_ZEROCOPY. */
  sk_zckey: u32
  sk_stamp: u64
  /** In ticks; MAX_SCHEDULE_TIMEOUT: for ever. */
  sk_rcvtimeo: u64
  sk_sndtimeo: u64
  sk_lingertime: u64
  /** SO_TXTIME. */
  sk_clockid: i32
  sk_txtime_flags: u32
  sk_uid: u32
  sk_txhash: u32
  /** Transmit queue of its packets plus 1, 0: not chosen. */
  sk_tx_queue_mapping: u32
  sk_filter: usize
  sk_reuseport_cb: usize
  sk_pacing_rate: u64
  sk_cookie: u64
  /** SOCK_READY_*. */
  ready: u32
  /** UDP: GSO size, GRO on, corked data's state, bytes read but not yet given back (forward_deficit). */
  gso_size: u16
  udp_flags: u16
  pending: u32
  forward_deficit: i32
  pcflag: u32
  cork: usize
  /** Raw: ICMP_FILTER mask. Ping: group. */
  icmp_filter: u32
  /** Packet: packet_sock. */
  priv: usize
  ulp_size: u32
  /** u64 table of TCP and others, later. */
  destroyed: u32
  /** Next of those whose handles share a chain. */
  handle_next: usize
  /** UDP: chain by both addresses and ports, while connected. */
  hash4_next: usize
  hash4_prev: usize
  sk_hash4: u32
  /** UDP: how many of the first in the receive queue lie in what Linux calls the reader queue. */
  reader_len: u32
  /** Route of packets that come from the peer (rtable), counted; 0: none. */
  sk_rx_dst: usize
  /** SOCK_NOSPACE, SOCK_WATCHED, SOCKWQ_ASYNC_NOSPACE */
  sk_socket_flags: u32
  sk_busy_poll: u32
  /** PROT_*: whose functions serve it. */
  sk_prot: u32
  /**
   * UDP: addresses and port (network order) that connect, or the last corked datagram, left in the flow of the cork
   * (inet.cork.fl). What goes by the cached route of a connected socket is sent with these.
   */
  cork_saddr: u32
  cork_daddr: u32
  cork_dport: u32
  /** UDP: UDP_ENCAP_*, 0: plain; and who takes its datagrams (encap_rcv): 0 nobody, 1 ESP, else a tunnel's vxlan_sock. */
  encap_type: u32
  encap_rcv: u32
}

export const SOCK_SIZE: usize = (offsetof<sock>() + 15) & ~15

/** sk_prot */
export const PROT_UDP: u32 = 1
export const PROT_TCP: u32 = 2
export const PROT_RAW: u32 = 3
export const PROT_PING: u32 = 4
export const PROT_PACKET: u32 = 5

/** sk_socket_flags: a send found no room, once; */
export const SOCK_NOSPACE: u32 = 1
/** someone waits until there is room to send; */
export const SOCKWQ_ASYNC_NOSPACE: u32 = 4
/** someone wants every edge: each packet that was sent and is freed is one (epoll). */
export const SOCK_WATCHED: u32 = 2

/** Flags of sk_flags that are netpath's places for one-bit fields. */
export const SOCK_SELECT_ERRQUEUE: u32 = 1 << 18
export const SOCK_RCVMARK: u32 = 1 << 19
export const SOCK_RCVPRIORITY: u32 = 1 << 20
export const SOCK_TSTAMP_NEW: u32 = 1 << 22
export const SOCK_TIMESTAMPING_RX_SOFTWARE: u32 = 1 << 24
/** SO_TIMESTAMPING asks for software's stamps. */
export const SOCK_TIMESTAMPING: u32 = 1 << 25
export const SOCK_WIFI_STATUS: u32 = 1 << 26
export const SOCK_NOFCS: u32 = 1 << 27
export const SOCK_PREFER_BUSY_POLL: u32 = 1 << 28

/** sk_reuse */
export const SK_NO_REUSE: u32 = 0
export const SK_CAN_REUSE: u32 = 1

/** Least buffers that SO_SNDBUF and SO_RCVBUF give, in Linux on x86-64. */
export const SOCK_MIN_SNDBUF: i32 = 4608
export const SOCK_MIN_RCVBUF: i32 = 2304

/** A message as a call hands it over: pointers into Wasm memory; namelen, controllen and flags are answered. */
@unmanaged
@final
export class msghdr {
  msg_name: usize
  msg_namelen: u32
  iov_base: usize
  iov_len: u32
  msg_control: usize
  msg_controllen: u32
  msg_flags: u32
}

/** struct sockaddr_in; port and address in network order. */
@unmanaged
@final
export class sockaddr_in {
  sin_family: u16
  sin_port: u16
  sin_addr: u32
  sin_zero0: u32
  sin_zero1: u32
}

export const SOCKADDR_IN_SIZE: u32 = 16

/** Error of an entry of the error queue (struct sock_exterr_skb), in cb behind the IPv4 part. */
@unmanaged
@final
export class sock_exterr_skb {
  ee_errno: u32
  ee_origin: u8
  ee_type: u8
  ee_code: u8
  ee_pad: u8
  ee_info: u32
  ee_data: u32
  /** Where the destination's address lies, from the network header. */
  addr_offset: u16
  port: u16
}

/** cb of a packet in an error queue: its sock_exterr_skb begins here. */
export const EXTERR_CB: usize = 28
/** cb of a packet in a receive queue: drops of its socket when it came (SO_RXQ_OVFL). */
export const DROPCOUNT_CB: usize = 44

/** udp_flags */
export const UDP_FLAGS_GRO_ENABLED: u32 = 1
export const UDP_FLAGS_ACCEPT_L4: u32 = 2
export const UDP_FLAGS_CORK: u32 = 4
export const UDP_FLAGS_ENCAP: u32 = 8
export const UDP_FLAGS_NO_CHECK6_TX: u32 = 16
export const UDP_FLAGS_NO_CHECK6_RX: u32 = 32
