// SO_REUSEPORT: sockets with one name share its packets, by a hash of the flow. Mirrors net/core/sock_reuseport.c.
// Left out here: choice by a program.

import { TCP_ESTABLISHED, sock } from '../../include/sock.ts'
import { kfree, kzalloc } from '../../lib/arena.ts'
import { boot } from '../../lib/boot.ts'
import { walk } from '../../trace/trace.ts'
import { EBUSY, ENOMEM } from '../../uapi/errno.ts'
import {
  FN_reuseport_add_sock,
  FN_reuseport_alloc,
  FN_reuseport_detach_sock,
  FN_reuseport_select_sock,
} from '../../uapi/functions.ts'
import { NO_SOCK } from './sock.ts'

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

/** The member for a flow of this hash: not a connected one, and one of this CPU where members name CPUs. */
export function reuseport_select_sock(sk: sock, hash: u32): sock {
  walk(FN_reuseport_select_sock, 0)
  const group = group_of(sk)
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
