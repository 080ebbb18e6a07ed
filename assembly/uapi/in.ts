// Socket options below SOL_SOCKET, by level, with their values, and AF_PACKET's
// (linux/in.h, udp.h, tcp.h, if_packet.h, errqueue.h; net/tcp_states.h). Addresses are in host order.

// SOL_IP
export const IP_TOS: u32 = 1
export const IP_TTL: u32 = 2
export const IP_HDRINCL: u32 = 3
export const IP_OPTIONS: u32 = 4
export const IP_ROUTER_ALERT: u32 = 5
export const IP_RECVOPTS: u32 = 6
export const IP_RETOPTS: u32 = 7
export const IP_PKTINFO: u32 = 8
export const IP_PKTOPTIONS: u32 = 9
export const IP_MTU_DISCOVER: u32 = 10
export const IP_RECVERR: u32 = 11
export const IP_RECVTTL: u32 = 12
export const IP_RECVTOS: u32 = 13
export const IP_MTU: u32 = 14
export const IP_FREEBIND: u32 = 15
export const IP_IPSEC_POLICY: u32 = 16
export const IP_XFRM_POLICY: u32 = 17
export const IP_PASSSEC: u32 = 18
export const IP_TRANSPARENT: u32 = 19
export const IP_RECVRETOPTS: u32 = 7
export const IP_ORIGDSTADDR: u32 = 20
export const IP_RECVORIGDSTADDR: u32 = 20
export const IP_MINTTL: u32 = 21
export const IP_NODEFRAG: u32 = 22
export const IP_CHECKSUM: u32 = 23
export const IP_BIND_ADDRESS_NO_PORT: u32 = 24
export const IP_RECVFRAGSIZE: u32 = 25
export const IP_RECVERR_RFC4884: u32 = 26
export const IP_MULTICAST_IF: u32 = 32
export const IP_MULTICAST_TTL: u32 = 33
export const IP_MULTICAST_LOOP: u32 = 34
export const IP_ADD_MEMBERSHIP: u32 = 35
export const IP_DROP_MEMBERSHIP: u32 = 36
export const IP_UNBLOCK_SOURCE: u32 = 37
export const IP_BLOCK_SOURCE: u32 = 38
export const IP_ADD_SOURCE_MEMBERSHIP: u32 = 39
export const IP_DROP_SOURCE_MEMBERSHIP: u32 = 40
export const IP_MSFILTER: u32 = 41
export const MCAST_JOIN_GROUP: u32 = 42
export const MCAST_BLOCK_SOURCE: u32 = 43
export const MCAST_UNBLOCK_SOURCE: u32 = 44
export const MCAST_LEAVE_GROUP: u32 = 45
export const MCAST_JOIN_SOURCE_GROUP: u32 = 46
export const MCAST_LEAVE_SOURCE_GROUP: u32 = 47
export const MCAST_MSFILTER: u32 = 48
export const IP_MULTICAST_ALL: u32 = 49
export const IP_UNICAST_IF: u32 = 50
export const IP_LOCAL_PORT_RANGE: u32 = 51
export const IP_PROTOCOL: u32 = 52
export const MCAST_EXCLUDE: u32 = 0
export const MCAST_INCLUDE: u32 = 1
export const IP_DEFAULT_MULTICAST_TTL: u32 = 1
export const IP_DEFAULT_MULTICAST_LOOP: u32 = 1

// values of IP_MTU_DISCOVER
export const IP_PMTUDISC_DONT: u32 = 0
export const IP_PMTUDISC_WANT: u32 = 1
export const IP_PMTUDISC_DO: u32 = 2
export const IP_PMTUDISC_PROBE: u32 = 3
export const IP_PMTUDISC_INTERFACE: u32 = 4
export const IP_PMTUDISC_OMIT: u32 = 5

// addresses and classes
export const IN_CLASSA_NET: u32 = 0xff000000
export const IN_CLASSA_NSHIFT: u32 = 24
export const IN_CLASSA_HOST: u32 = 0xffffff
export const IN_CLASSA_MAX: u32 = 128
export const IN_CLASSB_NET: u32 = 0xffff0000
export const IN_CLASSB_NSHIFT: u32 = 16
export const IN_CLASSB_HOST: u32 = 65535
export const IN_CLASSB_MAX: u32 = 0x10000
export const IN_CLASSC_NET: u32 = 0xffffff00
export const IN_CLASSC_NSHIFT: u32 = 8
export const IN_CLASSC_HOST: u32 = 255
export const IN_MULTICAST_NET: u32 = 0xe0000000
export const IN_CLASSE_NET: u32 = 0xffffffff
export const IN_CLASSE_NSHIFT: u32 = 0
export const INADDR_ANY: u32 = 0
export const INADDR_BROADCAST: u32 = 0xffffffff
export const INADDR_NONE: u32 = 0xffffffff
export const INADDR_DUMMY: u32 = 0xc0000008
export const IN_LOOPBACKNET: u32 = 127
export const INADDR_LOOPBACK: u32 = 0x7f000001
export const INADDR_UNSPEC_GROUP: u32 = 0xe0000000
export const INADDR_ALLHOSTS_GROUP: u32 = 0xe0000001
export const INADDR_ALLRTRS_GROUP: u32 = 0xe0000002
export const INADDR_ALLSNOOPERS_GROUP: u32 = 0xe000006a
export const INADDR_MAX_LOCAL_GROUP: u32 = 0xe00000ff

// SOL_RAW (protocol ICMP)
export const ICMP_FILTER: u32 = 1

// SOL_UDP, and the kinds of UDP_ENCAP
export const UDP_CORK: u32 = 1
export const UDPLITE_SEND_CSCOV: u32 = 10
export const UDPLITE_RECV_CSCOV: u32 = 11
export const UDP_ENCAP: u32 = 100
export const UDP_NO_CHECK6_TX: u32 = 101
export const UDP_NO_CHECK6_RX: u32 = 102
export const UDP_SEGMENT: u32 = 103
export const UDP_GRO: u32 = 104
export const UDP_ENCAP_ESPINUDP_NON_IKE: u32 = 1
export const UDP_ENCAP_ESPINUDP: u32 = 2
export const UDP_ENCAP_L2TPINUDP: u32 = 3
export const UDP_ENCAP_GTP0: u32 = 4
export const UDP_ENCAP_GTP1U: u32 = 5
export const UDP_ENCAP_RXRPC: u32 = 6
export const UDP_ENCAP_OVPNINUDP: u32 = 8

// SOL_TCP
export const TCP_NODELAY: u32 = 1
export const TCP_MAXSEG: u32 = 2
export const TCP_CORK: u32 = 3
export const TCP_KEEPIDLE: u32 = 4
export const TCP_KEEPINTVL: u32 = 5
export const TCP_KEEPCNT: u32 = 6
export const TCP_SYNCNT: u32 = 7
export const TCP_LINGER2: u32 = 8
export const TCP_DEFER_ACCEPT: u32 = 9
export const TCP_WINDOW_CLAMP: u32 = 10
export const TCP_INFO: u32 = 11
export const TCP_QUICKACK: u32 = 12
export const TCP_CONGESTION: u32 = 13
export const TCP_MD5SIG: u32 = 14
export const TCP_THIN_LINEAR_TIMEOUTS: u32 = 16
export const TCP_THIN_DUPACK: u32 = 17
export const TCP_USER_TIMEOUT: u32 = 18
export const TCP_REPAIR: u32 = 19
export const TCP_REPAIR_QUEUE: u32 = 20
export const TCP_QUEUE_SEQ: u32 = 21
export const TCP_FASTOPEN: u32 = 23
export const TCP_TIMESTAMP: u32 = 24
export const TCP_NOTSENT_LOWAT: u32 = 25
export const TCP_CC_INFO: u32 = 26
export const TCP_SAVE_SYN: u32 = 27
export const TCP_SAVED_SYN: u32 = 28
export const TCP_REPAIR_WINDOW: u32 = 29
export const TCP_FASTOPEN_CONNECT: u32 = 30
export const TCP_ULP: u32 = 31
export const TCP_FASTOPEN_KEY: u32 = 33
export const TCP_FASTOPEN_NO_COOKIE: u32 = 34
export const TCP_ZEROCOPY_RECEIVE: u32 = 35
export const TCP_INQ: u32 = 36
export const TCP_CM_INQ: u32 = 36
export const TCP_TX_DELAY: u32 = 37
export const TCP_AO_ADD_KEY: u32 = 38
export const TCP_AO_DEL_KEY: u32 = 39
export const TCP_AO_INFO: u32 = 40
export const TCP_AO_GET_KEYS: u32 = 41
export const TCP_AO_REPAIR: u32 = 42
export const TCP_IS_MPTCP: u32 = 43
export const TCP_RTO_MAX_MS: u32 = 44
export const TCP_RTO_MIN_US: u32 = 45
export const TCP_DELACK_MAX_US: u32 = 46

// values of TCP options, and of tcp_info
export const TCP_MSS_DEFAULT: u32 = 536
export const TCP_MSS_DESIRED: u32 = 1220
export const TCP_NO_QUEUE: u32 = 0
export const TCP_RECV_QUEUE: u32 = 1
export const TCP_SEND_QUEUE: u32 = 2
export const TCPI_OPT_TIMESTAMPS: u32 = 1
export const TCPI_OPT_SACK: u32 = 2
export const TCPI_OPT_WSCALE: u32 = 4
export const TCPI_OPT_ECN: u32 = 8
export const TCPI_OPT_ECN_SEEN: u32 = 16
export const TCPI_OPT_SYN_DATA: u32 = 32
export const TCP_CA_Open: u32 = 0
export const TCP_CA_Disorder: u32 = 1
export const TCP_CA_CWR: u32 = 2
export const TCP_CA_Recovery: u32 = 3
export const TCP_CA_Loss: u32 = 4

// states of a socket (sk_state)
export const TCP_ESTABLISHED: u32 = 1
export const TCP_SYN_SENT: u32 = 2
export const TCP_SYN_RECV: u32 = 3
export const TCP_FIN_WAIT1: u32 = 4
export const TCP_FIN_WAIT2: u32 = 5
export const TCP_TIME_WAIT: u32 = 6
export const TCP_CLOSE: u32 = 7
export const TCP_CLOSE_WAIT: u32 = 8
export const TCP_LAST_ACK: u32 = 9
export const TCP_LISTEN: u32 = 10
export const TCP_CLOSING: u32 = 11
export const TCP_NEW_SYN_RECV: u32 = 12
export const TCP_BOUND_INACTIVE: u32 = 13

// SOL_PACKET
export const PACKET_ADD_MEMBERSHIP: u32 = 1
export const PACKET_DROP_MEMBERSHIP: u32 = 2
export const PACKET_RECV_OUTPUT: u32 = 3
export const PACKET_RX_RING: u32 = 5
export const PACKET_STATISTICS: u32 = 6
export const PACKET_COPY_THRESH: u32 = 7
export const PACKET_AUXDATA: u32 = 8
export const PACKET_ORIGDEV: u32 = 9
export const PACKET_VERSION: u32 = 10
export const PACKET_HDRLEN: u32 = 11
export const PACKET_RESERVE: u32 = 12
export const PACKET_TX_RING: u32 = 13
export const PACKET_LOSS: u32 = 14
export const PACKET_VNET_HDR: u32 = 15
export const PACKET_TX_TIMESTAMP: u32 = 16
export const PACKET_TIMESTAMP: u32 = 17
export const PACKET_FANOUT: u32 = 18
export const PACKET_TX_HAS_OFF: u32 = 19
export const PACKET_QDISC_BYPASS: u32 = 20
export const PACKET_ROLLOVER_STATS: u32 = 21
export const PACKET_FANOUT_DATA: u32 = 22
export const PACKET_IGNORE_OUTGOING: u32 = 23
export const PACKET_VNET_HDR_SZ: u32 = 24

// where a frame is for: sll_pkttype
export const PACKET_HOST: u32 = 0
export const PACKET_BROADCAST: u32 = 1
export const PACKET_MULTICAST: u32 = 2
export const PACKET_OTHERHOST: u32 = 3
export const PACKET_OUTGOING: u32 = 4
export const PACKET_LOOPBACK: u32 = 5
export const PACKET_USER: u32 = 6
export const PACKET_KERNEL: u32 = 7
export const PACKET_FASTROUTE: u32 = 6

// values of PACKET_FANOUT
export const PACKET_FANOUT_HASH: u32 = 0
export const PACKET_FANOUT_LB: u32 = 1
export const PACKET_FANOUT_CPU: u32 = 2
export const PACKET_FANOUT_ROLLOVER: u32 = 3
export const PACKET_FANOUT_RND: u32 = 4
export const PACKET_FANOUT_QM: u32 = 5
export const PACKET_FANOUT_CBPF: u32 = 6
export const PACKET_FANOUT_EBPF: u32 = 7
export const PACKET_FANOUT_FLAG_ROLLOVER: u32 = 0x1000
export const PACKET_FANOUT_FLAG_UNIQUEID: u32 = 0x2000
export const PACKET_FANOUT_FLAG_DEFRAG: u32 = 0x8000
export const PACKET_FANOUT_FLAG_IGNORE_OUTGOING: u32 = 0x4000

// kinds of membership
export const PACKET_MR_MULTICAST: u32 = 0
export const PACKET_MR_PROMISC: u32 = 1
export const PACKET_MR_ALLMULTI: u32 = 2
export const PACKET_MR_UNICAST: u32 = 3

// packet rings
export const TP_STATUS_KERNEL: u32 = 0
export const TP_STATUS_USER: u32 = 1
export const TP_STATUS_COPY: u32 = 2
export const TP_STATUS_LOSING: u32 = 4
export const TP_STATUS_CSUMNOTREADY: u32 = 8
export const TP_STATUS_VLAN_VALID: u32 = 16
export const TP_STATUS_BLK_TMO: u32 = 32
export const TP_STATUS_VLAN_TPID_VALID: u32 = 64
export const TP_STATUS_CSUM_VALID: u32 = 128
export const TP_STATUS_AVAILABLE: u32 = 0
export const TP_STATUS_SEND_REQUEST: u32 = 1
export const TP_STATUS_SENDING: u32 = 2
export const TP_STATUS_WRONG_FORMAT: u32 = 4
export const TP_STATUS_TS_SOFTWARE: u32 = 0x20000000
export const TP_STATUS_TS_SYS_HARDWARE: u32 = 0x40000000
export const TP_STATUS_TS_RAW_HARDWARE: u32 = 0x80000000
export const TPACKET_ALIGNMENT: u32 = 16
export const TPACKET_V1: u32 = 0
export const TPACKET_V2: u32 = 1
export const TPACKET_V3: u32 = 2
export const TP_STATUS_GSO_TCP: u32 = 0x100

// origins and codes in the error queue
export const SO_EE_ORIGIN_NONE: u32 = 0
export const SO_EE_ORIGIN_LOCAL: u32 = 1
export const SO_EE_ORIGIN_ICMP: u32 = 2
export const SO_EE_ORIGIN_ICMP6: u32 = 3
export const SO_EE_ORIGIN_TXSTATUS: u32 = 4
export const SO_EE_ORIGIN_ZEROCOPY: u32 = 5
export const SO_EE_ORIGIN_TXTIME: u32 = 6
export const SO_EE_ORIGIN_TIMESTAMPING: u32 = 4
export const SO_EE_CODE_ZEROCOPY_COPIED: u32 = 1
export const SO_EE_CODE_TXTIME_INVALID_PARAM: u32 = 1
export const SO_EE_CODE_TXTIME_MISSED: u32 = 2
export const SO_EE_RFC4884_FLAG_INVALID: u32 = 1
