// SO_REUSEPORT: sockets with one name share its packets, by a program or by a hash of the flow.
// Mirrors net/core/sock_reuseport.c. Left out: programs of eBPF.

import { sk_filter } from '../../include/filter.ts'
import { sk_buff } from '../../include/skbuff.ts'
import { TCP_ESTABLISHED, sock } from '../../include/sock.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { boot } from '../../lib/boot.ts'
import { IS_ERR, PTR_ERR } from '../../lib/err.ts'
import { walk } from '../../trace/trace.ts'
import { EBUSY, EINVAL, ENOENT, ENOMEM } from '../../uapi/errno.ts'
import {
  FN_reuseport_add_sock,
  FN_reuseport_alloc,
  FN_reuseport_detach_sock,
  FN_reuseport_select_sock,
  FN_run_bpf_filter,
  FN_sk_reuseport_attach_filter,
} from '../../uapi/functions.ts'
import { filter_from_user } from './filter.ts'
import { filter_size, optmem_max } from './filter/charge.ts'
import { filter_put, first_step } from './filter/decode.ts'
import { bpf_prog_run } from './filter/run.ts'
import { skb_push } from './skbuff.ts'
import { pskb_pull } from './skbuff_data.ts'

const NO_SOCK: sock = changetype<sock>(0)

/** A group; socks is an array of max_socks places, the first num_socks of them taken. */
@unmanaged
@final
export class sock_reuseport {
  max_socks: u32
  num_socks: u32
  /** Some of it are connected: look-ups must score them. */
  has_conns: u32
  /** How many have SO_INCOMING_CPU. */
  incoming_cpu: u32
  bind_inany: u32
  socks: usize
  /** Chooses a member by its place (a counted sk_filter), 0: the hash does. */
  prog: usize
}

const GROUP_SIZE: usize = offsetof<sock_reuseport>()
const FIRST_SOCKS: u32 = 128

function group_of(sk: sock): sock_reuseport {
  return changetype<sock_reuseport>(sk.sk_reuseport_cb)
}

function member(group: sock_reuseport, i: u32): sock {
  return changetype<sock>(load<usize>(group.socks + ((<usize>i) << 2)))
}

function put_member(group: sock_reuseport, i: u32, sk: sock): void {
  store<usize>(group.socks + ((<usize>i) << 2), changetype<usize>(sk))
}

/** The first of a group. 0 or -ENOMEM. */
export function reuseport_alloc(sk: sock, bind_inany: bool): i32 {
  walk(FN_reuseport_alloc, 0)
  if (sk.sk_reuseport_cb) {
    if (bind_inany) group_of(sk).bind_inany = 1
    return 0
  }
  const p = kzalloc(GROUP_SIZE)
  if (p == 0) return -ENOMEM
  const group = changetype<sock_reuseport>(p)
  group.socks = kzalloc((<usize>FIRST_SOCKS) << 2)
  if (group.socks == 0) {
    kfree(p, GROUP_SIZE)
    return -ENOMEM
  }
  group.max_socks = FIRST_SOCKS
  group.num_socks = 1
  group.bind_inany = u32(bind_inany)
  group.incoming_cpu = u32(sk.sk_incoming_cpu >= 0)
  put_member(group, 0, sk)
  sk.sk_reuseport_cb = p
  return 0
}

function grow(group: sock_reuseport): bool {
  const bytes = (<usize>group.max_socks) << 2
  const socks = kzalloc(bytes * 2)
  if (socks == 0) return false
  memory.copy(socks, group.socks, bytes)
  kfree(group.socks, bytes)
  group.socks = socks
  group.max_socks *= 2
  return true
}

/** sk joins the group of sk2, which is made if need be. 0, -EBUSY (sk is in another one) or -ENOMEM. */
export function reuseport_add_sock(sk: sock, sk2: sock, bind_inany: bool): i32 {
  walk(FN_reuseport_add_sock, 0)
  if (sk2.sk_reuseport_cb == 0) {
    const err = reuseport_alloc(sk2, bind_inany)
    if (err) return err
  }
  if (sk.sk_reuseport_cb) {
    if (group_of(sk).num_socks != 1) return -EBUSY
    reuseport_detach_sock(sk)
  }
  const group = group_of(sk2)
  if (group.num_socks == group.max_socks && !grow(group)) return -ENOMEM
  put_member(group, group.num_socks, sk)
  group.num_socks += 1
  group.incoming_cpu += u32(sk.sk_incoming_cpu >= 0)
  sk.sk_reuseport_cb = changetype<usize>(group)
  return 0
}

/** The socket leaves: the last of the group takes its place. */
export function reuseport_detach_sock(sk: sock): void {
  walk(FN_reuseport_detach_sock, 0)
  const group = group_of(sk)
  sk.sk_reuseport_cb = 0
  if (sk.sk_incoming_cpu >= 0) group.incoming_cpu -= 1
  for (let i: u32 = 0; i < group.num_socks; i++) {
    if (member(group, i) != sk) continue
    group.num_socks -= 1
    put_member(group, i, member(group, group.num_socks))
    break
  }
  if (group.num_socks) return
  filter_put(group.prog)
  kfree(group.socks, (<usize>group.max_socks) << 2)
  kfree(changetype<usize>(group), GROUP_SIZE)
}

/** SO_INCOMING_CPU of a member changes. */
export function reuseport_update_incoming_cpu(sk: sock, cpu: i32): void {
  if (sk.sk_reuseport_cb) {
    const group = group_of(sk)
    group.incoming_cpu = group.incoming_cpu - u32(sk.sk_incoming_cpu >= 0) + u32(cpu >= 0)
  }
  sk.sk_incoming_cpu = cpu
}

/** Look-ups cannot stop at this group any more. */
export function reuseport_has_conns_set(sk: sock): void {
  if (sk.sk_reuseport_cb) group_of(sk).has_conns = 1
}

export function reuseport_has_conns(sk: sock): bool {
  return sk.sk_reuseport_cb != 0 && group_of(sk).has_conns != 0
}

/** SO_ATTACH_REUSEPORT_CBPF: the program, bytes at ptr, chooses for the whole group from now on. 0 or -errno. */
export function sk_reuseport_attach_filter(sk: sock, ptr: usize, bytes: u32): i32 {
  walk(FN_sk_reuseport_attach_filter, 0)
  const prog = filter_from_user(sk, ptr, bytes)
  if (IS_ERR(prog)) return PTR_ERR(prog)
  const fits = filter_size(changetype<sk_filter>(prog)) <= optmem_max(sk)
  const err = fits ? reuseport_attach_prog(sk, prog) : -ENOMEM
  if (err) filter_put(prog)
  return err
}

/** A socket without a name begins its group now; one that was bound without SO_REUSEPORT never has one. */
function reuseport_attach_prog(sk: sock, prog: usize): i32 {
  if (sk.inet_num == 0) {
    if (!sk.sk_reuseport) return -EINVAL
    const err = reuseport_alloc(sk, false)
    if (err) return err
  }
  if (sk.sk_reuseport_cb == 0) return -EINVAL
  const group = group_of(sk)
  filter_put(group.prog)
  group.prog = prog
  return 0
}

/** SO_DETACH_REUSEPORT_BPF. 0, -ENOENT: there is no program; -EINVAL: no group either. */
export function reuseport_detach_prog(sk: sock): i32 {
  if (sk.sk_reuseport_cb == 0) return sk.sk_reuseport ? -ENOENT : -EINVAL
  const group = group_of(sk)
  if (group.prog == 0) return -ENOENT
  filter_put(group.prog)
  group.prog = 0
  return 0
}

/** The member that the program names, seeing the packet behind header bytes. NO_SOCK: it names none. */
function run_bpf_filter(group: sock_reuseport, skb: sk_buff, header: u32): sock {
  walk(FN_run_bpf_filter, changetype<usize>(skb))
  if (!pskb_pull(skb, header)) return NO_SOCK
  const i = bpf_prog_run(first_step(changetype<sk_filter>(group.prog)), skb)
  skb_push(skb, header)
  return i < group.num_socks ? member(group, i) : NO_SOCK
}

/** The member for a flow of this hash: not a connected one, and one of this CPU where members name CPUs. */
function reuseport_select_sock_by_hash(group: sock_reuseport, hash: u32): sock {
  const count = group.num_socks
  let i = <u32>((<u64>hash * count) >> 32)
  let first = NO_SOCK
  for (let n: u32 = 0; n < count; n++) {
    const candidate = member(group, i)
    if (candidate.sk_state != <u8>TCP_ESTABLISHED) {
      if (group.incoming_cpu == 0 || candidate.sk_incoming_cpu == <i32>boot.cpu) return candidate
      if (changetype<usize>(first) == 0) first = candidate
    }
    i++
    if (i == count) i = 0
  }
  return first
}

/**
 * The member of sk's group for a packet (0: there is none, as when an error is about one) whose transport header has so
 * many bytes: the one its program names, else that of the hash.
 */
export function reuseport_select_sock(sk: sock, hash: u32, skb: usize, header: u32): sock {
  walk(FN_reuseport_select_sock, 0)
  const group = group_of(sk)
  if (group.prog && skb) {
    const chosen = run_bpf_filter(group, changetype<sk_buff>(skb), header)
    if (changetype<usize>(chosen)) return chosen
  }
  return reuseport_select_sock_by_hash(group, hash)
}
