// Which hardware address is behind which host: entries that are written, learned and forgotten. Mirrors the forwarding database
// of drivers/net/vxlan/vxlan_core.c. Left out: nexthop objects, entries by source VNI.

import { net_device, netif_running } from '../../../include/netdevice.ts'
import {
  FDB_HASH_SIZE,
  VXLAN_FDB_SIZE,
  VXLAN_RDST_SIZE,
  vxlan_age_timer,
  vxlan_age_timer_dev,
  vxlan_cfg,
  vxlan_dev,
  vxlan_fdb,
  vxlan_rdst,
} from '../../../include/vxlan.ts'
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../../../include/ip_fib.ts'
import { mod_timer, time_after, time_after_eq } from '../../../kernel/timer.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { boot } from '../../../lib/boot.ts'
import { jhash_3words } from '../../../lib/jhash.ts'
import { walk } from '../../../trace/trace.ts'
import { SKB_DROP_REASON_MAC_INVALID_SOURCE, SKB_DROP_REASON_VXLAN_ENTRY_EXISTS } from '../../../uapi/dropreason.ts'
import { EEXIST, ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP } from '../../../uapi/errno.ts'
import { FN_vxlan_cleanup, FN_vxlan_snoop } from '../../../uapi/functions.ts'
import { NUD_NOARP, NUD_PERMANENT, NUD_REACHABLE } from '../../../uapi/neighbour.ts'

export const NO_FDB: vxlan_fdb = changetype<vxlan_fdb>(0)
/** Seconds between two looks for entries that are too old. */
const FDB_AGE_INTERVAL: u32 = 10
/** States of entries that do not age. */
const STATIC: u32 = NUD_PERMANENT | NUD_NOARP

function bucket(vxlan: vxlan_dev, mac: u64): usize {
  const hash = jhash_3words(<u32>mac, <u32>(mac >> 32), 0, boot.hash_seed)
  return vxlan.fdb + ((<usize>(hash & (FDB_HASH_SIZE - 1))) << 2)
}

/** The entry of an address (six bytes of eight), NO_FDB: none. */
export function vxlan_find_mac(vxlan: vxlan_dev, mac: u64): vxlan_fdb {
  let p = load<usize>(bucket(vxlan, mac))
  while (p && changetype<vxlan_fdb>(p).eth_addr != mac) p = changetype<vxlan_fdb>(p).next
  return changetype<vxlan_fdb>(p)
}

function find_rdst(f: vxlan_fdb, ip: u32, port: u32, vni: u32, ifindex: u32): usize {
  for (let p = f.remotes; p; p = changetype<vxlan_rdst>(p).next) {
    const rd = changetype<vxlan_rdst>(p)
    if (rd.remote_ip == ip && rd.remote_port == port && rd.remote_vni == vni && rd.remote_ifindex == ifindex) return p
  }
  return 0
}

/** One more remote, behind the others. False: out of memory. */
function append(f: vxlan_fdb, ip: u32, port: u32, vni: u32, ifindex: u32): bool {
  if (find_rdst(f, ip, port, vni, ifindex)) return true
  const p = kzalloc(VXLAN_RDST_SIZE)
  if (p == 0) return false
  const rd = changetype<vxlan_rdst>(p)
  rd.remote_ip = ip
  rd.remote_port = port
  rd.remote_vni = vni
  rd.remote_ifindex = ifindex
  let link = changetype<usize>(f) + offsetof<vxlan_fdb>('remotes')
  while (load<usize>(link)) link = load<usize>(link) + offsetof<vxlan_rdst>('next')
  store<usize>(link, p)
  return true
}

function free_entry(f: vxlan_fdb): void {
  for (let p = f.remotes; p;) {
    const next = changetype<vxlan_rdst>(p).next
    kfree(p, VXLAN_RDST_SIZE)
    p = next
  }
  kfree(changetype<usize>(f), VXLAN_FDB_SIZE)
}

function destroy(vxlan: vxlan_dev, f: vxlan_fdb): void {
  let link = bucket(vxlan, f.eth_addr)
  while (load<usize>(link) != changetype<usize>(f)) link = load<usize>(link) + offsetof<vxlan_fdb>('next')
  store<usize>(link, f.next)
  if (!(f.state & STATIC)) vxlan.addrcnt -= 1
  free_entry(f)
}

function create(vxlan: vxlan_dev, mac: u64, state: u32, ip: u32, port: u32, vni: u32, ifindex: u32): i32 {
  const most = vxlan_cfg(vxlan).addrmax
  if (!(state & STATIC) && most && vxlan.addrcnt >= most) return -ENOSPC
  const p = kzalloc(VXLAN_FDB_SIZE)
  if (p == 0) return -ENOMEM
  const f = changetype<vxlan_fdb>(p)
  f.eth_addr = mac
  f.state = state
  f.updated = boot.jiffies
  f.used = boot.jiffies
  if (!append(f, ip, port, vni, ifindex)) {
    free_entry(f)
    return -ENOMEM
  }
  const at = bucket(vxlan, mac)
  f.next = load<usize>(at)
  store<usize>(at, p)
  if (!(state & STATIC)) vxlan.addrcnt += 1
  return 0
}

function is_group(mac: u64): bool {
  return (mac & 1) != 0 || mac == 0
}

/**
 * Writes an entry: flags are NLM_F_CREATE, _EXCL, _APPEND, _REPLACE. 0; -EEXIST; -ENOENT: there is none to change; -EOPNOTSUPP: only
 * groups and the default have several remotes, only others have one that is replaced; -ENOSPC, -ENOMEM.
 */
export function vxlan_fdb_update(
  vxlan: vxlan_dev,
  mac: u64,
  state: u32,
  flags: u32,
  ip: u32,
  port: u32,
  vni: u32,
  ifindex: u32,
): i32 {
  const f = vxlan_find_mac(vxlan, mac)
  if (f == NO_FDB) {
    if (!(flags & NLM_F_CREATE)) return -ENOENT
    if (flags & NLM_F_REPLACE && is_group(mac)) return -EOPNOTSUPP
    return create(vxlan, mac, state, ip, port, vni, ifindex)
  }
  if (flags & NLM_F_EXCL) return -EEXIST
  if (flags & NLM_F_REPLACE) {
    if (is_group(mac)) return -EOPNOTSUPP
    const rd = changetype<vxlan_rdst>(f.remotes)
    rd.remote_ip = ip
    rd.remote_port = port
    rd.remote_vni = vni
    rd.remote_ifindex = ifindex
  }
  if (flags & NLM_F_APPEND && is_group(mac) && !append(f, ip, port, vni, ifindex)) return -ENOMEM
  if (f.state != state) {
    if (f.state & STATIC && !(state & STATIC)) vxlan.addrcnt += 1
    if (!(f.state & STATIC) && state & STATIC) vxlan.addrcnt -= 1
    f.state = state
    f.updated = boot.jiffies
  }
  return 0
}

/** Takes an entry out, or with an address one of its remotes. 0 or -ENOENT. */
export function vxlan_fdb_delete(vxlan: vxlan_dev, mac: u64, ip: u32, port: u32, vni: u32, ifindex: u32): i32 {
  const f = vxlan_find_mac(vxlan, mac)
  if (f == NO_FDB) return -ENOENT
  if (ip) {
    const p = find_rdst(f, ip, port, vni, ifindex)
    if (p == 0) return -ENOENT
    if (changetype<vxlan_rdst>(f.remotes).next) {
      let link = changetype<usize>(f) + offsetof<vxlan_fdb>('remotes')
      while (load<usize>(link) != p) link = load<usize>(link) + offsetof<vxlan_rdst>('next')
      store<usize>(link, changetype<vxlan_rdst>(p).next)
      kfree(p, VXLAN_RDST_SIZE)
      return 0
    }
  }
  destroy(vxlan, f)
  return 0
}

/** Where a frame came from is learned. 0, or why it must go: its source is no host's, or is known to be elsewhere. */
export function vxlan_snoop(vxlan: vxlan_dev, src_ip: u32, mac: u64, ifindex: u32): u32 {
  walk(FN_vxlan_snoop, 0)
  if (is_group(mac)) return SKB_DROP_REASON_MAC_INVALID_SOURCE
  const f = vxlan_find_mac(vxlan, mac)
  if (f == NO_FDB) {
    const dev = changetype<net_device>(vxlan.dev)
    const cfg = vxlan_cfg(vxlan)
    if (netif_running(dev)) create(vxlan, mac, NUD_REACHABLE, src_ip, cfg.dst_port, cfg.vni, ifindex)
    return 0
  }
  f.updated = boot.jiffies
  const rd = changetype<vxlan_rdst>(f.remotes)
  if (rd.remote_ip == src_ip && rd.remote_ifindex == ifindex) return 0
  if (f.state & STATIC) return SKB_DROP_REASON_VXLAN_ENTRY_EXISTS
  rd.remote_ip = src_ip
  return 0
}

/** Takes out all entries (every), or those that are not permanent. */
export function vxlan_flush(vxlan: vxlan_dev, every: bool): void {
  for (let i: usize = 0; i < <usize>FDB_HASH_SIZE; i++) {
    let p = load<usize>(vxlan.fdb + (i << 2))
    while (p) {
      const f = changetype<vxlan_fdb>(p)
      p = f.next
      if (every || !(f.state & STATIC)) destroy(vxlan, f)
    }
  }
}

/** The timer: entries that nobody was heard from go (vxlan_cleanup). */
export function vxlan_cleanup(timer: usize): void {
  walk(FN_vxlan_cleanup, 0)
  const vxlan = vxlan_age_timer_dev(timer)
  if (!netif_running(changetype<net_device>(vxlan.dev))) return
  const age = vxlan_cfg(vxlan).age_interval * boot.hz
  let next = boot.jiffies + FDB_AGE_INTERVAL * boot.hz
  for (let i: usize = 0; i < <usize>FDB_HASH_SIZE; i++) {
    let p = load<usize>(vxlan.fdb + (i << 2))
    while (p) {
      const f = changetype<vxlan_fdb>(p)
      p = f.next
      if (f.state & STATIC) continue
      const timeout = f.updated + age
      if (time_after_eq(boot.jiffies, timeout)) destroy(vxlan, f)
      else if (time_after(next, timeout)) next = timeout
    }
  }
  mod_timer(vxlan_age_timer(vxlan), next)
}

/** The device is up: the timer runs. */
export function vxlan_age_start(vxlan: vxlan_dev): void {
  if (vxlan_cfg(vxlan).age_interval) mod_timer(vxlan_age_timer(vxlan), boot.jiffies + FDB_AGE_INTERVAL * boot.hz)
}

/** One record of a dump: {address 8 bytes, remote, port, vni, ifindex, state, used and updated in jiffies ago: u32 each}. */
export const FDB_RECORD: usize = 36

/** Writes up to max remotes of all entries to out; answers how many there are. */
export function vxlan_fdb_dump(vxlan: vxlan_dev, out: usize, max: u32): u32 {
  let count: u32 = 0
  for (let i: usize = 0; i < <usize>FDB_HASH_SIZE; i++) {
    for (let p = load<usize>(vxlan.fdb + (i << 2)); p; p = changetype<vxlan_fdb>(p).next) {
      const f = changetype<vxlan_fdb>(p)
      for (let q = f.remotes; q; q = changetype<vxlan_rdst>(q).next) {
        if (count < max) record(out + <usize>count * FDB_RECORD, f, changetype<vxlan_rdst>(q))
        count++
      }
    }
  }
  return count
}

function record(at: usize, f: vxlan_fdb, rd: vxlan_rdst): void {
  store<u64>(at, f.eth_addr)
  store<u32>(at, rd.remote_ip, 8)
  store<u32>(at, rd.remote_port, 12)
  store<u32>(at, rd.remote_vni, 16)
  store<u32>(at, rd.remote_ifindex, 20)
  store<u32>(at, f.state, 24)
  store<u32>(at, boot.jiffies - f.used, 28)
  store<u32>(at, boot.jiffies - f.updated, 32)
}
