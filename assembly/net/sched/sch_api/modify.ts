// Qdiscs are made, changed, put in another's place and taken away. Mirrors tc_modify_qdisc, tc_get_qdisc, qdisc_create and
// qdisc_graft of net/sched/sch_api.c; nothing changes when a request is refused.

import { boot } from '../../../lib/boot.ts'
import { netdev_get_tx_queue } from '../../../include/netdev_queue.ts'
import { __LINK_STATE_START, net_device } from '../../../include/netdevice.ts'
import {
  Qdisc,
  TCQ_F_ONETXQUEUE,
  TC_H_MAJ,
  TC_H_MIN,
  TC_H_ROOT,
  qdisc_dev_queue,
  qdisc_ops,
} from '../../../include/sch_generic.ts'
import { ERR_PTR, IS_ERR } from '../../../lib/err.ts'
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP } from '../../../uapi/errno.ts'
import {
  EXTACK_CANNOT_MOVE,
  EXTACK_CLASSID_NOT_FOUND,
  EXTACK_CLASSID_ZERO,
  EXTACK_CLASS_NOT_FOUND,
  EXTACK_CREATE_FLAG,
  EXTACK_DEL_ZERO_HANDLE,
  EXTACK_EXCL_MODIFY,
  EXTACK_EXCL_OVERRIDE,
  EXTACK_HANDLE_NOT_FOUND,
  EXTACK_INVALID_HANDLE,
  EXTACK_KIND_MISMATCH,
  EXTACK_KIND_UNKNOWN,
  EXTACK_LOOP,
  EXTACK_MINOR_HANDLE,
  EXTACK_NONE,
  EXTACK_NOQUEUE_CLASS,
  EXTACK_NOT_CLASSFUL,
  EXTACK_NO_CHANGE,
  EXTACK_NO_QDISC,
  EXTACK_PARENT_NOT_FOUND,
  EXTACK_QDISC_NOT_FOUND,
  EXTACK_REPLACE_NEEDED,
  EXTACK_ZERO_HANDLE,
} from '../../../uapi/extack.ts'
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  QDISC_MQ,
  QDISC_NOOP,
  QDISC_NOQUEUE,
} from '../../../uapi/pkt_sched.ts'
import { dev_activate, dev_deactivate, dev_graft_qdisc } from '../dev_activate.ts'
import {
  NO_QDISC,
  qdisc_alloc,
  qdisc_hash_add,
  qdisc_free,
  qdisc_lookup,
  qdisc_put,
  qdisc_unmake,
} from '../sch_generic.ts'

const FIRST_HANDLE: u32 = 0x80000000
const ONE_MAJOR: u32 = 0x10000
/** Handles that are tried before there is none left. */
const HANDLES: u32 = 0x8000

/** A handle that no qdisc of the device has, 0: there is none. */
function qdisc_alloc_handle(dev: net_device): u32 {
  if (boot.qdisc_autohandle == 0) boot.qdisc_autohandle = FIRST_HANDLE
  for (let i: u32 = 0; i < HANDLES; i++) {
    boot.qdisc_autohandle += ONE_MAJOR
    if (boot.qdisc_autohandle == TC_H_MAJ(TC_H_ROOT)) boot.qdisc_autohandle = FIRST_HANDLE
    if (changetype<usize>(qdisc_lookup(dev, boot.qdisc_autohandle)) == 0) return boot.qdisc_autohandle
  }
  return 0
}

/** The child in a class; 0: it has none. A negative pointer: -EOPNOTSUPP without classes, -ENOENT. */
function qdisc_leaf(parent: Qdisc, classid: u32): usize {
  const ops = qdisc_ops(parent.kind)
  if (ops.find == 0) return <usize>refused(EOPNOTSUPP, EXTACK_NOT_CLASSFUL)
  const cl = call_indirect<u32>(ops.find, changetype<usize>(parent), classid)
  return cl
    ? call_indirect<usize>(ops.leaf, changetype<usize>(parent), cl)
    : <usize>refused(ENOENT, EXTACK_CLASS_NOT_FOUND)
}

/** A qdisc of a kind with options, listed but in nobody's place; a negative pointer: -errno. */
function qdisc_create(dev: net_device, p: Qdisc, parent: u32, handle: u32, kind: u32, opt: usize): usize {
  const own = changetype<usize>(p) ? qdisc_dev_queue(p) : netdev_get_tx_queue(dev, 0)
  const of_queue = changetype<usize>(p) && p.kind == QDISC_MQ
  const minor = TC_H_MIN(parent)
  const txq = of_queue && minor - 1 < dev.num_tx_queues ? netdev_get_tx_queue(dev, minor - 1) : own
  const sch = qdisc_alloc(txq, kind)
  if (changetype<usize>(sch) == 0) return ERR_PTR(ENOMEM)
  sch.parent = parent
  sch.handle = handle ? handle : qdisc_alloc_handle(dev)
  if (dev.num_tx_queues == 1) sch.flags |= TCQ_F_ONETXQUEUE
  if (sch.handle == 0) {
    qdisc_free(sch)
    return ERR_PTR(ENOSPC)
  }
  const init = qdisc_ops(kind).init
  const err = init ? call_indirect<i32>(init, changetype<usize>(sch), opt) : 0
  if (err) {
    qdisc_unmake(sch)
    return <usize>err
  }
  qdisc_hash_add(sch)
  return changetype<usize>(sch)
}

/** In the place of the device's root, for all its queues. */
function graft_root(dev: net_device, fresh: Qdisc): void {
  const up = (dev.state & __LINK_STATE_START) != 0
  if (up) dev_deactivate(dev)
  const attach = changetype<usize>(fresh) ? qdisc_ops(fresh.kind).attach : 0
  if (attach == 0) {
    for (let i: u32 = 0; i < dev.num_tx_queues; i++) {
      const old = dev_graft_qdisc(netdev_get_tx_queue(dev, i), fresh)
      if (changetype<usize>(fresh) && i > 0) fresh.refcnt += 1
      qdisc_put(old)
    }
    if (changetype<usize>(fresh)) fresh.refcnt += 1
  }
  const old = changetype<Qdisc>(dev.qdisc)
  dev.qdisc = changetype<usize>(fresh) ? changetype<usize>(fresh) : boot.noop_qdisc
  qdisc_put(old)
  if (attach) call_indirect<void>(attach, changetype<usize>(fresh))
  if (up) dev_activate(dev)
}

/** In a class's place, or the root's when there is no parent; fresh NO_QDISC takes away. 0 or -errno. */
function qdisc_graft(dev: net_device, parent: Qdisc, classid: u32, fresh: Qdisc): i32 {
  if (changetype<usize>(parent) == 0) {
    graft_root(dev, fresh)
    return 0
  }
  const ops = qdisc_ops(parent.kind)
  if (ops.graft == 0) return -EOPNOTSUPP
  const cl = call_indirect<u32>(ops.find, changetype<usize>(parent), classid)
  if (cl == 0) return refused(ENOENT, EXTACK_CLASS_NOT_FOUND)
  if (changetype<usize>(fresh) && fresh.kind == QDISC_NOQUEUE) return refused(EINVAL, EXTACK_NOQUEUE_CLASS)
  const old = call_indirect<usize>(ops.graft, changetype<usize>(parent), cl, changetype<usize>(fresh))
  qdisc_put(changetype<Qdisc>(old))
  return 0
}

/** Would q below parent be below itself? */
function check_loop(q: Qdisc, parent: Qdisc, dev: net_device): bool {
  let at = parent
  while (changetype<usize>(at)) {
    if (changetype<usize>(at) == changetype<usize>(q)) return true
    if (at.parent == TC_H_ROOT || at.parent == 0) return false
    at = qdisc_lookup(dev, TC_H_MAJ(at.parent))
  }
  return false
}

/** Other options for a qdisc that is there. */
function qdisc_change(sch: Qdisc, opt: usize): i32 {
  if (opt == 0) return 0
  const change = qdisc_ops(sch.kind).change
  return change ? call_indirect<i32>(change, changetype<usize>(sch), opt) : refused(EINVAL, EXTACK_NO_CHANGE)
}

/** Makes one where the request says so, and puts it in its place. */
function create_n_graft(dev: net_device, p: Qdisc, parent: u32, handle: u32, kind: u32, flags: u32, opt: usize): i32 {
  if (!(flags & NLM_F_CREATE)) return refused(ENOENT, EXTACK_CREATE_FLAG)
  if (kind == QDISC_NOOP) return refused(ENOENT, EXTACK_KIND_UNKNOWN)
  const made = qdisc_create(dev, p, parent, handle, kind, opt)
  if (IS_ERR(made)) return <i32>made
  const err = qdisc_graft(dev, p, parent, changetype<Qdisc>(made))
  if (err) qdisc_put(changetype<Qdisc>(made))
  return err
}

/** Refused, and why. */
function refused(errno: i32, extack: u32): i32 {
  boot.extack = extack
  return -errno
}

/** May a request without a handle put another kind in the place of one that is there? All may but `link`. */
function may_supersede(flags: u32): bool {
  return flags == 0 || ((flags & NLM_F_CREATE) != 0 && (flags & (NLM_F_REPLACE | NLM_F_EXCL)) != 0)
}

/** A qdisc that is already there has this handle, or is meant without one. */
function modify_known(q: Qdisc, kind: u32, flags: u32, opt: usize): i32 {
  if (flags & NLM_F_EXCL) return refused(EEXIST, EXTACK_EXCL_MODIFY)
  return kind == q.kind ? qdisc_change(q, opt) : refused(EINVAL, EXTACK_KIND_MISMATCH)
}

/** One of this handle that the request names is in nobody's place yet, or in another's. */
function graft_known(dev: net_device, p: Qdisc, q: Qdisc, parent: u32, kind: u32, flags: u32): i32 {
  if (q.parent != parent) return refused(EINVAL, EXTACK_CANNOT_MOVE)
  if (flags & NLM_F_EXCL) return refused(EEXIST, EXTACK_EXCL_OVERRIDE)
  if (kind != q.kind) return refused(EINVAL, EXTACK_KIND_MISMATCH)
  if (check_loop(q, p, dev)) return refused(ELOOP, EXTACK_LOOP)
  q.refcnt += 1
  const err = qdisc_graft(dev, p, parent, q)
  if (err) qdisc_put(q)
  return err
}

/**
 * Makes or changes a qdisc (RTM_NEWQDISC). parent: a class, or TC_H_ROOT; handle 0: one is chosen. opt: options as in
 * ../options.ts, 0: none.
 */
export function tc_modify_qdisc(dev: net_device, parent: u32, handle: u32, kind: u32, flags: u32, opt: usize): i32 {
  boot.extack = EXTACK_NONE
  let p = NO_QDISC
  let q = NO_QDISC
  if (parent == 0) {
    if (handle == 0) return refused(EINVAL, EXTACK_ZERO_HANDLE)
    q = qdisc_lookup(dev, handle)
    return changetype<usize>(q) ? modify_known(q, kind, flags, opt) : refused(ENOENT, EXTACK_QDISC_NOT_FOUND)
  }
  if (parent == TC_H_ROOT) q = changetype<Qdisc>(dev.qdisc)
  else {
    p = qdisc_lookup(dev, TC_H_MAJ(parent))
    if (changetype<usize>(p) == 0) return refused(ENOENT, EXTACK_PARENT_NOT_FOUND)
    const leaf = qdisc_leaf(p, parent)
    if (IS_ERR(leaf)) return <i32>leaf
    q = changetype<Qdisc>(leaf)
  }
  // What a device has by itself does not count.
  if (changetype<usize>(q) && q.handle == 0) q = NO_QDISC
  const there = changetype<usize>(q) != 0
  if (there && handle && q.handle == handle) return modify_known(q, kind, flags, opt)
  if (handle == 0) {
    if (!there) return create_n_graft(dev, p, parent, handle, kind, flags, opt)
    if (kind == q.kind || !may_supersede(flags)) return modify_known(q, kind, flags, opt)
    return create_n_graft(dev, p, parent, handle, kind, flags | NLM_F_CREATE, opt)
  }
  if (there && !(flags & NLM_F_REPLACE)) return refused(EEXIST, EXTACK_REPLACE_NEEDED)
  if (TC_H_MIN(handle)) return refused(EINVAL, EXTACK_MINOR_HANDLE)
  q = qdisc_lookup(dev, handle)
  if (changetype<usize>(q) == 0) return create_n_graft(dev, p, parent, handle, kind, flags, opt)
  return graft_known(dev, p, q, parent, kind, flags)
}

/** No kind was named in the request. */
const ANY_KIND: u32 = 0xffffffff

/** Takes a qdisc away (RTM_DELQDISC); what stands above gets its default back. handle 0, kind ANY_KIND: whichever is there. */
export function tc_del_qdisc(dev: net_device, parent: u32, handle: u32, kind: u32): i32 {
  boot.extack = EXTACK_NONE
  let p = NO_QDISC
  let q = changetype<Qdisc>(dev.qdisc)
  if (parent == 0) {
    q = qdisc_lookup(dev, handle)
    if (changetype<usize>(q) == 0) return refused(ENOENT, EXTACK_HANDLE_NOT_FOUND)
  } else if (parent != TC_H_ROOT) {
    p = qdisc_lookup(dev, TC_H_MAJ(parent))
    if (changetype<usize>(p) == 0) return refused(ENOENT, EXTACK_CLASSID_NOT_FOUND)
    const leaf = qdisc_leaf(p, parent)
    if (IS_ERR(leaf)) return <i32>leaf
    q = changetype<Qdisc>(leaf)
  }
  if (changetype<usize>(q) == 0) return refused(ENOENT, EXTACK_NO_QDISC)
  if (handle && q.handle != handle) return refused(EINVAL, EXTACK_INVALID_HANDLE)
  if (kind != ANY_KIND && kind != q.kind) return refused(EINVAL, EXTACK_KIND_MISMATCH)
  if (parent == 0) return refused(EINVAL, EXTACK_CLASSID_ZERO)
  if (q.handle == 0) return refused(ENOENT, EXTACK_DEL_ZERO_HANDLE)
  return qdisc_graft(dev, p, parent, NO_QDISC)
}
