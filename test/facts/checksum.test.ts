// Checksums of UDP as the kernel's selftest csum asserts them: of what arrives (rows C1 to C3, with lengths and contents of C5) and of
// what is sent (C4), on a TAP, where UDP sums, and on a NIC, where the hardware does. A packet socket sees all that arrives, and what
// is known of their checksums.

import * as assert from 'uvu/assert'
import { type Setup, type Story, stories } from '../path/story.ts'
import { type Tap, type UdpSocket, parseIPv4 } from '../../src/index.ts'
import { HOST, PEER, type Udp, bytesOf, tcp, udp } from '../path/packets.ts'
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

const TP_STATUS_CSUM_VALID = 1 << 7

/** What a packet socket saw of eth0's frames: is the checksum of each said to be right? */
function watch(h: Story): () => boolean[] {
  const socket = h.host.socket('packet', 'IP')
  socket.bind('eth0')
  socket.setsockopt('PACKET_AUXDATA', 1)
  socket.setsockopt('SO_RCVBUF', 1 << 20)
  return () => {
    const valid: boolean[] = []
    for (let got = socket.recv(); got; got = socket.recv()) {
      valid.push((got.cmsg!.PACKET_AUXDATA!.status & TP_STATUS_CSUM_VALID) !== 0)
    }
    socket.close()
    return valid
  }
}

const frame = (fields: Udp): Uint8Array => udp({ pad: 60, ...fields })

const devices: readonly (readonly [name: string, setup: Setup])[] = [
  ['TAP', {}],
  ['NIC', { nic: {} }],
]
for (const [device, setup] of devices) {
  path(`C1 right: delivered (${device})`, setup, (h) => {
    const socket = h.udp()
    const seen = watch(h)
    for (const data of payloads()) {
      h.rx('eth0', frame({ data }))
      assert.equal(socket.recv()?.data, data)
    }
    assert.is(h.host.counters()['UdpInDatagrams'], PACKETS)
    assert.equal(seen(), Array(PACKETS).fill(device === 'NIC'))
  })

  path(`C2 wrong: not delivered (${device})`, setup, (h) => {
    const socket = h.udp()
    const seen = watch(h)
    for (const [i, data] of payloads().entries()) {
      h.rx('eth0', frame({ data, checksumOff: 1 + i }))
      assert.is(socket.recv(), undefined)
    }
    const { UdpInDatagrams = 0, UdpInCsumErrors, UdpInErrors } = h.host.counters()
    assert.equal([UdpInDatagrams, UdpInCsumErrors, UdpInErrors], [0, PACKETS, PACKETS])
    h.rx('eth0', tcp({ pad: 60, checksumOff: 1 }))
    h.counters({ TcpInCsumErrors: 1, TcpInErrs: 1 })
    assert.equal(seen(), Array(PACKETS + 1).fill(false))
  })

  path(`C3 none (0): delivered as it is (${device})`, setup, (h) => {
    const socket = h.udp()
    for (const data of payloads()) {
      h.rx('eth0', frame({ data, checksumOff: 'none' }))
      assert.equal(socket.recv()?.data, data)
    }
  })
}

const TO = `${PEER}:9`

/** How a datagram of 101 bytes goes: in one piece, in pieces, or in a batch. */
const WAYS: Readonly<Record<string, (socket: UdpSocket, data: Uint8Array) => void>> = {
  'one send': (socket, data) => socket.send(data, TO),
  corked: (socket, data) => {
    socket.send(data.subarray(0, 3), TO, { flags: ['MSG_MORE'] })
    socket.send(data.subarray(3), TO)
  },
  'a batch': (socket, data) => {
    const [lengths, offsets, ports] = [
      [101, 101],
      [0, 0],
      [9, 9],
    ]
    const addresses = [parseIPv4(PEER), parseIPv4(PEER)]
    assert.is(socket.sendBatch({ count: 2, lengths, addresses, ports, offsets, data }), 2)
  },
}

for (const [device, setup] of devices) {
  for (const [way, send] of Object.entries(WAYS)) {
    path(`C4 a sum of 0 is sent as 0xffff: ${way} (${device})`, setup, (h) => {
      const data = bytesOf(101)
      const checks = (port: number): number[] => {
        send(h.udp({ port, address: HOST }), data)
        h.net.run()
        return (h.host.device('eth0') as Tap).tx().map((frame) => (frame[40]! << 8) | frame[41]!)
      }
      const [sum] = checks(5000)
      const port = 5000 + sum!
      const zero = checks(port > 65535 ? port - 65535 : port)
      assert.equal(new Set(zero), new Set([0xffff]))
    })
  }
}

run()
