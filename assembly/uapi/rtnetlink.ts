// Routes and rules: the numbers of linux/rtnetlink.h, in_route.h, fib_rules.h, netlink.h.

// types of routes
export const RTN_UNSPEC: u32 = 0
export const RTN_UNICAST: u32 = 1
export const RTN_LOCAL: u32 = 2
export const RTN_BROADCAST: u32 = 3
export const RTN_ANYCAST: u32 = 4
export const RTN_MULTICAST: u32 = 5
export const RTN_BLACKHOLE: u32 = 6
export const RTN_UNREACHABLE: u32 = 7
export const RTN_PROHIBIT: u32 = 8
export const RTN_THROW: u32 = 9
export const RTN_NAT: u32 = 10
export const RTN_XRESOLVE: u32 = 11
export const RTN_MAX: u32 = 11

// scopes
export const RT_SCOPE_UNIVERSE: u32 = 0
export const RT_SCOPE_SITE: u32 = 200
export const RT_SCOPE_LINK: u32 = 253
export const RT_SCOPE_HOST: u32 = 254
export const RT_SCOPE_NOWHERE: u32 = 255

// tables
export const RT_TABLE_UNSPEC: u32 = 0
export const RT_TABLE_COMPAT: u32 = 252
export const RT_TABLE_DEFAULT: u32 = 253
export const RT_TABLE_MAIN: u32 = 254
export const RT_TABLE_LOCAL: u32 = 255

// who made a route
export const RTPROT_UNSPEC: u32 = 0
export const RTPROT_REDIRECT: u32 = 1
export const RTPROT_KERNEL: u32 = 2
export const RTPROT_BOOT: u32 = 3
export const RTPROT_STATIC: u32 = 4
export const RTPROT_GATED: u32 = 8
export const RTPROT_RA: u32 = 9
export const RTPROT_MRT: u32 = 10
export const RTPROT_ZEBRA: u32 = 11
export const RTPROT_BIRD: u32 = 12
export const RTPROT_DNROUTED: u32 = 13
export const RTPROT_XORP: u32 = 14
export const RTPROT_NTK: u32 = 15
export const RTPROT_DHCP: u32 = 16
export const RTPROT_MROUTED: u32 = 17
export const RTPROT_KEEPALIVED: u32 = 18
export const RTPROT_BABEL: u32 = 42
export const RTPROT_OPENR: u32 = 99
export const RTPROT_BGP: u32 = 186
export const RTPROT_ISIS: u32 = 187
export const RTPROT_OSPF: u32 = 188
export const RTPROT_RIP: u32 = 189
export const RTPROT_EIGRP: u32 = 192

// metrics
export const RTAX_UNSPEC: u32 = 0
export const RTAX_LOCK: u32 = 1
export const RTAX_MTU: u32 = 2
export const RTAX_WINDOW: u32 = 3
export const RTAX_RTT: u32 = 4
export const RTAX_RTTVAR: u32 = 5
export const RTAX_SSTHRESH: u32 = 6
export const RTAX_CWND: u32 = 7
export const RTAX_ADVMSS: u32 = 8
export const RTAX_REORDERING: u32 = 9
export const RTAX_HOPLIMIT: u32 = 10
export const RTAX_INITCWND: u32 = 11
export const RTAX_FEATURES: u32 = 12
export const RTAX_RTO_MIN: u32 = 13
export const RTAX_INITRWND: u32 = 14
export const RTAX_QUICKACK: u32 = 15
export const RTAX_CC_ALGO: u32 = 16
export const RTAX_FASTOPEN_NO_COOKIE: u32 = 17
export const RTAX_MAX: u32 = 17
export const RTAX_FEATURE_ECN: u32 = 1
export const RTAX_FEATURE_SACK: u32 = 2
export const RTAX_FEATURE_TIMESTAMP: u32 = 4
export const RTAX_FEATURE_ALLFRAG: u32 = 8
export const RTAX_FEATURE_TCP_USEC_TS: u32 = 16
export const RTAX_FEATURE_MASK: u32 = 31

// flags of a next hop
export const RTNH_F_DEAD: u32 = 1
export const RTNH_F_PERVASIVE: u32 = 2
export const RTNH_F_ONLINK: u32 = 4
export const RTNH_F_OFFLOAD: u32 = 8
export const RTNH_F_LINKDOWN: u32 = 16
export const RTNH_F_UNRESOLVED: u32 = 32
export const RTNH_F_TRAP: u32 = 64
export const RTNH_COMPARE_MASK: u32 = 89

// flags of a request and of a route in a dump
export const RTM_F_NOTIFY: u32 = 0x100
export const RTM_F_CLONED: u32 = 0x200
export const RTM_F_EQUALIZE: u32 = 0x400
export const RTM_F_PREFIX: u32 = 0x800
export const RTM_F_LOOKUP_TABLE: u32 = 0x1000
export const RTM_F_FIB_MATCH: u32 = 0x2000
export const RTM_F_OFFLOAD: u32 = 0x4000
export const RTM_F_TRAP: u32 = 0x8000
export const RTM_F_OFFLOAD_FAILED: u32 = 0x20000000

// flags of a cached route
export const RTCF_DEAD: u32 = 1
export const RTCF_ONLINK: u32 = 4
export const RTCF_NOTIFY: u32 = 0x10000
export const RTCF_DIRECTDST: u32 = 0x20000
export const RTCF_REDIRECTED: u32 = 0x40000
export const RTCF_TPROXY: u32 = 0x80000
export const RTCF_FAST: u32 = 0x200000
export const RTCF_MASQ: u32 = 0x400000
export const RTCF_SNAT: u32 = 0x800000
export const RTCF_DOREDIRECT: u32 = 0x1000000
export const RTCF_DIRECTSRC: u32 = 0x4000000
export const RTCF_DNAT: u32 = 0x8000000
export const RTCF_BROADCAST: u32 = 0x10000000
export const RTCF_MULTICAST: u32 = 0x20000000
export const RTCF_REJECT: u32 = 0x40000000
export const RTCF_LOCAL: u32 = 0x80000000

// actions of rules
export const FR_ACT_UNSPEC: u32 = 0
export const FR_ACT_TO_TBL: u32 = 1
export const FR_ACT_GOTO: u32 = 2
export const FR_ACT_NOP: u32 = 3
export const FR_ACT_RES3: u32 = 4
export const FR_ACT_RES4: u32 = 5
export const FR_ACT_BLACKHOLE: u32 = 6
export const FR_ACT_UNREACHABLE: u32 = 7
export const FR_ACT_PROHIBIT: u32 = 8
export const FR_ACT_MAX: u32 = 8

// flags of rules
export const FIB_RULE_PERMANENT: u32 = 1
export const FIB_RULE_INVERT: u32 = 2
export const FIB_RULE_UNRESOLVED: u32 = 4
export const FIB_RULE_IIF_DETACHED: u32 = 8
export const FIB_RULE_DEV_DETACHED: u32 = 8
export const FIB_RULE_OIF_DETACHED: u32 = 16
export const FIB_RULE_FIND_SADDR: u32 = 0x10000

// flags of a netlink request
export const NLM_F_REQUEST: u32 = 1
export const NLM_F_MULTI: u32 = 2
export const NLM_F_ACK: u32 = 4
export const NLM_F_ECHO: u32 = 8
export const NLM_F_DUMP_INTR: u32 = 16
export const NLM_F_DUMP_FILTERED: u32 = 32
export const NLM_F_ROOT: u32 = 0x100
export const NLM_F_MATCH: u32 = 0x200
export const NLM_F_ATOMIC: u32 = 0x400
export const NLM_F_DUMP: u32 = 768
export const NLM_F_REPLACE: u32 = 0x100
export const NLM_F_EXCL: u32 = 0x200
export const NLM_F_CREATE: u32 = 0x400
export const NLM_F_APPEND: u32 = 0x800
export const NLM_F_NONREC: u32 = 0x100
export const NLM_F_BULK: u32 = 0x200
export const NLM_F_CAPPED: u32 = 0x100
export const NLM_F_ACK_TLVS: u32 = 0x200

// messages
export const RTM_NEWLINK: u32 = 16
export const RTM_DELLINK: u32 = 17
export const RTM_GETLINK: u32 = 18
export const RTM_SETLINK: u32 = 19
export const RTM_NEWADDR: u32 = 20
export const RTM_DELADDR: u32 = 21
export const RTM_GETADDR: u32 = 22
export const RTM_NEWROUTE: u32 = 24
export const RTM_DELROUTE: u32 = 25
export const RTM_GETROUTE: u32 = 26
export const RTM_NEWNEIGH: u32 = 28
export const RTM_DELNEIGH: u32 = 29
export const RTM_GETNEIGH: u32 = 30
export const RTM_NEWRULE: u32 = 32
export const RTM_DELRULE: u32 = 33
export const RTM_GETRULE: u32 = 34
export const RTM_NEWQDISC: u32 = 36
export const RTM_DELQDISC: u32 = 37
export const RTM_GETQDISC: u32 = 38
export const RTM_NEWTCLASS: u32 = 40
export const RTM_DELTCLASS: u32 = 41
export const RTM_GETTCLASS: u32 = 42
export const RTM_NEWTFILTER: u32 = 44
export const RTM_DELTFILTER: u32 = 45
export const RTM_GETTFILTER: u32 = 46
export const RTM_NEWACTION: u32 = 48
export const RTM_DELACTION: u32 = 49
export const RTM_GETACTION: u32 = 50
export const RTM_NEWPREFIX: u32 = 52
export const RTM_GETMULTICAST: u32 = 58
export const RTM_GETANYCAST: u32 = 62
export const RTM_NEWNEIGHTBL: u32 = 64
export const RTM_GETNEIGHTBL: u32 = 66
export const RTM_SETNEIGHTBL: u32 = 67
export const RTM_NEWNDUSEROPT: u32 = 68
export const RTM_NEWADDRLABEL: u32 = 72
export const RTM_DELADDRLABEL: u32 = 73
export const RTM_GETADDRLABEL: u32 = 74
export const RTM_GETDCB: u32 = 78
export const RTM_SETDCB: u32 = 79
export const RTM_NEWNETCONF: u32 = 80
export const RTM_DELNETCONF: u32 = 81
export const RTM_GETNETCONF: u32 = 82
export const RTM_NEWMDB: u32 = 84
export const RTM_DELMDB: u32 = 85
export const RTM_GETMDB: u32 = 86
export const RTM_NEWNSID: u32 = 88
export const RTM_DELNSID: u32 = 89
export const RTM_GETNSID: u32 = 90
export const RTM_NEWSTATS: u32 = 92
export const RTM_GETSTATS: u32 = 94
export const RTM_SETSTATS: u32 = 95
export const RTM_NEWCACHEREPORT: u32 = 96
export const RTM_NEWCHAIN: u32 = 100
export const RTM_DELCHAIN: u32 = 101
export const RTM_GETCHAIN: u32 = 102
export const RTM_NEWNEXTHOP: u32 = 104
export const RTM_DELNEXTHOP: u32 = 105
export const RTM_GETNEXTHOP: u32 = 106
export const RTM_NEWLINKPROP: u32 = 108
export const RTM_DELLINKPROP: u32 = 109
export const RTM_GETLINKPROP: u32 = 110
export const RTM_NEWVLAN: u32 = 112
export const RTM_DELVLAN: u32 = 113
export const RTM_GETVLAN: u32 = 114
export const RTM_NEWNEXTHOPBUCKET: u32 = 116
export const RTM_DELNEXTHOPBUCKET: u32 = 117
export const RTM_GETNEXTHOPBUCKET: u32 = 118
export const RTM_NEWTUNNEL: u32 = 120
export const RTM_DELTUNNEL: u32 = 121
export const RTM_GETTUNNEL: u32 = 122

// flags of /proc/net/route (linux/route.h)
export const RTF_UP: u32 = 1
export const RTF_GATEWAY: u32 = 2
export const RTF_HOST: u32 = 4
export const RTF_REJECT: u32 = 0x200

// attributes of rules (linux/fib_rules.h)
export const FRA_DST: u32 = 1
export const FRA_SRC: u32 = 2
export const FRA_IIFNAME: u32 = 3
export const FRA_GOTO: u32 = 4
export const FRA_PRIORITY: u32 = 6
export const FRA_FWMARK: u32 = 10
export const FRA_TUN_ID: u32 = 12
export const FRA_SUPPRESS_IFGROUP: u32 = 13
export const FRA_SUPPRESS_PREFIXLEN: u32 = 14
export const FRA_TABLE: u32 = 15
export const FRA_FWMASK: u32 = 16
export const FRA_OIFNAME: u32 = 17
export const FRA_UID_RANGE: u32 = 20
export const FRA_PROTOCOL: u32 = 21
export const FRA_IP_PROTO: u32 = 22
export const FRA_SPORT_RANGE: u32 = 23
export const FRA_DPORT_RANGE: u32 = 24
export const FRA_DSCP: u32 = 25
export const FRA_SPORT_MASK: u32 = 28
export const FRA_DPORT_MASK: u32 = 29
export const FRA_DSCP_MASK: u32 = 30
