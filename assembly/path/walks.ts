// What packets pass station by station, in the words of the walk (uapi/functions.ts): lists that end with 0. Those that come
// alone begin one entry later.

import {
  FN___netif_receive_skb,
  FN___netif_receive_skb_list_core,
  FN___netif_receive_skb_one_core,
  FN___udp4_lib_rcv,
  FN_dev_gro_receive,
  FN_ip_list_rcv,
  FN_ip_local_deliver,
  FN_ip_local_deliver_finish,
  FN_ip_protocol_deliver_rcu,
  FN_ip_rcv,
  FN_ip_rcv_core,
  FN_ip_rcv_finish_core,
  FN_ip_sublist_rcv,
  FN_ip_sublist_rcv_finish,
  FN_napi_gro_receive,
  FN_netif_receive_skb,
  FN_netif_receive_skb_list_internal,
  FN_raw_local_deliver,
  FN_udp_rcv,
} from '../uapi/functions.ts'

export const GRO_WALK: usize = memory.data<u32>([FN_napi_gro_receive, FN_dev_gro_receive, 0])
export const LIST_WALK: usize = memory.data<u32>([
  FN_netif_receive_skb_list_internal,
  FN___netif_receive_skb_list_core,
  0,
])
export const ONE_CORE_WALK: usize = memory.data<u32>([
  FN_netif_receive_skb,
  FN___netif_receive_skb,
  FN___netif_receive_skb_one_core,
  0,
])
export const LIST_RCV_WALK: usize = memory.data<u32>([FN_ip_list_rcv, FN_ip_rcv_core, 0])
export const RCV_WALK: usize = memory.data<u32>([FN_ip_rcv, FN_ip_rcv_core, 0])
export const LIST_FINISH_WALK: usize = memory.data<u32>([FN_ip_sublist_rcv, FN_ip_rcv_finish_core, 0])
export const LIST_DELIVER_WALK: usize = memory.data<u32>([FN_ip_sublist_rcv_finish, FN_ip_local_deliver, 0])
export const DELIVER_WALK: usize = memory.data<u32>([
  FN_ip_local_deliver_finish,
  FN_ip_protocol_deliver_rcu,
  FN_raw_local_deliver,
  0,
])
export const DELIVER_UDP_WALK: usize = memory.data<u32>([
  FN_ip_local_deliver_finish,
  FN_ip_protocol_deliver_rcu,
  FN_raw_local_deliver,
  FN_udp_rcv,
  FN___udp4_lib_rcv,
  0,
])
/** The last two of these, when raw sockets are asked before. */
export const UDP_WALK: usize = DELIVER_UDP_WALK + 12
