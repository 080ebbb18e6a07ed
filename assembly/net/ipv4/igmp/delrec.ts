// Groups that a device left, kept until reports have told so. Mirrors igmpv3_add_delrec, igmpv3_del_delrec and
// igmpv3_clear_delrec of net/ipv4/igmp.c. Read first: RFC 3376 5.1.

import { ip_sf_list } from '../../../include/igmp.ts'
import { IP_MC_LIST_SIZE, in_device, ip_mc_list } from '../../../include/netdevice.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { FN_igmpv3_clear_delrec, FN_igmpv3_del_delrec } from '../../../uapi/functions.ts'
import { MCAST_INCLUDE } from '../../../uapi/in.ts'
import { sources_of, tomb_of } from './lookup.ts'
import { ip_sf_list_clear_all, robustness } from './state.ts'

/** All sources of a list are told so many times. */
function mark(list: usize, count: u32): void {
  for (let p = list; p; p = changetype<ip_sf_list>(p).sf_next) changetype<ip_sf_list>(p).sf_crcount = count
}

function free_pmc(pmc: ip_mc_list): void {
  ip_sf_list_clear_all(sources_of(pmc))
  ip_sf_list_clear_all(tomb_of(pmc))
  kfree(changetype<usize>(pmc), IP_MC_LIST_SIZE)
}

/** A group is left: its record takes over the sources of an INCLUDE filter. Without memory nothing is told. */
export function igmpv3_add_delrec(in_dev: in_device, im: ip_mc_list): void {
  const p = kzalloc(IP_MC_LIST_SIZE)
  if (p == 0) return
  const pmc = changetype<ip_mc_list>(p)
  pmc.interface = im.interface
  pmc.multiaddr = im.multiaddr
  pmc.crcount = robustness(in_dev)
  pmc.sfmode = im.sfmode
  if (pmc.sfmode == MCAST_INCLUDE) {
    pmc.tomb = im.tomb
    pmc.sources = im.sources
    im.tomb = 0
    im.sources = 0
    mark(pmc.sources, pmc.crcount)
  }
  pmc.next = in_dev.mc_tomb
  in_dev.mc_tomb = p
}

/** A group is joined that was left: what reports still had to tell of it becomes news of the group that is there again. */
export function igmpv3_del_delrec(in_dev: in_device, im: ip_mc_list): void {
  walk(FN_igmpv3_del_delrec, 0)
  let link = changetype<usize>(in_dev) + offsetof<in_device>('mc_tomb')
  let p = load<usize>(link)
  while (p && changetype<ip_mc_list>(p).multiaddr != im.multiaddr) {
    link = p + offsetof<ip_mc_list>('next')
    p = load<usize>(link)
  }
  if (p == 0) return
  const pmc = changetype<ip_mc_list>(p)
  store<usize>(link, pmc.next)
  if (im.sfmode == MCAST_INCLUDE) {
    const tomb = im.tomb
    const sources = im.sources
    im.tomb = pmc.tomb
    im.sources = pmc.sources
    pmc.tomb = tomb
    pmc.sources = sources
    mark(im.sources, robustness(in_dev))
  } else im.crcount = robustness(in_dev)
  free_pmc(pmc)
}

/** Nothing is to be told any more of groups and sources that went. */
export function igmpv3_clear_delrec(in_dev: in_device): void {
  walk(FN_igmpv3_clear_delrec, 0)
  let p = in_dev.mc_tomb
  in_dev.mc_tomb = 0
  while (p) {
    const pmc = changetype<ip_mc_list>(p)
    p = pmc.next
    free_pmc(pmc)
  }
  for (p = in_dev.mc_list; p; p = changetype<ip_mc_list>(p).next)
    ip_sf_list_clear_all(tomb_of(changetype<ip_mc_list>(p)))
}
