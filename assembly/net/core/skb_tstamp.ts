// Stamps of what is sent: what a sender asks for, and a copy of the packet in its error queue for each stage that was passed.
// Mirrors sock_tx_timestamp of include/net/sock.h and skb_tstamp_tx of net/core/skbuff.c. Who sees a packet with SKB_TX_STAMP
// tells the stage by __skb_tstamp_tx.

import { boot } from '../../lib/boot.ts'
import { inet_skb_parm } from '../../include/ip.ts'
import { sockcm_cookie } from '../../include/ipcm.ts'
import { net_device } from '../../include/netdevice.ts'
import {
  SKBTX_ANY_TSTAMP,
  SKBTX_COMPLETION_TSTAMP,
  SKBTX_HW_TSTAMP,
  SKBTX_IN_PROGRESS,
  SKBTX_SCHED_TSTAMP,
  SKBTX_SW_TSTAMP,
  SKB_BORN_SENT,
  SKB_CB,
  SKB_HW_STAMP,
  SKB_TX_STAMP,
  sk_buff,
} from '../../include/skbuff.ts'
import { sock } from '../../include/sock.ts'
import { walk } from '../../trace/trace.ts'
import { SKB_DROP_REASON_NOT_SPECIFIED } from '../../uapi/dropreason.ts'
import { ENOMSG } from '../../uapi/errno.ts'
import { FN___skb_complete_tx_timestamp, FN___skb_tstamp_tx, FN_skb_tstamp_tx } from '../../uapi/functions.ts'
import { SO_EE_ORIGIN_TIMESTAMPING } from '../../uapi/in.ts'
import {
  SCM_TSTAMP_SCHED,
  SCM_TSTAMP_SND,
  SOCKCM_FLAG_TS_OPT_ID,
  SOF_TIMESTAMPING_OPT_ID,
  SOF_TIMESTAMPING_OPT_TSONLY,
  SOF_TIMESTAMPING_OPT_TX_SWHW,
  SOF_TIMESTAMPING_TX_COMPLETION,
  SOF_TIMESTAMPING_TX_HARDWARE,
  SOF_TIMESTAMPING_TX_SCHED,
  SOF_TIMESTAMPING_TX_SOFTWARE,
} from '../../uapi/socket.ts'
import { skb_orphan_frags_rx } from './msg_zerocopy.ts'
import { alloc_skb, kfree_skb_reason, skb_clear_cb, skb_clone, skb_reset_network_header, skb_shinfo } from './skbuff.ts'
import { SKB_EXT_ERR, sock_queue_err_skb } from './sock.ts'

/** The SKBTX_* that tsflags (SOF_TIMESTAMPING_*) ask for. */
export function sock_tx_timestamp(tsflags: u32): u32 {
  let flags: u32 = 0
  if (tsflags & SOF_TIMESTAMPING_TX_HARDWARE) flags |= SKBTX_HW_TSTAMP
  if (tsflags & SOF_TIMESTAMPING_TX_SOFTWARE) flags |= SKBTX_SW_TSTAMP
  if (tsflags & SOF_TIMESTAMPING_TX_SCHED) flags |= SKBTX_SCHED_TSTAMP
  if (tsflags & SOF_TIMESTAMPING_TX_COMPLETION) flags |= SKBTX_COMPLETION_TSTAMP
  return flags
}

/** The number of the next packet of sk that is stamped: what the message said (id), or the socket's count. */
function next_key(sk: sock, tsflags: u32, id: u32): u32 {
  if (tsflags & SOCKCM_FLAG_TS_OPT_ID) return id
  sk.sk_tskey += 1
  return sk.sk_tskey - 1
}

/** Gives a packet the stamps (SKBTX_*) that tx_flags ask for, and its number if the socket counts; tsflags, id: the message's. */
export function skb_set_tx_stamps(skb: sk_buff, sk: sock, tx_flags: u32, tsflags: u32, id: u32): void {
  const shinfo = skb_shinfo(skb)
  shinfo.tx_flags = <u8>tx_flags
  skb.skb_flags |= SKB_TX_STAMP
  if (tx_flags & SKBTX_ANY_TSTAMP && sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) shinfo.tskey = next_key(sk, tsflags, id)
}

/** The same for a packet that is not made by ip_append_data. */
export function skb_setup_tx_timestamp(skb: sk_buff, sk: sock, sockc: sockcm_cookie): void {
  const tx_flags = sock_tx_timestamp(sockc.tsflags)
  if (tx_flags) skb_set_tx_stamps(skb, sk, tx_flags, sockc.tsflags, sockc.ts_opt_id)
}

/** Puts a stamped copy into the error queue; a full one loses it. */
function __skb_complete_tx_timestamp(skb: sk_buff, sk: sock, stage: u32, key: u32): void {
  walk(FN___skb_complete_tx_timestamp, changetype<usize>(skb))
  const ifindex = skb.dev ? changetype<net_device>(skb.dev).ifindex : 0
  skb_clear_cb(skb)
  changetype<inet_skb_parm>(changetype<usize>(skb) + SKB_CB).iif = ifindex
  const serr = SKB_EXT_ERR(skb)
  serr.ee_errno = ENOMSG
  serr.ee_origin = <u8>SO_EE_ORIGIN_TIMESTAMPING
  serr.ee_info = stage
  if (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) serr.ee_data = key
  if (sock_queue_err_skb(sk, skb)) kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___skb_complete_tx_timestamp)
}

/** A packet of a socket has passed a stage (SCM_TSTAMP_*) now: its sender gets a copy, or with OPT_TSONLY the stamp alone. */
function __skb_tstamp_tx(orig: sk_buff, stage: u32, hardware: bool): void {
  walk(FN___skb_tstamp_tx, changetype<usize>(orig))
  if (orig.sk == 0) return
  const sk = changetype<sock>(orig.sk)
  const both = (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_TX_SWHW) != 0
  if (!hardware && !both && skb_shinfo(orig).tx_flags & (<u8>SKBTX_IN_PROGRESS)) return
  const tsonly = sk.sk_tsflags & SOF_TIMESTAMPING_OPT_TSONLY
  const skb = tsonly ? alloc_skb(0, 0, sk.net, SKB_BORN_SENT) : skb_clone(orig)
  if (changetype<usize>(skb) == 0) return
  if (!skb_orphan_frags_rx(skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED, FN___skb_tstamp_tx)
    return
  }
  if (tsonly) skb_reset_network_header(skb)
  skb.tstamp = boot.now
  if (hardware) skb.skb_flags |= SKB_HW_STAMP
  __skb_complete_tx_timestamp(skb, sk, stage, skb_shinfo(orig).tskey)
}

/** A packet with SKB_TX_STAMP comes to the queue of its device. */
export function skb_tstamp_sched(skb: sk_buff): void {
  if (skb_shinfo(skb).tx_flags & (<u8>SKBTX_SCHED_TSTAMP)) __skb_tstamp_tx(skb, SCM_TSTAMP_SCHED, false)
}

/** A driver hands a packet to its hardware: called once it is sure to take it (skb_tx_timestamp). */
export function skb_tx_timestamp(skb: sk_buff): void {
  if (!(skb.skb_flags & SKB_TX_STAMP) || !(skb_shinfo(skb).tx_flags & (<u8>SKBTX_SW_TSTAMP))) return
  walk(FN_skb_tstamp_tx, changetype<usize>(skb))
  __skb_tstamp_tx(skb, SCM_TSTAMP_SND, false)
}

/** The hardware has sent the packet now, by its clock. */
export function skb_tstamp_hw(skb: sk_buff): void {
  walk(FN_skb_tstamp_tx, changetype<usize>(skb))
  __skb_tstamp_tx(skb, SCM_TSTAMP_SND, true)
}
