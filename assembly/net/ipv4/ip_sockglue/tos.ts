// From the TOS byte to a packet's priority. Mirrors ip_tos2prio and rt_tos2priority of net/ipv4/route.c.

/** Four bits for each value of the TOS bits: best effort 0, bulk 2, interactive 6, interactive bulk 4. */
const TOS2PRIO: u64 = 0x4444666622220000

/** The priority (TC_PRIO_*) that a TOS byte asks for. */
export function rt_tos2priority(tos: u32): u32 {
  return (<u32>(TOS2PRIO >> ((tos & 0x1e) << 1))) & 15
}
