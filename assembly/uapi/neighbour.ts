// States and flags of a neighbour (linux/neighbour.h; sets and NEIGH_UPDATE_F_*: net/neighbour.h).

export const NTF_USE: u32 = 1
export const NTF_SELF: u32 = 2
export const NTF_MASTER: u32 = 4
export const NTF_PROXY: u32 = 8
export const NTF_EXT_LEARNED: u32 = 16
export const NTF_OFFLOADED: u32 = 32
export const NTF_STICKY: u32 = 64
export const NTF_ROUTER: u32 = 128
export const NTF_EXT_MANAGED: u32 = 1
export const NUD_INCOMPLETE: u32 = 1
export const NUD_REACHABLE: u32 = 2
export const NUD_STALE: u32 = 4
export const NUD_DELAY: u32 = 8
export const NUD_PROBE: u32 = 16
export const NUD_FAILED: u32 = 32
export const NUD_NOARP: u32 = 64
export const NUD_PERMANENT: u32 = 128
export const NUD_NONE: u32 = 0

// sets of states
export const NUD_IN_TIMER: u32 = 27
export const NUD_VALID: u32 = 222
export const NUD_CONNECTED: u32 = 194

// how neigh_update may change an entry
export const NEIGH_UPDATE_F_OVERRIDE: u32 = 1
export const NEIGH_UPDATE_F_WEAK_OVERRIDE: u32 = 2
export const NEIGH_UPDATE_F_OVERRIDE_ISROUTER: u32 = 4
export const NEIGH_UPDATE_F_USE: u32 = 8
export const NEIGH_UPDATE_F_MANAGED: u32 = 16
export const NEIGH_UPDATE_F_EXT_LEARNED: u32 = 32
export const NEIGH_UPDATE_F_ISROUTER: u32 = 64
export const NEIGH_UPDATE_F_ADMIN: u32 = 128
