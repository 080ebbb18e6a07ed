// The tables of functions: dense ids, names that lead there and back, a tree of calls that knows only functions of its own.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FN_MAX, FN_ip_rcv, FN_ip_rcv_core } from '../../assembly/uapi/functions.ts'
import { callerIds, callers, functionIds, functionNames } from '../../src/trace/function_table.ts'

test('ids are dense from 1 and have one name each', () => {
  assert.is(functionNames.length, FN_MAX + 1)
  assert.is(new Set(functionNames).size, FN_MAX + 1)
  for (let id = 1; id <= FN_MAX; id++) assert.is(functionIds.get(functionNames[id]!), id)
  assert.is(functionNames[FN_ip_rcv], 'ip_rcv')
})

test('callers are functions of the table, each named once', () => {
  assert.is(Object.keys(callers).length, FN_MAX)
  for (const [name, of] of Object.entries(callers)) {
    assert.ok(functionIds.has(name), name)
    assert.is(new Set(of).size, of.length, name)
    for (const caller of of) assert.ok(functionIds.has(caller), `${name} < ${caller}`)
  }
  assert.ok(callerIds[FN_ip_rcv_core]!.has(FN_ip_rcv))
})

test('interrupts and system calls begin a walk', () => {
  for (const name of ['handle_edge_irq', 'irq_exit_rcu', '__x64_sys_sendto', '__x64_sys_recvfrom', 'process_one_work'])
    assert.equal(callers[name], [], name)
})

test("a datagram's way in, call by call", () => {
  const way = [
    ['igb_poll', '__napi_poll'],
    ['igb_clean_rx_irq', 'igb_poll'],
    ['napi_gro_receive', 'igb_clean_rx_irq'],
    ['ip_list_rcv', '__netif_receive_skb_list_core'],
    ['ip_sublist_rcv', 'ip_list_rcv'],
    ['udp_rcv', 'ip_protocol_deliver_rcu'],
    ['__udp4_lib_rcv', 'udp_rcv'],
    ['sock_def_readable', '__udp_enqueue_schedule_skb'],
  ]
  for (const [name, caller] of way) assert.ok(callers[name!]!.includes(caller!), `${name} < ${caller}`)
})

test.run()
