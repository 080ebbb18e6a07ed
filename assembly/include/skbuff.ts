// One packet: its head (sk_buff), its data and what lies behind the data (skb_shared_info).
// Mirrors linux/skbuff.h. Ownership: DESIGN 4. Operations: net/core/skbuff.ts.

/** ip_summed: what is known of the checksum. */
export const CHECKSUM_NONE: u32 = 0
export const CHECKSUM_UNNECESSARY: u32 = 1
export const CHECKSUM_COMPLETE: u32 = 2
export const CHECKSUM_PARTIAL: u32 = 3

/** Room before the data that drivers leave (NET_SKB_PAD). */
export const NET_SKB_PAD: u32 = 64
/** What an sk_buff and an skb_shared_info take in Linux on x86-64: truesize counts in these. */
export const SKB_HEAD_TRUESIZE: u32 = 256
export const SKB_SHINFO_TRUESIZE: u32 = 320

/** skb_flags */
export const SKB_CLONED: u32 = 1
export const SKB_IGNORE_DF: u32 = 2
export const SKB_L4_HASH: u32 = 4
/** dst was borrowed, not counted (skb_dst_set_noref). */
export const SKB_DST_NOREF: u32 = 8
/** The checksum was found right in software (csum_valid). */
export const SKB_CSUM_VALID: u32 = 16
export const SKB_CSUM_COMPLETE_SW: u32 = 32
export const SKB_ENCAPSULATION: u32 = 64
export const SKB_PEEKED: u32 = 128
export const SKB_REDIRECTED: u32 = 256
/** What lies at end is initialised: it is when somebody first looks (skb_shinfo). Most packets never need it. */
export const SKB_SHINFO: u32 = 512
/** Its shared info says which stages of its way its sender wants stamps of (tx_flags). */
export const SKB_TX_STAMP: u32 = 1024
/** Its shared info has a notification (destructor_arg): its pages are its sender's. */
export const SKB_ZEROCOPY: u32 = 2048
/** tstamp is of a device's clock (skb_hwtstamps). */
export const SKB_HW_STAMP: u32 = 4096

/** tx_flags of the shared info: stamps by the hardware, the driver, when it is delivered, and before the queue. */
export const SKBTX_HW_TSTAMP: u32 = 1
export const SKBTX_SW_TSTAMP: u32 = 2
/** The hardware's stamp will come: software's is not wanted then. */
export const SKBTX_IN_PROGRESS: u32 = 4
export const SKBTX_COMPLETION_TSTAMP: u32 = 8
export const SKBTX_SCHED_TSTAMP: u32 = 64
export const SKBTX_ANY_TSTAMP: u32 = SKBTX_HW_TSTAMP | SKBTX_SW_TSTAMP | SKBTX_COMPLETION_TSTAMP | SKBTX_SCHED_TSTAMP

/**
 * One packet and where its parts lie; bytes 0 to SKB_ZEROED are zero after allocation.
 *
 *   0      4      8     12    16                64        72       76          80    84
 *   | next | prev | dev | sk  | cb (48 bytes)   | tstamp  | dst    | destructor| len | data_len | ...
 *
 *   head          data               tail         end
 *    | headroom    | bytes of the     | tailroom   | skb_shared_info
 *    |             | current layer on |            |
 */
@unmanaged
@final
export class sk_buff {
  next: usize
  prev: usize
  /** The device it came from or leaves by (net_device), 0 for none yet. */
  dev: usize
  sk: usize
  cb0: u64
  cb1: u64
  cb2: u64
  cb3: u64
  cb4: u64
  cb5: u64
  /** Arrival or departure time in ns, 0: not stamped. */
  tstamp: u64
  /** Route (rtable), 0: none. */
  dst: usize
  /** Table index of the function that ends its owner's accounting, 0: none. */
  destructor: u32
  /** Bytes from data to tail, plus data_len in fragments. */
  len: u32
  data_len: u32
  mac_len: u16
  queue_mapping: u16
  hash: u32
  /** ETH_P_* in network order. */
  protocol: u16
  /** Offsets from head, so that they survive a copy. */
  transport_header: u16
  network_header: u16
  mac_header: u16
  pkt_type: u8
  ip_summed: u8
  csum_level: u8
  nfctinfo: u8
  /** CHECKSUM_COMPLETE: the sum; CHECKSUM_PARTIAL: csum_start from head (low half), csum_offset (high half). */
  csum: u32
  priority: u32
  mark: u32
  skb_iif: u32
  /** Tag of the frame, host order, with its kind (ETH_P_8021Q or 8021AD, network order): skb_vlan_all. */
  vlan_tci: u16
  vlan_proto: u16
  skb_flags: u32
  inner_transport_header: u16
  inner_network_header: u16
  inner_mac_header: u16
  inner_protocol: u16
  nfct: usize
  /** The namespace whose accounts count it (DESIGN 7). */
  owner: usize
  /** Where it arrived: frame number of its device, for those who ask which frame was lost. */
  rx_seq: u32
  /** Until here zeroed. */
  head: usize
  data: usize
  tail: usize
  end: usize
  truesize: u32
  users: u32
  /** Its name in the trace. */
  id: u32
  fclone: u32
}

/** A VLAN tag that was taken out of the frame, vlan_tci with vlan_proto (which says its kind) above; 0: there is none. */
export function skb_vlan_all(skb: sk_buff): u32 {
  return load<u32>(changetype<usize>(skb), offsetof<sk_buff>('vlan_tci'))
}

/** Bytes of an sk_buff that allocation zeroes: all before head. */
export const SKB_ZEROED: usize = 152

/** cb begins here. */
export const SKB_CB: usize = 16

export const MAX_SKB_FRAGS: u32 = 17

/** gso_type: what a packet of segments is made of. */
export const SKB_GSO_TCPV4: u32 = 1
/** From a source that is not to be trusted: its headers are looked at again. */
export const SKB_GSO_DODGY: u32 = 1 << 1
export const SKB_GSO_TCP_ECN: u32 = 1 << 2
/** All segments have one IP id. */
export const SKB_GSO_TCP_FIXEDID: u32 = 1 << 3
export const SKB_GSO_TCPV6: u32 = 1 << 4
export const SKB_GSO_IPXIP4: u32 = 1 << 8
export const SKB_GSO_UDP_TUNNEL: u32 = 1 << 10
export const SKB_GSO_UDP_TUNNEL_CSUM: u32 = 1 << 11
/** A datagram that is cut into IP fragments. */
export const SKB_GSO_UDP: u32 = 1 << 16
export const SKB_GSO_UDP_L4: u32 = 1 << 17
/** The segments are ready: they hang on the fragment list. */
export const SKB_GSO_FRAGLIST: u32 = 1 << 18
/** A gso_size that says: by fragments. No packet from outside may have it. */
export const GSO_BY_FRAGS: u32 = 0xffff

/** What segmentation keeps in a packet's cb, behind what IP has there. */
@unmanaged
@final
export class skb_gso_cb {
  /** Headroom before the outermost header. */
  mac_offset: i32
  /** Bytes of IP headers passed so far: not 0 within a tunnel. */
  encap_level: u32
  /** Sum of what was summed already, and the offset from head at which that begins. */
  csum: u32
  csum_start: u32
}

export const SKB_GSO_CB_OFFSET: usize = 32

export function SKB_GSO_CB(skb: sk_buff): skb_gso_cb {
  return changetype<skb_gso_cb>(changetype<usize>(skb) + SKB_CB + SKB_GSO_CB_OFFSET)
}

/**
 * Lies at end; the data's own count of users (dataref), and what is not in the linear part.
 *
 *  0         4          5          6          8          10         12         16          24
 *  | dataref | nr_frags | tx_flags | gso_size | gso_segs | (2)      | gso_type | frag_list | tskey | frags[17] {page, offset, size}
 */
@unmanaged
@final
export class skb_shared_info {
  dataref: u32
  nr_frags: u8
  tx_flags: u8
  gso_size: u16
  gso_segs: u16
  gso_flags: u16
  gso_type: u32
  frag_list: usize
  tskey: u32
  /** A notification of MSG_ZEROCOPY (an sk_buff), 0: none. */
  destructor_arg: usize
}

/** How many packets of the wire it stands for, 1 unless somebody counted. */
export function skb_gso_segs(skb: sk_buff): u32 {
  if (!(skb.skb_flags & SKB_SHINFO)) return 1
  const segs = <u32>changetype<skb_shared_info>(skb.end).gso_segs
  return segs ? segs : 1
}

/** One entry of frags: bytes on a refcounted page. */
@unmanaged
@final
export class skb_frag {
  page: usize
  offset: u32
  size: u32
}

export const SKB_FRAGS_OFFSET: usize = 32
/** Room behind end: shared info and MAX_SKB_FRAGS entries of 12 bytes. */
export const SKB_SHINFO_SIZE: u32 = 256

/** How an skb came into being and how it ended: the accounts of DESIGN 7. */
export const SKB_BORN_RECEIVED: u32 = 0
export const SKB_BORN_SENT: u32 = 1
export const SKB_BORN_CLONED: u32 = 2
export const SKB_BORN_SEGMENTED: u32 = 3
export const SKB_BORN_FRAGMENTED: u32 = 4
export const SKB_BORN_MOVED: u32 = 5
export const SKB_BORN_MAX: u32 = 6

export const SKB_ENDED_DELIVERED: u32 = 0
export const SKB_ENDED_TRANSMITTED: u32 = 1
export const SKB_ENDED_ABSORBED: u32 = 2
export const SKB_ENDED_MERGED: u32 = 3
export const SKB_ENDED_DROPPED: u32 = 4
export const SKB_ENDED_MOVED: u32 = 5
export const SKB_ENDED_MAX: u32 = 6

/** A queue of skbs, linked by next and prev; head and tail 0 when empty. */
@unmanaged
@final
export class sk_buff_head {
  head: usize
  tail: usize
  qlen: u32
}

/** cb of a notification of MSG_ZEROCOPY while its sends are under way. */
@unmanaged
@final
export class ubuf_info_msgzc {
  /** Packets that hold it, and the call that makes them. */
  refcnt: u32
  /** Number of its first send, and how many sends it is for; their bytes. */
  id: u32
  len: u32
  bytelen: u32
  /** 0: a packet had to be copied. */
  zerocopy: u32
}

/** What the cb of a notification holds. */
export function ubuf_of(uarg: usize): ubuf_info_msgzc {
  return changetype<ubuf_info_msgzc>(uarg + SKB_CB)
}
