// Headers of the link and transport layers, read in place; fields stay in network order.
// RFC 894 (Ethernet), RFC 826 (ARP), RFC 768 (UDP), RFC 792 (ICMP), RFC 9293 3.1 (TCP), RFC 2236 (IGMP).

@unmanaged
@final
export class ethhdr {
  dest_lo: u32
  dest_hi: u16
  source_lo: u16
  source_hi: u32
  proto: u16
}

/** ARP for Ethernet and IPv4 has 8 bytes of header, then sender MAC, sender IP, target MAC, target IP. */
@unmanaged
@final
export class arphdr {
  ar_hrd: u16
  ar_pro: u16
  ar_hln: u8
  ar_pln: u8
  ar_op: u16
}

@unmanaged
@final
export class udphdr {
  source: u16
  dest: u16
  len: u16
  check: u16
}

@unmanaged
@final
export class icmphdr {
  type: u8
  code: u8
  checksum: u16
  /** id and sequence (echo), gateway (redirect), or unused and MTU (frag needed). */
  un: u32
}

@unmanaged
@final
export class tcphdr {
  source: u16
  dest: u16
  seq: u32
  ack_seq: u32
  /** Data offset in the high four bits. */
  doff_res: u8
  flags: u8
  window: u16
  check: u16
  urg_ptr: u16
}

export const UDP_HLEN: u32 = 8
export const ICMP_HLEN: u32 = 8
export const TCP_HLEN: u32 = 20
