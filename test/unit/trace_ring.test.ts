// Decoding a trace: depths follow from who may call whom, by CPU.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { functionIds } from '../../src/trace/function_table.ts'
import { TRACE_RECORD, decodeTrace } from '../../src/trace/ring.ts'

const test = suite('trace ring')

interface Raw {
  kind?: number
  cpu?: number
  fn?: string
  id?: number
  value?: number
}

function ring(records: readonly Raw[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(records.length * TRACE_RECORD))
  records.forEach(({ kind = 0, cpu = 0, fn = '', id = 0, value = 0 }, i) => {
    const at = i * TRACE_RECORD
    view.setBigUint64(at, BigInt(i), true)
    view.setUint32(at + 8, id, true)
    view.setUint16(at + 12, kind, true)
    view.setUint16(at + 14, cpu, true)
    view.setUint32(at + 16, functionIds.get(fn) ?? 0, true)
    view.setUint32(at + 20, value, true)
  })
  return new Uint8Array(view.buffer)
}

test('a call lies under its caller, a sibling beside it', () => {
  const names = ['net_rx_action', '__napi_poll', 'process_backlog', '__netif_receive_skb', 'ip_rcv', 'ip_rcv_core']
  const records = decodeTrace(ring(names.map((fn) => ({ fn }))))
  const depths = records.map(({ depth }) => depth)
  assert.equal(
    records.map(({ fn }) => fn),
    names,
  )
  assert.ok(depths.every((depth, i) => i === 0 || depth <= depths[i - 1]! + 1))
  assert.is(depths[2], depths[1]! + 1)
  assert.is(depths[5], depths[4]! + 1)
})

test('CPUs have stacks of their own, and a new context begins at none', () => {
  const records = decodeTrace(
    ring([{ fn: 'ip_rcv' }, { fn: 'ip_rcv_core', cpu: 1 }, { fn: 'ip_rcv_core' }, { kind: 6 }, { fn: 'ip_rcv_core' }]),
  )
  assert.equal(
    records.map(({ depth }) => depth),
    [0, 0, 1, 0, 0],
  )
})

test('other kinds keep their numbers and the depth of where they happened', () => {
  const [, drop] = decodeTrace(ring([{ fn: 'ip_rcv_core' }, { kind: 3, fn: 'ip_rcv_core', id: 9, value: 14 }]))
  assert.equal({ ...drop }, { time: 1, cpu: 0, kind: 'drop', id: 9, fn: 'ip_rcv_core', depth: 0, value: 14, parent: 0 })
})

test.run()
