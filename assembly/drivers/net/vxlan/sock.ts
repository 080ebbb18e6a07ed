// The UDP sockets of VXLAN's devices: devices of one namespace and port share one. It is there while one of them is up.
// Mirrors vxlan_sock_add, vxlan_open and vxlan_stop of drivers/net/vxlan/vxlan_core.c and setup_udp_tunnel_sock.

import { ipv4_is_multicast } from '../../../include/ip.ts'
import { IP_MREQN_SIZE, ip_mreqn } from '../../../include/igmp.ts'
import { net } from '../../../include/net_namespace.ts'
import { net_device } from '../../../include/netdevice.ts'
import { INET_MC_LOOP, SOCKADDR_IN_SIZE, sock, sockaddr_in } from '../../../include/sock.ts'
import { vxlan_age_timer, vxlan_cfg, vxlan_dev, vxlan_of, vxlan_sock } from '../../../include/vxlan.ts'
import { timer_delete } from '../../../kernel/timer.ts'
import { kfree, kzalloc } from '../../../lib/arena.ts'
import { boot } from '../../../lib/boot.ts'
import { walk } from '../../../trace/trace.ts'
import { EADDRINUSE, ENOMEM } from '../../../uapi/errno.ts'
import { FN_setup_udp_tunnel_sock, FN_vxlan_open, FN_vxlan_stop } from '../../../uapi/functions.ts'
import { AF_INET, IPPROTO_UDP, SOCK_DGRAM } from '../../../uapi/socket.ts'
import { sockfd_lookup } from '../../../net/core/sock.ts'
import { inet_bind, inet_create, inet_release } from '../../../net/ipv4/af_inet.ts'
import { ip_mc_join_group, ip_mc_leave_group } from '../../../net/ipv4/igmp_sock.ts'
import { vxlan_age_start, vxlan_flush } from './fdb.ts'

const NAME: usize = memory.data(16, 16)
const MREQ: usize = memory.data(16, 16)
const SOCK_SIZE: usize = offsetof<vxlan_sock>()
const NO_SOCK: vxlan_sock = changetype<vxlan_sock>(0)

/** The socket itself. */
export function vxlan_sk(vs: vxlan_sock): sock {
  return sockfd_lookup(vs.handle)
}

function find(owner: usize, port: u32): vxlan_sock {
  let p = boot.vxlan_socks
  for (; p; p = changetype<vxlan_sock>(p).next) {
    const vs = changetype<vxlan_sock>(p)
    if (vs.net == owner && vs.port == port) return vs
  }
  return NO_SOCK
}

/** A socket at a port of all addresses, whose datagrams go to VXLAN. 0 or -errno: -EADDRINUSE, -ENOMEM. */
function open_socket(vs: vxlan_sock): i32 {
  const handle = inet_create(changetype<net>(vs.net), SOCK_DGRAM, IPPROTO_UDP)
  if (handle < 0) return handle
  const sk = sockfd_lookup(handle)
  memory.fill(NAME, 0, SOCKADDR_IN_SIZE)
  const sin = changetype<sockaddr_in>(NAME)
  sin.sin_family = <u16>AF_INET
  sin.sin_port = <u16>vs.port
  const err = inet_bind(sk, NAME, SOCKADDR_IN_SIZE)
  if (err) {
    inet_release(sk)
    return err
  }
  walk(FN_setup_udp_tunnel_sock, 0)
  sk.inet_flags &= ~INET_MC_LOOP
  sk.encap_type = 1
  sk.encap_rcv = <u32>changetype<usize>(vs)
  vs.handle = handle
  return 0
}

/** The device has its port. 0 or -errno. */
function vxlan_sock_add(vxlan: vxlan_dev): i32 {
  const port = vxlan_cfg(vxlan).dst_port
  let vs = find(vxlan.net, port)
  if (vs == NO_SOCK) {
    vs = changetype<vxlan_sock>(kzalloc(SOCK_SIZE))
    if (vs == NO_SOCK) return -ENOMEM
    vs.net = vxlan.net
    vs.port = port
    const err = open_socket(vs)
    if (err) {
      kfree(changetype<usize>(vs), SOCK_SIZE)
      return err
    }
    vs.next = boot.vxlan_socks
    boot.vxlan_socks = changetype<usize>(vs)
  }
  vs.refcnt += 1
  vxlan.vn_sock = changetype<usize>(vs)
  vxlan.hlist = vs.devs
  vs.devs = changetype<usize>(vxlan)
  return 0
}

function unlink(link: usize, p: usize, next: usize): void {
  while (load<usize>(link) != p) link = load<usize>(link) + next
  store<usize>(link, load<usize>(p + next))
}

function vxlan_sock_release(vxlan: vxlan_dev): void {
  const vs = changetype<vxlan_sock>(vxlan.vn_sock)
  if (vs == NO_SOCK) return
  vxlan.vn_sock = 0
  const head = changetype<usize>(vs) + offsetof<vxlan_sock>('devs')
  unlink(head, changetype<usize>(vxlan), offsetof<vxlan_dev>('hlist'))
  if (--vs.refcnt) return
  // A field of the boot block as the link to the first.
  if (boot.vxlan_socks == changetype<usize>(vs)) boot.vxlan_socks = vs.next
  else unlink(boot.vxlan_socks + offsetof<vxlan_sock>('next'), changetype<usize>(vs), offsetof<vxlan_sock>('next'))
  inet_release(vxlan_sk(vs))
  kfree(changetype<usize>(vs), SOCK_SIZE)
}

/** The group of a device's default remote, as a membership. */
function membership(vxlan: vxlan_dev): ip_mreqn {
  const cfg = vxlan_cfg(vxlan)
  memory.fill(MREQ, 0, IP_MREQN_SIZE)
  const mreq = changetype<ip_mreqn>(MREQ)
  mreq.imr_multiaddr = cfg.remote_ip
  mreq.imr_ifindex = cfg.remote_ifindex
  return mreq
}

/** Is the group still wanted by another device of the same socket? */
function group_used(vxlan: vxlan_dev): bool {
  const cfg = vxlan_cfg(vxlan)
  for (let p = changetype<vxlan_sock>(vxlan.vn_sock).devs; p; p = changetype<vxlan_dev>(p).hlist) {
    if (p == changetype<usize>(vxlan)) continue
    const other = vxlan_cfg(changetype<vxlan_dev>(p))
    if (other.remote_ip == cfg.remote_ip && other.remote_ifindex == cfg.remote_ifindex) return true
  }
  return false
}

/** The device goes up: its port, its group, the timer. 0 or -errno: -EADDRINUSE, -ENODEV, -ENOMEM. */
export function vxlan_open(dev: net_device): i32 {
  walk(FN_vxlan_open, 0)
  const vxlan = vxlan_of(dev)
  const err = vxlan_sock_add(vxlan)
  if (err) return err
  if (ipv4_is_multicast(vxlan_cfg(vxlan).remote_ip)) {
    const joined = ip_mc_join_group(vxlan_sk(changetype<vxlan_sock>(vxlan.vn_sock)), membership(vxlan))
    if (joined && joined != -EADDRINUSE) {
      vxlan_sock_release(vxlan)
      return joined
    }
  }
  vxlan_age_start(vxlan)
  return 0
}

/** It goes down: what was learned is forgotten. */
export function vxlan_stop(dev: net_device): void {
  walk(FN_vxlan_stop, 0)
  const vxlan = vxlan_of(dev)
  if (vxlan.vn_sock && ipv4_is_multicast(vxlan_cfg(vxlan).remote_ip) && !group_used(vxlan)) {
    ip_mc_leave_group(vxlan_sk(changetype<vxlan_sock>(vxlan.vn_sock)), membership(vxlan))
  }
  timer_delete(vxlan_age_timer(vxlan))
  vxlan_flush(vxlan, false)
  vxlan_sock_release(vxlan)
}
