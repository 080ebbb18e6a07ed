// Reports: current state, changes of state (version 3), and those of one group (versions 1 and 2). Mirrors igmpv3_send_report,
// igmpv3_send_cr and igmp_send_report of net/ipv4/igmp.c. Read first: RFC 3376 5, RFC 2236 3.

import { IGMP_HLEN, IP_SF_LIST_SIZE, igmphdr, ip_sf_list } from '../../../include/igmp.ts'
import { IP_MC_LIST_SIZE, in_device, ip_mc_list, net_device } from '../../../include/netdevice.ts'
import { sk_buff } from '../../../include/skbuff.ts'
import { kfree } from '../../../lib/arena.ts'
import { IS_ERR } from '../../../lib/err.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_igmp_send_report, FN_igmpv3_send_cr, FN_igmpv3_send_report } from '../../../uapi/functions.ts'
import {
  IGMPV3_ALLOW_NEW_SOURCES,
  IGMPV3_BLOCK_OLD_SOURCES,
  IGMPV3_CHANGE_TO_EXCLUDE,
  IGMPV3_CHANGE_TO_INCLUDE,
  IGMPV3_HOST_MEMBERSHIP_REPORT,
  IGMPV3_MODE_IS_EXCLUDE,
  IGMPV3_MODE_IS_INCLUDE,
  IGMP_HOST_LEAVE_MESSAGE,
} from '../../../uapi/igmp.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../uapi/in.ts'
import { dst_release } from '../../core/dst.ts'
import { NO_SKB, skb_put } from '../../core/skbuff.ts'
import { add_grec, igmpv3_sendpack } from './grec.ts'
import { sources_of, tomb_of } from './lookup.ts'
import { IGMP_IP_HLEN, igmp_ip_header, igmp_route, igmp_send, igmp_skb } from './packet.ts'
import { is_reported } from './state.ts'

/** 224.0.0.2, all routers. */
const ALL_ROUTERS: u32 = 0x020000e0

function current_state(skb: sk_buff, im: ip_mc_list): sk_buff {
  return add_grec(skb, im, im.sfcount_exclude ? IGMPV3_MODE_IS_EXCLUDE : IGMPV3_MODE_IS_INCLUDE, false, false)
}

/** Reports the current state of a group, or (NO_GROUP) of all. */
export function igmpv3_send_report(in_dev: in_device, im: ip_mc_list): void {
  walk(FN_igmpv3_send_report, 0)
  let skb = NO_SKB
  if (changetype<usize>(im)) {
    skb = current_state(skb, im)
  } else {
    for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) {
      const group = changetype<ip_mc_list>(p)
      if (is_reported(in_dev, group.multiaddr)) skb = current_state(skb, group)
    }
  }
  if (changetype<usize>(skb)) igmpv3_sendpack(skb)
}

/** Sources of which nothing is left to tell go. */
function igmpv3_clear_zeros(list: usize): void {
  let link = list
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const psf = changetype<ip_sf_list>(p)
    if (psf.sf_crcount) {
      link = p + offsetof<ip_sf_list>('sf_next')
      continue
    }
    store<usize>(link, psf.sf_next)
    kfree(p, IP_SF_LIST_SIZE)
  }
}

/** Records of the groups that were left; those that are told go. */
function add_left(in_dev: in_device, first: sk_buff): sk_buff {
  let skb = first
  let link = changetype<usize>(in_dev) + offsetof<in_device>('mc_tomb')
  for (let p = load<usize>(link); p; p = load<usize>(link)) {
    const im = changetype<ip_mc_list>(p)
    if (im.sfmode == MCAST_INCLUDE) {
      skb = add_grec(skb, im, IGMPV3_BLOCK_OLD_SOURCES, true, false)
      skb = add_grec(skb, im, IGMPV3_BLOCK_OLD_SOURCES, true, true)
    }
    if (im.crcount) {
      if (im.sfmode == MCAST_EXCLUDE) skb = add_grec(skb, im, IGMPV3_CHANGE_TO_INCLUDE, true, false)
      im.crcount -= 1
      if (im.crcount == 0) {
        igmpv3_clear_zeros(tomb_of(im))
        igmpv3_clear_zeros(sources_of(im))
      }
    }
    if (im.crcount == 0 && im.tomb == 0 && im.sources == 0) {
      store<usize>(link, im.next)
      kfree(p, IP_MC_LIST_SIZE)
    } else link = p + offsetof<ip_mc_list>('next')
  }
  return skb
}

/** Records of what changed in one group. */
function add_changes(first: sk_buff, im: ip_mc_list): sk_buff {
  const exclude = im.sfcount_exclude != 0
  const came = exclude ? IGMPV3_BLOCK_OLD_SOURCES : IGMPV3_ALLOW_NEW_SOURCES
  const went = exclude ? IGMPV3_ALLOW_NEW_SOURCES : IGMPV3_BLOCK_OLD_SOURCES
  let skb = add_grec(first, im, came, false, false)
  skb = add_grec(skb, im, went, false, true)
  if (im.crcount) {
    const mode = im.sfmode == MCAST_EXCLUDE ? IGMPV3_CHANGE_TO_EXCLUDE : IGMPV3_CHANGE_TO_INCLUDE
    skb = add_grec(skb, im, mode, false, false)
    im.crcount -= 1
  }
  return skb
}

/** Reports what changed since the change before: each change is told as often as the robustness says. */
export function igmpv3_send_cr(in_dev: in_device): void {
  walk(FN_igmpv3_send_cr, 0)
  let skb = add_left(in_dev, NO_SKB)
  for (let p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next) skb = add_changes(skb, changetype<ip_mc_list>(p))
  if (changetype<usize>(skb)) igmpv3_sendpack(skb)
}

/** Sends a message of a type (IGMP_HOST_MEMBERSHIP_REPORT and so on) about one group. */
export function igmp_send_report(in_dev: in_device, im: ip_mc_list, type: u32): void {
  if (type == IGMPV3_HOST_MEMBERSHIP_REPORT) {
    igmpv3_send_report(in_dev, im)
    return
  }
  walk(FN_igmp_send_report, 0)
  if (!is_reported(in_dev, im.multiaddr)) return
  const daddr = type == IGMP_HOST_LEAVE_MESSAGE ? ALL_ROUTERS : im.multiaddr
  const dev = changetype<net_device>(in_dev.dev)
  const rt = igmp_route(dev, daddr)
  if (IS_ERR(rt)) return
  const skb = igmp_skb(dev, IGMP_IP_HLEN + IGMP_HLEN)
  if (changetype<usize>(skb) == 0) {
    dst_release(rt)
    return
  }
  igmp_ip_header(skb, rt, in_dev, false)
  const ih = changetype<igmphdr>(skb_put(skb, IGMP_HLEN))
  ih.type = <u8>type
  ih.code = 0
  ih.group = im.multiaddr
  igmp_send(skb)
}
