// The source filter of a device's group: what all its users' filters come to, and which changes of it are news.
// Mirrors ip_mc_add_src, ip_mc_del_src, sf_markstate and sf_setstate of net/ipv4/igmp.c. Read first: RFC 3376 3.2 and 5.1.

import { IP_SF_LIST_SIZE, ip_sf_list } from '../../../include/igmp.ts'
import { in_dev_net, in_device, ip_mc_list } from '../../../include/netdevice.ts'
import { kfree, kmalloc, kzalloc } from '../../../lib/arena.ts'
import { walk } from '../../../trace/trace.ts'
import { EINVAL, ENOBUFS, ESRCH } from '../../../uapi/errno.ts'
import { FN_ip_mc_add_src, FN_ip_mc_del_src, FN_ip_rt_multicast_event } from '../../../uapi/functions.ts'
import { MCAST_EXCLUDE, MCAST_INCLUDE } from '../../../uapi/in.ts'
import { find_group, source_link, sources_of, tomb_of } from './lookup.ts'
import { robustness, speaks_v3 } from './state.ts'
import { igmp_ifc_event } from './timer.ts'

/** Groups changed, so routes to them may have: cached ones are stale. */
export function ip_rt_multicast_event(in_dev: in_device): void {
  walk(FN_ip_rt_multicast_event, 0)
  in_dev_net(in_dev).rt_genid += 1
}

function device_of(im: ip_mc_list): in_device {
  return changetype<in_device>(im.interface)
}

/** Users of a mode: of the group, and of one of its sources. */
function sfcount(im: ip_mc_list, mode: u32): u32 {
  return mode == MCAST_EXCLUDE ? im.sfcount_exclude : im.sfcount_include
}

export function sfcount_add(im: ip_mc_list, mode: u32, n: u32): void {
  if (mode == MCAST_EXCLUDE) im.sfcount_exclude += n
  else im.sfcount_include += n
}

function sf_count(psf: ip_sf_list, mode: u32): u32 {
  return mode == MCAST_EXCLUDE ? psf.sf_count_exclude : psf.sf_count_include
}

function sf_count_add(psf: ip_sf_list, mode: u32, n: u32): void {
  if (mode == MCAST_EXCLUDE) psf.sf_count_exclude += n
  else psf.sf_count_include += n
}

/** Does a report name this source: excluded by all that exclude, and included by none; or, if none excludes, included? */
function is_told(im: ip_mc_list, psf: ip_sf_list): bool {
  if (im.sfcount_exclude == 0) return psf.sf_count_include != 0
  return im.sfcount_exclude == psf.sf_count_exclude && psf.sf_count_include == 0
}

/** Remembers which sources reports name now. */
function sf_markstate(im: ip_mc_list): void {
  for (let p = im.sources; p; p = changetype<ip_sf_list>(p).sf_next) {
    const psf = changetype<ip_sf_list>(p)
    psf.sf_oldin = is_told(im, psf) ? 1 : 0
  }
}

/** A source that is named again need not be told as gone. */
function raise(im: ip_mc_list, source: u32): void {
  const link = source_link(tomb_of(im), source)
  const p = load<usize>(link)
  if (p == 0) return
  store<usize>(link, changetype<ip_sf_list>(p).sf_next)
  kfree(p, IP_SF_LIST_SIZE)
}

/** A source that is named no more, though users still name it, is to be told as gone. False: out of memory. */
function bury(im: ip_mc_list, psf: ip_sf_list, count: u32): bool {
  let p = load<usize>(source_link(tomb_of(im), psf.sf_inaddr))
  if (p == 0) {
    p = kmalloc(IP_SF_LIST_SIZE)
    if (p == 0) return false
    memory.copy(p, changetype<usize>(psf), IP_SF_LIST_SIZE)
    changetype<ip_sf_list>(p).sf_next = im.tomb
    im.tomb = p
  }
  changetype<ip_sf_list>(p).sf_crcount = count
  return true
}

/** Which sources reports name now and did not at sf_markstate, and the other way. True: there are such. */
function sf_setstate(im: ip_mc_list): bool {
  const count = robustness(device_of(im))
  let changed = false
  for (let p = im.sources; p; p = changetype<ip_sf_list>(p).sf_next) {
    const psf = changetype<ip_sf_list>(p)
    if (is_told(im, psf)) {
      if (psf.sf_oldin) continue
      raise(im, psf.sf_inaddr)
      psf.sf_crcount = count
      changed = true
    } else if (psf.sf_oldin) {
      psf.sf_crcount = 0
      if (bury(im, psf, count)) changed = true
    }
  }
  return changed
}

/** The interface is in another mode: that is told, and with it all sources. */
function change_mode(im: ip_mc_list, mode: u32): void {
  im.sfmode = mode
  im.crcount = robustness(device_of(im))
  for (let p = im.sources; p; p = changetype<ip_sf_list>(p).sf_next) changetype<ip_sf_list>(p).sf_crcount = 0
  igmp_ifc_event(device_of(im))
}

/** One more user names a source. False: out of memory. */
function ip_mc_add1_src(im: ip_mc_list, mode: u32, source: u32): bool {
  const link = source_link(sources_of(im), source)
  let p = load<usize>(link)
  if (p == 0) {
    p = kzalloc(IP_SF_LIST_SIZE)
    if (p == 0) return false
    changetype<ip_sf_list>(p).sf_inaddr = source
    store<usize>(link, p)
  }
  const psf = changetype<ip_sf_list>(p)
  sf_count_add(psf, mode, 1)
  if (sf_count(psf, mode) == 1) ip_rt_multicast_event(device_of(im))
  return true
}

/** One user less names a source. 1: that is to be told; 0; -ESRCH: none did. */
function ip_mc_del1_src(im: ip_mc_list, mode: u32, source: u32): i32 {
  const link = source_link(sources_of(im), source)
  const p = load<usize>(link)
  if (p == 0) return -ESRCH
  const psf = changetype<ip_sf_list>(p)
  if (sf_count(psf, mode) == 0) return -ESRCH
  sf_count_add(psf, mode, u32.MAX_VALUE)
  const in_dev = device_of(im)
  if (sf_count(psf, mode) == 0) ip_rt_multicast_event(in_dev)
  if (psf.sf_count_exclude | psf.sf_count_include) return 0
  store<usize>(link, psf.sf_next)
  if (!psf.sf_oldin || !speaks_v3(in_dev)) {
    kfree(p, IP_SF_LIST_SIZE)
    return 0
  }
  psf.sf_crcount = robustness(in_dev)
  psf.sf_next = im.tomb
  im.tomb = p
  return 1
}

/**
 * A user's filter of count sources (u32 each at sources) enters the group's; delta: the user was in this mode already.
 * 0; -ESRCH: the device is not a member; -ENOBUFS: out of memory, nothing changed.
 */
export function ip_mc_add_src(in_dev: in_device, group: u32, mode: u32, count: u32, sources: usize, delta: bool): i32 {
  walk(FN_ip_mc_add_src, 0)
  if (changetype<usize>(in_dev) == 0) return -ESRCH
  const im = find_group(in_dev, group)
  if (changetype<usize>(im) == 0) return -ESRCH
  sf_markstate(im)
  const was_exclude = im.sfmode == MCAST_EXCLUDE
  if (!delta) sfcount_add(im, mode, 1)
  for (let i: u32 = 0; i < count; i++) {
    if (ip_mc_add1_src(im, mode, load<u32>(sources + ((<usize>i) << 2)))) continue
    if (!delta) sfcount_add(im, mode, u32.MAX_VALUE)
    while (i-- > 0) ip_mc_del1_src(im, mode, load<u32>(sources + ((<usize>i) << 2)))
    return -ENOBUFS
  }
  const exclude = im.sfcount_exclude != 0
  if (was_exclude != exclude) {
    // Without any filter the mode stays, for reports.
    change_mode(im, exclude ? MCAST_EXCLUDE : im.sfcount_include ? MCAST_INCLUDE : im.sfmode)
  } else if (sf_setstate(im)) igmp_ifc_event(in_dev)
  return 0
}

/** The same the other way: 0; -ESRCH: not a member, or a source that was not named; -EINVAL: nobody is in that mode. */
export function ip_mc_del_src(in_dev: in_device, group: u32, mode: u32, count: u32, sources: usize, delta: bool): i32 {
  walk(FN_ip_mc_del_src, 0)
  if (changetype<usize>(in_dev) == 0) return -ESRCH
  const im = find_group(in_dev, group)
  if (changetype<usize>(im) == 0) return -ESRCH
  sf_markstate(im)
  if (!delta) {
    if (sfcount(im, mode) == 0) return -EINVAL
    sfcount_add(im, mode, u32.MAX_VALUE)
  }
  let err = 0
  let changed = false
  for (let i: u32 = 0; i < count; i++) {
    const rv = ip_mc_del1_src(im, mode, load<u32>(sources + ((<usize>i) << 2)))
    if (rv > 0) changed = true
    else if (err == 0) err = rv
  }
  if (im.sfmode == MCAST_EXCLUDE && im.sfcount_exclude == 0 && im.sfcount_include != 0) change_mode(im, MCAST_INCLUDE)
  else if (sf_setstate(im) || changed) igmp_ifc_event(in_dev)
  return err
}
