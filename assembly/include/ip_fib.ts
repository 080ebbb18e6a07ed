// Routing tables: linux net/ip_fib.h. Tables, fib_info with its next hops, and what a look-up answers.
// The trie: net/ipv4/fib_trie; routes made of these: net/ipv4/route.ts.

@unmanaged
@final
export class fib_table {
  /** Next table of the namespace. */
  next: usize
  tb_id: u32
  /** Root of the trie. */
  trie: usize
  tb_num_default: u32
  net: usize
  /** Routes (aliases) in it. */
  count: u32
}

export const FIB_TABLE_SIZE: usize = offsetof<fib_table>()

/** What routes share (struct fib_info): next hops and metrics; refcounted. Next hops lie behind the struct. */
@unmanaged
@final
export class fib_info {
  hash_next: usize
  hash_prev: usize
  net: usize
  fib_treeref: u32
  fib_clntref: u32
  /** RTNH_F_DEAD, RTNH_F_LINKDOWN */
  fib_flags: u32
  fib_dead: u8
  fib_protocol: u8
  fib_scope: u8
  fib_type: u8
  fib_prefsrc: u32
  fib_tb_id: u32
  fib_priority: u32
  /** u32[RTAX_MAX + 1] in an own block, 0: none set. */
  fib_metrics: usize
  fib_nhs: u32
  fib_nh_is_nb: u32
  /** Chain of those with the same preferred source. */
  lhash_next: usize
  lhash_prev: usize
  /** Its preferred source is no address of ours any more. */
  pfsrc_removed: u32
  /** The nexthop object (include/nexthop.ts), 0: none. */
  nh: usize
  /** Its place in the list of all (boot.fib_infos); all ones: it has none. */
  fib_id: u32
}

/** One next hop (struct fib_nh with its fib_nh_common). */
@unmanaged
@final
export class fib_nh {
  nh_parent: usize
  nhc_dev: usize
  nhc_oif: u32
  /** RTNH_F_* */
  nhc_flags: u32
  nhc_scope: u32
  /** Gateway in network order, 0: none. */
  nhc_gw: u32
  nhc_weight: i32
  nhc_upper_bound: i32
  nh_saddr: u32
  nh_saddr_genid: u32
  /** Cached routes: for packets that come in (rtable), and go out. */
  nhc_rth_input: usize
  nhc_pcpu_rth_output: usize
  /** Hash of fib_nh_exception: usize[FNHE_HASH_SIZE], 0 until the first. */
  nhc_exceptions: usize
  /** Others that leave by the same device (net_device.fib_nh_head). */
  nh_hash_next: usize
  nh_hash_prev: usize
}

export const FIB_INFO_NH: usize = offsetof<fib_info>()
export const FIB_NH_SIZE: usize = offsetof<fib_nh>()

export function fib_info_nh(fi: fib_info, i: u32): fib_nh {
  return changetype<fib_nh>(changetype<usize>(fi) + FIB_INFO_NH + <usize>i * FIB_NH_SIZE)
}

/** A route of a leaf (struct fib_alias), in order of prefix length, TOS and priority. */
@unmanaged
@final
export class fib_alias {
  next: usize
  fa_info: usize
  /** DSCP bits as in the TOS byte. */
  fa_tos: u8
  fa_type: u8
  fa_state: u8
  /** 32 - prefix length. */
  fa_slen: u8
  tb_id: u32
  fa_default: i32
}

export const FA_S_ACCESSED: u32 = 1
export const FIB_ALIAS_SIZE: u32 = offsetof<fib_alias>()

/** What fib_lookup found (struct fib_result). */
@unmanaged
@final
export class fib_result {
  prefix: u32
  prefixlen: u8
  type: u8
  scope: u8
  fi: usize
  /** The chosen fib_nh. */
  nhc: usize
  table: usize
  tos: u32
  /** The fib_alias that matched, and the first of its leaf. */
  fa: usize
  fa_head: usize
}

export const FIB_RESULT_SIZE: usize = offsetof<fib_result>()

export const FIB_LOOKUP_NOREF: u32 = 1
export const FIB_LOOKUP_IGNORE_LINKSTATE: u32 = 2

/** A route as configuration names it (struct fib_config): what the border hands in. */
@unmanaged
@final
export class fib_config {
  fc_dst_len: u8
  fc_tos: u8
  fc_protocol: u8
  fc_scope: u8
  fc_type: u8
  fc_gw_family: u8
  /** Metrics are given at fc_mx. */
  fc_has_mx: u8
  pad: u8
  fc_table: u32
  fc_dst: u32
  fc_gw4: u32
  fc_oif: u32
  /** RTNH_F_ONLINK */
  fc_flags: u32
  fc_priority: u32
  fc_prefsrc: u32
  /** u32[RTAX_MAX + 1]. */
  fc_mx: usize
  /** Next hops: fc_nhs records of {gateway, oif, weight, flags} (u32 each), 0: the single one above. */
  fc_mp: usize
  fc_nhs: u32
  /** NLM_F_* */
  fc_nlflags: u32
  /** Id of a nexthop object in place of next hops, 0: none. */
  fc_nh_id: u32
}

export const FIB_CONFIG_SIZE: usize = offsetof<fib_config>()
export const NLM_F_REPLACE: u32 = 0x100
export const NLM_F_EXCL: u32 = 0x200
export const NLM_F_CREATE: u32 = 0x400
export const NLM_F_APPEND: u32 = 0x800

/** A rule of policy routing (struct fib_rule with its IPv4 part); what a rule does not name is 0. */
@unmanaged
@final
export class fib_rule {
  next: usize
  pref: u32
  /** FIB_RULE_* */
  flags: u32
  table: u32
  /** FR_ACT_* */
  action: u8
  proto: u8
  ip_proto: u8
  /** Prefix lengths of src and dst. */
  src_len: u8
  dst_len: u8
  /** DSCP as in the TOS byte; with dscp_full it is compared under dscp_mask, else as a TOS (IPTOS_RT_MASK). */
  dscp: u8
  dscp_mask: u8
  dscp_full: u8
  src: u32
  srcmask: u32
  dst: u32
  dstmask: u32
  iifindex: u32
  oifindex: u32
  mark: u32
  mark_mask: u32
  /** Pref of the rule that FR_ACT_GOTO goes on with, and the rule, 0: there is none yet. */
  target: u32
  ctarget: usize
  /** A route with a prefix of at most this length does not count; -1: any does. */
  suppress_prefixlen: i32
  suppress_ifgroup: i32
  /** Ports in host order: from, to, and a mask for the first, 0: none. */
  sport_start: u16
  sport_end: u16
  sport_mask: u16
  dport_start: u16
  dport_end: u16
  dport_mask: u16
  uid_start: u32
  uid_end: u32
  uid_set: u32
  tun_id: u32
  /** Names of iif and oif: a rule survives its devices. */
  iifname0: u64
  iifname1: u64
  oifname0: u64
  oifname1: u64
}

export const FIB_RULE_SIZE: usize = offsetof<fib_rule>()
export const FIB_RULE_IIFNAME: usize = offsetof<fib_rule>('iifname0')
export const FIB_RULE_OIFNAME: usize = offsetof<fib_rule>('oifname0')
