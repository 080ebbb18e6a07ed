// IGMP: message types, record types, states of a member, well-known groups in host order
// (RFC 2236, RFC 3376; linux/igmp.h).

export const IGMPV3_MODE_IS_INCLUDE: u32 = 1
export const IGMPV3_MODE_IS_EXCLUDE: u32 = 2
export const IGMPV3_CHANGE_TO_INCLUDE: u32 = 3
export const IGMPV3_CHANGE_TO_EXCLUDE: u32 = 4
export const IGMPV3_ALLOW_NEW_SOURCES: u32 = 5
export const IGMPV3_BLOCK_OLD_SOURCES: u32 = 6
export const IGMP_HOST_MEMBERSHIP_QUERY: u32 = 17
export const IGMP_HOST_MEMBERSHIP_REPORT: u32 = 18
export const IGMP_DVMRP: u32 = 19
export const IGMP_PIM: u32 = 20
export const IGMP_TRACE: u32 = 21
export const IGMPV2_HOST_MEMBERSHIP_REPORT: u32 = 22
export const IGMP_HOST_LEAVE_MESSAGE: u32 = 23
export const IGMPV3_HOST_MEMBERSHIP_REPORT: u32 = 34
export const IGMP_MTRACE_RESP: u32 = 30
export const IGMP_MTRACE: u32 = 31
export const IGMP_MRDISC_ADV: u32 = 48
export const IGMP_DELAYING_MEMBER: u32 = 1
export const IGMP_IDLE_MEMBER: u32 = 2
export const IGMP_LAZY_MEMBER: u32 = 3
export const IGMP_SLEEPING_MEMBER: u32 = 4
export const IGMP_AWAKENING_MEMBER: u32 = 5
export const IGMP_MINLEN: u32 = 8
export const IGMP_MAX_HOST_REPORT_DELAY: u32 = 10
export const IGMP_TIMER_SCALE: u32 = 10
export const IGMP_AGE_THRESHOLD: u32 = 400

// groups
export const IGMP_ALL_HOSTS: u32 = 0xe0000001
export const IGMP_ALL_ROUTER: u32 = 0xe0000002
export const IGMPV3_ALL_MCR: u32 = 0xe0000016
export const IGMP_LOCAL_GROUP: u32 = 0xe0000000
export const IGMP_LOCAL_GROUP_MASK: u32 = 0xffffff00
