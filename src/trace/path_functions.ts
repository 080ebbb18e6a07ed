// The functions that carry a packet's path, among all that a kernel has: what a table of stations shows.
// A selection made by hand of those in recorded walks; the NIC's are netpath's igb.

const NAMES =
  '__x64_sys_socket __sys_socket inet_create __x64_sys_sendto __sys_sendto inet_sendmsg inet_send_prepare ' +
  'inet_autobind udp_v4_get_port udp_lib_get_port udp_sendmsg ip_route_output_flow ip_route_output_key_hash_rcu ' +
  'fib_table_lookup fib_select_path fib_result_prefsrc rt_dst_alloc dst_alloc find_exception rt_set_nexthop ' +
  'rt_cache_route ip_make_skb ip_setup_cork __ip_append_data ip_append_data __ip_make_skb ip_push_pending_frames ' +
  'ip_generic_getfrag udp_send_skb udp4_hwcsum ip_send_skb __ip_local_out ip_local_out ip_output ip_mc_output ' +
  'ip_finish_output __ip_finish_output ip_finish_output2 ip_fragment ip_do_fragment ip_fraglist_prepare ' +
  'ip_fraglist_init ip_frag_next ip_queue_xmit __ip_queue_xmit __neigh_create neigh_resolve_output ' +
  '__neigh_event_send neigh_probe neigh_update neigh_timer_handler neigh_invalidate arp_solicit arp_send_dst ' +
  'arp_create arp_xmit arp_rcv arp_process arp_constructor arp_error_report eth_header eth_header_cache ' +
  '__dev_queue_xmit netdev_core_pick_tx sch_direct_xmit validate_xmit_skb_list validate_xmit_skb ' +
  'dev_hard_start_xmit __qdisc_run net_tx_action netif_schedule_queue __netif_schedule __netif_reschedule ' +
  'qdisc_watchdog qdisc_watchdog_schedule_range_ns tbf_enqueue tbf_dequeue fq_codel_enqueue fq_codel_dequeue ' +
  'dev_queue_xmit_nit dev_loopback_xmit loopback_xmit veth_xmit __dev_forward_skb __netif_rx netif_rx_internal ' +
  'enqueue_to_backlog process_backlog igb_xmit_frame igb_clean_tx_irq e1000_intr_msix_tx dev_kfree_skb_irq_reason ' +
  'handle_edge_irq igb_msix_ring e1000_intr napi_schedule_prep __napi_schedule irq_exit_rcu handle_softirqs ' +
  '__do_softirq run_ksoftirqd net_rx_action __napi_poll igb_poll igb_clean_rx_irq igb_alloc_rx_buffers ' +
  'e1000_receive_skb eth_type_trans napi_gro_receive dev_gro_receive inet_gro_receive tcp4_gro_receive ' +
  'tcp_gro_receive udp4_gro_receive udp_gro_receive skb_gro_receive napi_gro_complete inet_gro_complete ' +
  'tcp_gro_complete napi_complete_done netif_receive_skb_list_internal __netif_receive_skb_list_core ' +
  '__netif_receive_skb_core __netif_receive_skb_one_core get_rps_cpu net_rps_action_and_irq_enable ' +
  'net_rps_send_ipi rps_trigger_softirq __skb_flow_dissect packet_rcv tpacket_rcv do_xdp_generic ' +
  'bpf_prog_run_generic_xdp ip_rcv ip_list_rcv ip_sublist_rcv ip_sublist_rcv_finish ip_rcv_core ' +
  'ip_rcv_finish_core ip_route_input_noref ip_route_input_slow fib_validate_source ip_route_use_hint ' +
  '__ip_options_compile nf_hook_slow ipt_do_table ip_local_deliver ip_local_deliver_finish ' +
  'ip_protocol_deliver_rcu raw_local_deliver raw_rcv ip_defrag inet_frag_find inet_frag_queue_insert ' +
  'inet_frag_reasm_prepare inet_frag_reasm_finish ip_forward ip_forward_finish ip_error udp_rcv __udp4_lib_rcv ' +
  '__udp4_lib_lookup udp4_lib_lookup2 udp_v4_early_demux udp_unicast_rcv_skb udp_queue_rcv_skb ' +
  'udp_queue_rcv_one_skb __udp_enqueue_schedule_skb sk_filter_trim_cap sock_def_readable __wake_up_sync_key ' +
  'try_to_wake_up udp_recvmsg __skb_recv_udp __skb_try_recv_from_queue skb_copy_datagram_iter inet_recvmsg ' +
  'udp_err __udp4_lib_err icmp_rcv icmp_echo icmp_reply icmp_push_reply __icmp_send icmp_unreach ' +
  'icmp_socket_deliver ping_rcv raw_sendmsg igmpv3_newpack ip_mc_join_group netif_carrier_off netif_carrier_on ' +
  'linkwatch_fire_event linkwatch_event __linkwatch_run_queue linkwatch_do_dev dev_activate dev_deactivate ' +
  'netdev_state_change call_netdevice_notifiers_info rtmsg_ifinfo fib_sync_down_dev fib_sync_up arp_ifdown ' +
  'tcp_v4_rcv tcp_v4_do_rcv tcp_rcv_established tcp_rcv_state_process tcp_v4_conn_request tcp_conn_request ' +
  'tcp_v4_send_synack tcp_check_req tcp_child_process tcp_v4_syn_recv_sock tcp_data_queue tcp_queue_rcv ' +
  'tcp_data_ready tcp_recvmsg tcp_recvmsg_locked tcp_sendmsg tcp_sendmsg_locked tcp_push ' +
  '__tcp_push_pending_frames tcp_write_xmit __tcp_transmit_skb tcp_ack tcp_send_ack __tcp_send_ack tcp_fin ' +
  'tcp_send_fin tcp_time_wait tcp_v4_early_demux __inet_lookup_established __inet_lookup_listener tcp_v4_connect ' +
  'tcp_connect tcp_finish_connect tcp_close __tcp_close tcp_retransmit_skb __tcp_retransmit_skb ' +
  'tcp_retransmit_timer tcp_v4_send_reset tcp_send_active_reset tcp_gso_segment tcp4_gso_segment inet_gso_segment ' +
  'skb_segment nf_conntrack_in nf_confirm nf_nat_inet_fn nf_nat_ipv4_pre_routing nf_nat_ipv4_out ' +
  'ipv4_conntrack_in ipv4_conntrack_local nf_nat_manip_pkt tun_get_user tun_net_xmit netif_receive_skb igmp_rcv ' +
  'neigh_event_ns'

export const pathFunctions: ReadonlySet<string> = new Set(NAMES.split(' '))
