// Netfilter: verdicts, hooks, conntrack and NAT (linux/netfilter.h, netfilter_ipv4.h, nf_conntrack_common.h).

// verdicts
export const NF_DROP: u32 = 0
export const NF_ACCEPT: u32 = 1
export const NF_STOLEN: u32 = 2
export const NF_QUEUE: u32 = 3
export const NF_REPEAT: u32 = 4
export const NF_STOP: u32 = 5
export const NF_MAX_VERDICT: u32 = 5
export const NF_VERDICT_MASK: u32 = 255
export const NF_VERDICT_FLAG_QUEUE_BYPASS: u32 = 0x8000
export const NF_VERDICT_QBITS: u32 = 16

// hooks
export const NF_INET_PRE_ROUTING: u32 = 0
export const NF_INET_LOCAL_IN: u32 = 1
export const NF_INET_FORWARD: u32 = 2
export const NF_INET_LOCAL_OUT: u32 = 3
export const NF_INET_POST_ROUTING: u32 = 4
export const NF_INET_NUMHOOKS: u32 = 5
export const NF_INET_INGRESS: u32 = 5
export const NF_NETDEV_INGRESS: u32 = 0
export const NF_NETDEV_EGRESS: u32 = 1
export const NF_NETDEV_NUMHOOKS: u32 = 2

// families
export const NFPROTO_UNSPEC: u32 = 0
export const NFPROTO_INET: u32 = 1
export const NFPROTO_IPV4: u32 = 2
export const NFPROTO_ARP: u32 = 3
export const NFPROTO_NETDEV: u32 = 5
export const NFPROTO_BRIDGE: u32 = 7
export const NFPROTO_IPV6: u32 = 10
export const NFPROTO_DECNET: u32 = 12
export const NFPROTO_NUMPROTO: u32 = 13

// conntrack: what a packet is to its connection
export const IP_CT_ESTABLISHED: u32 = 0
export const IP_CT_RELATED: u32 = 1
export const IP_CT_NEW: u32 = 2
export const IP_CT_IS_REPLY: u32 = 3
export const IP_CT_ESTABLISHED_REPLY: u32 = 3
export const IP_CT_RELATED_REPLY: u32 = 4
export const IP_CT_NUMBER: u32 = 5
export const IP_CT_NEW_REPLY: u32 = 5

// conntrack: status bits
export const IPS_EXPECTED_BIT: u32 = 0
export const IPS_EXPECTED: u32 = 1
export const IPS_SEEN_REPLY_BIT: u32 = 1
export const IPS_SEEN_REPLY: u32 = 2
export const IPS_ASSURED_BIT: u32 = 2
export const IPS_ASSURED: u32 = 4
export const IPS_CONFIRMED_BIT: u32 = 3
export const IPS_CONFIRMED: u32 = 8
export const IPS_SRC_NAT_BIT: u32 = 4
export const IPS_SRC_NAT: u32 = 16
export const IPS_DST_NAT_BIT: u32 = 5
export const IPS_DST_NAT: u32 = 32
export const IPS_NAT_MASK: u32 = 48
export const IPS_SEQ_ADJUST_BIT: u32 = 6
export const IPS_SEQ_ADJUST: u32 = 64
export const IPS_SRC_NAT_DONE_BIT: u32 = 7
export const IPS_SRC_NAT_DONE: u32 = 128
export const IPS_DST_NAT_DONE_BIT: u32 = 8
export const IPS_DST_NAT_DONE: u32 = 0x100
export const IPS_NAT_DONE_MASK: u32 = 384
export const IPS_DYING_BIT: u32 = 9
export const IPS_DYING: u32 = 0x200
export const IPS_FIXED_TIMEOUT_BIT: u32 = 10
export const IPS_FIXED_TIMEOUT: u32 = 0x400
export const IPS_TEMPLATE_BIT: u32 = 11
export const IPS_TEMPLATE: u32 = 0x800
export const IPS_UNTRACKED_BIT: u32 = 12
export const IPS_UNTRACKED: u32 = 0x1000
export const IPS_HELPER_BIT: u32 = 13
export const IPS_HELPER: u32 = 0x2000
export const IPS_OFFLOAD_BIT: u32 = 14
export const IPS_OFFLOAD: u32 = 0x4000
export const IPS_HW_OFFLOAD_BIT: u32 = 15
export const IPS_HW_OFFLOAD: u32 = 0x8000
export const IPS_UNCHANGEABLE_MASK: u32 = 56313

// conntrack: states of TCP
export const TCP_CONNTRACK_NONE: u32 = 0
export const TCP_CONNTRACK_SYN_SENT: u32 = 1
export const TCP_CONNTRACK_SYN_RECV: u32 = 2
export const TCP_CONNTRACK_ESTABLISHED: u32 = 3
export const TCP_CONNTRACK_FIN_WAIT: u32 = 4
export const TCP_CONNTRACK_CLOSE_WAIT: u32 = 5
export const TCP_CONNTRACK_LAST_ACK: u32 = 6
export const TCP_CONNTRACK_TIME_WAIT: u32 = 7
export const TCP_CONNTRACK_CLOSE: u32 = 8
export const TCP_CONNTRACK_LISTEN: u32 = 9
export const TCP_CONNTRACK_SYN_SENT2: u32 = 9
export const TCP_CONNTRACK_MAX: u32 = 10
export const TCP_CONNTRACK_IGNORE: u32 = 11
export const TCP_CONNTRACK_RETRANS: u32 = 12
export const TCP_CONNTRACK_UNACK: u32 = 13
export const TCP_CONNTRACK_TIMEOUT_MAX: u32 = 14

// NAT
export const NF_NAT_RANGE_MAP_IPS: u32 = 1
export const NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 2
export const NF_NAT_RANGE_PROTO_RANDOM: u32 = 4
export const NF_NAT_RANGE_PERSISTENT: u32 = 8
export const NF_NAT_RANGE_PROTO_RANDOM_FULLY: u32 = 16
export const NF_NAT_RANGE_PROTO_OFFSET: u32 = 32
export const NF_NAT_RANGE_NETMAP: u32 = 64
export const NF_NAT_RANGE_PROTO_RANDOM_ALL: u32 = 20
export const NF_NAT_RANGE_MASK: u32 = 127

// ways of REJECT
export const IPT_ICMP_NET_UNREACHABLE: u32 = 0
export const IPT_ICMP_HOST_UNREACHABLE: u32 = 1
export const IPT_ICMP_PROT_UNREACHABLE: u32 = 2
export const IPT_ICMP_PORT_UNREACHABLE: u32 = 3
export const IPT_ICMP_ECHOREPLY: u32 = 4
export const IPT_ICMP_NET_PROHIBITED: u32 = 5
export const IPT_ICMP_HOST_PROHIBITED: u32 = 6
export const IPT_TCP_RESET: u32 = 7
export const IPT_ICMP_ADMIN_PROHIBITED: u32 = 8

// priorities of hooks, lowest first
export const NF_IP_PRI_FIRST: i32 = -2147483648
export const NF_IP_PRI_RAW_BEFORE_DEFRAG: i32 = -450
export const NF_IP_PRI_CONNTRACK_DEFRAG: i32 = -400
export const NF_IP_PRI_RAW: i32 = -300
export const NF_IP_PRI_SELINUX_FIRST: i32 = -225
export const NF_IP_PRI_CONNTRACK: i32 = -200
export const NF_IP_PRI_MANGLE: i32 = -150
export const NF_IP_PRI_NAT_DST: i32 = -100
export const NF_IP_PRI_FILTER: i32 = 0
export const NF_IP_PRI_SECURITY: i32 = 50
export const NF_IP_PRI_NAT_SRC: i32 = 100
export const NF_IP_PRI_SELINUX_LAST: i32 = 225
export const NF_IP_PRI_CONNTRACK_HELPER: i32 = 300
export const NF_IP_PRI_CONNTRACK_CONFIRM: i32 = 2147483647
export const NF_IP_PRI_LAST: i32 = 2147483647
