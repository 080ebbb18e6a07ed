// Checksums of arriving UDP as the kernel's selftest csum asserts them (rows C1 to C3, with lengths and contents of C5), on a TAP,
// where UDP sums, and on a NIC, where the hardware does.

import * as assert from 'uvu/assert'
import { type Setup, stories } from '../path/story.ts'
import { type Udp, udp } from '../path/packets.ts'
import { Xorshift } from '../property/xorshift.ts'

const { path, run } = stories('checksums')

const PACKETS = 100

/** Payloads of any length and content. */
function payloads(): Uint8Array[] {
  const random = new Xorshift(5)
  return Array.from({ length: PACKETS }, () => {
    const data = new Uint8Array(random.below(1473))
    random.fill(data)
    return data
  })
}

const frame = (fields: Udp): Uint8Array => udp({ pad: 60, ...fields })

const devices: readonly (readonly [name: string, setup: Setup])[] = [
  ['TAP', {}],
  ['NIC', { nic: {} }],
]
for (const [device, setup] of devices) {
  path(`C1 right: delivered (${device})`, setup, (h) => {
    const socket = h.udp()
    for (const data of payloads()) {
      h.rx('eth0', frame({ data }))
      assert.equal(socket.recv()?.data, data)
    }
    assert.is(h.host.counters()['UdpInDatagrams'], PACKETS)
  })

  path(`C2 wrong: not delivered (${device})`, setup, (h) => {
    const socket = h.udp()
    for (const [i, data] of payloads().entries()) {
      h.rx('eth0', frame({ data, checksumOff: 1 + i }))
      assert.is(socket.recv(), undefined)
    }
    const { UdpInDatagrams = 0, UdpInCsumErrors, UdpInErrors } = h.host.counters()
    assert.equal([UdpInDatagrams, UdpInCsumErrors, UdpInErrors], [0, PACKETS, PACKETS])
  })

  path(`C3 none (0): delivered as it is (${device})`, setup, (h) => {
    const socket = h.udp()
    for (const data of payloads()) {
      h.rx('eth0', frame({ data, checksumOff: 'none' }))
      assert.equal(socket.recv()?.data, data)
    }
  })
}

run()
