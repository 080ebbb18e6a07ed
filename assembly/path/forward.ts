// Packets that are sent on the plain way: what leaves and what is counted is the same as on the long way, which whatever is not
// plain takes. A frame of a NIC's ring that nobody looks at before it is routed goes on without passing the stations in between.

import { inet_skb_parm, iphdr } from '../include/ip.ts'
import { fib_table } from '../include/ip_fib.ts'
import { mib_add, mib_inc, net } from '../include/net_namespace.ts'
import { QUEUE_STATE_ANY_XOFF_OR_FROZEN, netdev_queue, txq_trans_update } from '../include/netdev_queue.ts'
import { NETDEV_TX_OK, net_device } from '../include/netdevice.ts'
import { Qdisc, __QDISC_STATE_RUNNING, qdisc_cb } from '../include/sch_generic.ts'
import { CHECKSUM_COMPLETE, CHECKSUM_NONE, SKB_CB, SKB_CLONED, SKB_SHINFO, sk_buff } from '../include/skbuff.ts'
import { igb_xmit_frame } from '../drivers/net/igb.ts'
import {
  IGB_RXD_DD,
  IGB_RXD_EOP,
  IGB_SKB_PAD,
  igb_dma,
  igb_ring,
  igb_rx_desc,
  rx_desc_at,
} from '../drivers/net/igb_ring.ts'
import { dev_queue_xmit_plain } from '../net/core/dev_xmit.ts'
import { dev_requeue_skb } from '../net/core/qdisc_run.ts'
import { skb_headroom, skb_reset_mac_header } from '../net/core/skbuff.ts'
import { derived_goes_on, fib_derived_at, fib_derived_find, fib_derived_place } from '../net/ipv4/fib_trie/derived.ts'
import { key_vector, trie_derived } from '../net/ipv4/fib_trie/node.ts'
import { rt_tos2priority } from '../net/ipv4/ip_sockglue/tos.ts'
import { ETH_HLEN } from '../uapi/if_ether.ts'
import { PACKET_HOST } from '../uapi/in.ts'
import {
  IPSTATS_MIB_INOCTETS,
  IPSTATS_MIB_INPKTS,
  IPSTATS_MIB_NOECTPKTS,
  IPSTATS_MIB_OUTFORWDATAGRAMS,
  IPSTATS_MIB_OUTOCTETS,
  IPSTATS_MIB_OUTPKTS,
} from '../uapi/snmp.ts'
import { this_softnet } from '../include/softnet.ts'
import { ntohs } from '../lib/byteorder.ts'
import { ip_fast_csum } from '../lib/checksum.ts'
import {
  FORWARD_GATE,
  LINK_ROOM,
  fib_id_of,
  fib_id_of_entry,
  forward_gate,
  forward_unseen,
  forward_way,
  is_plain_address,
  way_for,
} from './forward_way.ts'

/** Where the destination lies in an Ethernet frame. */
const DADDR_IN_FRAME: usize = 30
const MAC_MASK: u64 = 0x0000ffffffffffff
/** First byte of a header without options. */
const IPV4_PLAIN: u32 = 0x45
/** The type of a frame with such a packet and that byte, as they lie at 12. */
const IPV4_PLAIN_FRAME: u32 = 0x450008
const IPV4_PLAIN_HLEN: u32 = 20
/** ETH_P_IP in network order. */
const P_IP: u16 = 0x0008
/** What look-ups ahead found, by the place in the ring. */
const AHEAD: u32 = 64
const AHEAD_ENTRIES: usize = memory.data(256, 64)

function ahead_at(i: u32): usize {
  return AHEAD_ENTRIES + ((<usize>i) << 2)
}

/** The destination of a received frame, if it is a packet of IPv4; host order. */
function destination_of(desc: igb_rx_desc): u32 {
  return bswap<u32>(load<u32>(desc.buffer + IGB_SKB_PAD + DADDR_IN_FRAME))
}

/**
 * Looks up the destinations of the packets that wait in a ring: these look-ups wait for memory together (twice the packets a
 * second with a million routes). In two rounds, as the fewer instructions lie between two loads the more of them are under way.
 */
export function forward_ahead(ring: igb_ring, owner: net, budget: u32): void {
  const gate = changetype<forward_gate>(FORWARD_GATE)
  gate.ahead = 0
  if (owner.fib_main == 0) return
  const derived = trie_derived(changetype<key_vector>(changetype<fib_table>(owner.fib_main).trie))
  if (derived == 0) return
  if (ring.fifo_head != ring.fifo_tail) igb_dma(ring)
  const mask = ring.count - 1
  const from = ring.rx_next_to_clean
  const most = min(budget, AHEAD)
  let count: u32 = 0
  for (; count < most; count++) {
    const desc = rx_desc_at(ring, (from + count) & mask)
    if (!(desc.status & IGB_RXD_DD)) break
    store<usize>(ahead_at(count), fib_derived_place(derived, destination_of(desc)))
  }
  for (let i: u32 = 0; i < count; i++) {
    const p = ahead_at(i)
    let entry = fib_derived_at(derived, load<usize>(p))
    if (derived_goes_on(entry)) {
      entry = fib_derived_find(derived, destination_of(rx_desc_at(ring, (from + i) & mask)))
    }
    store<u32>(p, entry)
  }
  gate.ahead = count
  gate.ahead_from = from
}

/** The number of the fib_info of the destination of the frame that is next in a ring: looked up ahead, or now. */
function fib_id_in_ring(gate: forward_gate, ring: igb_ring, owner: net, ip: iphdr): u32 {
  const i = (ring.rx_next_to_clean - gate.ahead_from) & (ring.count - 1)
  if (i >= gate.ahead) return fib_id_of(owner, ip)
  return fib_id_of_entry(changetype<fib_table>(owner.fib_main), load<u32>(ahead_at(i)))
}

/**
 * The way of the frame that is next in a ring (desc), if it is a plain packet to be sent on: for this host, whole, with a header
 * without options or faults. 0: it goes up as any frame. Nothing is done.
 */
export function forward_frame_way(ring: igb_ring, desc: igb_rx_desc, dev: net_device, owner: net): usize {
  if (!forward_unseen(dev, owner) || !(desc.status & IGB_RXD_EOP)) return 0
  const frame = desc.buffer + IGB_SKB_PAD
  const foreign = (load<u64>(frame) & MAC_MASK) ^ dev.dev_addr
  if (foreign | ((load<u32>(frame, 12) & 0xffffff) ^ IPV4_PLAIN_FRAME)) return 0
  const ip = changetype<iphdr>(frame + ETH_HLEN)
  const total = <u32>ntohs(ip.tot_len)
  const bytes = desc.length - ETH_HLEN
  if (total - IPV4_PLAIN_HLEN > bytes - IPV4_PLAIN_HLEN) return 0
  if (ip.ttl <= 1 || !is_plain_address(ip.daddr) || ip_fast_csum(changetype<usize>(ip), 5) != 0) return 0
  const id = fib_id_in_ring(changetype<forward_gate>(FORWARD_GATE), ring, owner, ip)
  return way_for(id, ip, total, dev, owner)
}

/** Sends on a frame that has a way: what the stations up to the routing decision count and set, then the way. The skb is gone. */
export function forward_frame(skb: sk_buff, way: usize, dev: net_device, owner: net): void {
  const frame = skb.data
  const ip = changetype<iphdr>(frame + ETH_HLEN)
  const total = <u32>ntohs(ip.tot_len)
  const network = <u16>(IGB_SKB_PAD + ETH_HLEN)
  this_softnet().processed += 1
  mib_inc(owner, IPSTATS_MIB_INPKTS)
  mib_add(owner, IPSTATS_MIB_INOCTETS, skb.len - ETH_HLEN)
  mib_inc(owner, IPSTATS_MIB_NOECTPKTS + ((<u32>ip.tos) & 3))
  skb.data = frame + ETH_HLEN
  skb.len = total
  skb.tail = changetype<usize>(ip) + total
  skb.protocol = P_IP
  skb.mac_header = <u16>IGB_SKB_PAD
  skb.network_header = network
  skb.transport_header = network + <u16>IPV4_PLAIN_HLEN
  skb.mac_len = <u16>ETH_HLEN
  skb.skb_iif = dev.ifindex
  changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).iif = dev.ifindex
  pass(skb, ip, owner, changetype<forward_gate>(FORWARD_GATE), changetype<forward_way>(way))
}

/** The header changes, and the packet leaves. */
function pass(skb: sk_buff, ip: iphdr, owner: net, gate: forward_gate, way: forward_way): void {
  mib_inc(owner, IPSTATS_MIB_OUTFORWDATAGRAMS)
  mib_inc(owner, IPSTATS_MIB_OUTPKTS)
  mib_add(owner, IPSTATS_MIB_OUTOCTETS, skb.len)
  gate.rt = way.rt
  gate.daddr = ip.daddr
  gate.tos = ip.tos
  const check = <u32>ip.check + 1
  ip.check = <u16>(check + u32(check >= 0xffff))
  ip.ttl -= 1
  if (gate.update_priority) skb.priority = rt_tos2priority(ip.tos)
  if (skb.ip_summed == <u8>CHECKSUM_COMPLETE) skb.ip_summed = <u8>CHECKSUM_NONE
  skb.tstamp = 0
  skb.dev = way.dev
  v128.store(skb.data - LINK_ROOM, v128.load(changetype<usize>(way)))
  skb.data -= ETH_HLEN
  skb.len += ETH_HLEN
  xmit(skb, way)
}

/** Past an empty queue to the ring, or as any packet (dev_queue_xmit_plain). */
function xmit(skb: sk_buff, way: forward_way): void {
  const q = changetype<Qdisc>(way.qdisc)
  const txq = changetype<netdev_queue>(way.txq)
  if (way.txq == 0 || q.qlen | (q.state & __QDISC_STATE_RUNNING) | (txq.state & QUEUE_STATE_ANY_XOFF_OR_FROZEN)) {
    dev_queue_xmit_plain(skb, changetype<net_device>(way.dev))
    return
  }
  skb.queue_mapping = 0
  skb_reset_mac_header(skb)
  q.bytes += skb.len
  q.packets += 1
  if (igb_xmit_frame(changetype<usize>(skb), way.dev) == NETDEV_TX_OK) txq_trans_update(txq)
  else {
    qdisc_cb(skb).pkt_len = skb.len
    dev_requeue_skb(changetype<usize>(skb), q)
  }
}

/**
 * Sends a packet on if its way is plain. False: nothing was done.
 *
 * Uses: data at a checked IP header, dev, which is forward_open, pkt_type. True: the skb is gone.
 */
export function forward_plain(skb: sk_buff, ip: iphdr, dev: net_device, owner: net): bool {
  const odd = ((<u32>ip.version_ihl) ^ IPV4_PLAIN) | ((<u32>skb.pkt_type) ^ PACKET_HOST) | (<u32>(skb.dst | skb.sk))
  if (odd | (skb.skb_flags & (SKB_CLONED | SKB_SHINFO))) return false
  if (ip.ttl <= 1 || !is_plain_address(ip.daddr) || skb_headroom(skb) < LINK_ROOM) return false
  const way = way_for(fib_id_of(owner, ip), ip, skb.len, dev, owner)
  if (way == 0) return false
  pass(skb, ip, owner, changetype<forward_gate>(FORWARD_GATE), changetype<forward_way>(way))
  return true
}
