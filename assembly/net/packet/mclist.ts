// What packet sockets make devices let in: groups, promiscuous mode, all multicast. Mirrors packet_mc_add and packet_mc_drop
// of net/packet/af_packet.c. A membership ends with its socket.

import { net } from '../../include/net_namespace.ts'
import { net_device } from '../../include/netdevice.ts'
import { PACKET_MCLIST_SIZE, packet_mclist, packet_sock } from '../../include/packet.ts'
import { sock } from '../../include/sock.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { EINVAL, ENODEV, ENOMEM } from '../../uapi/errno.ts'
import {
  PACKET_ADD_MEMBERSHIP,
  PACKET_MR_ALLMULTI,
  PACKET_MR_MULTICAST,
  PACKET_MR_PROMISC,
  PACKET_MR_UNICAST,
} from '../../uapi/in.ts'
import { __dev_get_by_index, dev_set_allmulti, dev_set_promiscuity } from '../core/dev.ts'
import { dev_mc_add, dev_mc_del, dev_uc_add, dev_uc_del } from '../core/dev_addr_lists.ts'

/** struct packet_mreq: index, type, length and bytes of an address. */
@unmanaged
@final
class packet_mreq {
  mr_ifindex: i32
  mr_type: u16
  mr_alen: u16
  mr_address_lo: u32
  mr_address_hi: u32
}

const PACKET_MREQ_SIZE: u32 = 16
/** With the longest address. */
const PACKET_MREQ_MAX: u32 = 40
const MR_ADDRESS: u32 = 8

/** The address of a list's entry, where dev_mc_add and its kin read it. */
function address_of(i: packet_mclist): usize {
  return changetype<usize>(i) + offsetof<packet_mclist>('addr_lo')
}

/** Asks the device for it (what 1) or takes that back (-1). A type that nobody knows asks for nothing. */
function packet_dev_mc(dev: net_device, i: packet_mclist, what: i32): i32 {
  const type = <u32>i.type
  if (type == PACKET_MR_PROMISC) dev_set_promiscuity(dev, what)
  else if (type == PACKET_MR_ALLMULTI) dev_set_allmulti(dev, what)
  else if (type == PACKET_MR_MULTICAST || type == PACKET_MR_UNICAST) {
    if (i.alen != dev.addr_len) return -EINVAL
    const at = address_of(i)
    if (type == PACKET_MR_MULTICAST) return what > 0 ? dev_mc_add(dev, at) : dev_mc_del(dev, at)
    return what > 0 ? dev_uc_add(dev, at) : dev_uc_del(dev, at)
  }
  return 0
}

/** Where the list links to this membership, or its end. */
function find(po: packet_sock, mreq: packet_mreq): usize {
  let link = changetype<usize>(po) + offsetof<packet_sock>('mclist')
  while (load<usize>(link)) {
    const i = changetype<packet_mclist>(load<usize>(link))
    const same = i.ifindex == mreq.mr_ifindex && i.type == mreq.mr_type && i.alen == mreq.mr_alen
    if (same && memory.compare(address_of(i), changetype<usize>(mreq) + MR_ADDRESS, i.alen) == 0) return link
    link = changetype<usize>(i) + offsetof<packet_mclist>('next')
  }
  return link
}

function packet_mc_add(sk: sock, po: packet_sock, mreq: packet_mreq): i32 {
  const dev = __dev_get_by_index(changetype<net>(sk.net), mreq.mr_ifindex)
  if (changetype<usize>(dev) == 0) return -ENODEV
  if (mreq.mr_alen > dev.addr_len) return -EINVAL
  const known = load<usize>(find(po, mreq))
  if (known) {
    changetype<packet_mclist>(known).count += 1
    return 0
  }
  const p = kzalloc(PACKET_MCLIST_SIZE)
  if (p == 0) return -ENOMEM
  const i = changetype<packet_mclist>(p)
  i.ifindex = mreq.mr_ifindex
  i.type = mreq.mr_type
  i.alen = mreq.mr_alen
  i.count = 1
  memory.copy(address_of(i), changetype<usize>(mreq) + MR_ADDRESS, mreq.mr_alen)
  const err = packet_dev_mc(dev, i, 1)
  if (err) {
    kfree(p, PACKET_MCLIST_SIZE)
    return err
  }
  i.next = po.mclist
  po.mclist = p
  return 0
}

/** Ends what link points at: the device, if it is still there, hears of it. */
function forget(sk: sock, link: usize): void {
  const p = load<usize>(link)
  const i = changetype<packet_mclist>(p)
  const dev = __dev_get_by_index(changetype<net>(sk.net), i.ifindex)
  if (changetype<usize>(dev)) packet_dev_mc(dev, i, -1)
  store<usize>(link, i.next)
  kfree(p, PACKET_MCLIST_SIZE)
}

/** One that the socket does not have is no error. */
function packet_mc_drop(sk: sock, po: packet_sock, mreq: packet_mreq): i32 {
  const link = find(po, mreq)
  const p = load<usize>(link)
  if (p && --changetype<packet_mclist>(p).count == 0) forget(sk, link)
  return 0
}

/** PACKET_ADD_MEMBERSHIP and PACKET_DROP_MEMBERSHIP: a packet_mreq of len bytes at ptr. 0 or -errno. */
export function packet_membership(sk: sock, name: u32, ptr: usize, len: u32): i32 {
  if (len < PACKET_MREQ_SIZE) return -EINVAL
  const mreq = changetype<packet_mreq>(ptr)
  if (min(len, PACKET_MREQ_MAX) < MR_ADDRESS + mreq.mr_alen) return -EINVAL
  const po = changetype<packet_sock>(sk.priv)
  return name == PACKET_ADD_MEMBERSHIP ? packet_mc_add(sk, po, mreq) : packet_mc_drop(sk, po, mreq)
}

/** All that a socket asked for ends (packet_flush_mclist). */
export function packet_flush_mclist(sk: sock): void {
  const po = changetype<packet_sock>(sk.priv)
  const head = changetype<usize>(po) + offsetof<packet_sock>('mclist')
  while (po.mclist) forget(sk, head)
}

/** A device goes: what a socket asked of it is forgotten (packet_dev_mclist_delete). */
export function packet_dev_mclist_delete(sk: sock, dev: net_device): void {
  const po = changetype<packet_sock>(sk.priv)
  let link = changetype<usize>(po) + offsetof<packet_sock>('mclist')
  while (load<usize>(link)) {
    const i = changetype<packet_mclist>(load<usize>(link))
    if (<u32>i.ifindex == dev.ifindex) forget(sk, link)
    else link = changetype<usize>(i) + offsetof<packet_mclist>('next')
  }
}
