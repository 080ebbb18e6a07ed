// Socket options and control messages: C names to bytes and back.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeCmsg, encodeCmsg } from '../../src/socket/cmsg.ts'
import { OPTION_NAMES, type OptionValue, decodeOption, encodeOption, optionOf } from '../../src/socket/options.ts'

const test = suite('socket encoding')
const index = (name: string): number => (name === 'eth0' ? 2 : 3)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('options by name: level and number of Linux', () => {
  const cases: [name: string, level: number, number: number][] = [
    ['SO_RCVBUF', 1, 8],
    ['SO_BINDTODEVICE', 1, 25],
    ['IP_TTL', 0, 2],
    ['IP_MTU_DISCOVER', 0, 10],
    ['IP_ADD_MEMBERSHIP', 0, 35],
    ['UDP_SEGMENT', 17, 103],
    ['TCP_NODELAY', 6, 1],
    ['PACKET_AUXDATA', 263, 8],
    ['ICMP_FILTER', 255, 1],
  ]
  for (const [name, level, number] of cases) {
    const option = optionOf(name, 'setsockopt')
    assert.equal([option.level, option.name], [level, number], name)
  }
  for (const name of OPTION_NAMES) assert.type(optionOf(name, 'setsockopt').name, 'number', name)
  assert.throws(
    () => optionOf('SO_NONSENSE', 'setsockopt'),
    (error: Error & { code?: string }) => error.code === 'ENOPROTOOPT',
  )
})

test('values', () => {
  const cases: [name: string, value: OptionValue, bytes: string][] = [
    ['SO_RCVBUF', 4096, '00100000'],
    ['SO_BROADCAST', true, '01000000'],
    ['IP_MTU_DISCOVER', 'DO', '02000000'],
    ['IP_MTU_DISCOVER', 0, '00000000'],
    ['SO_BINDTODEVICE', 'eth0', '65746830'],
    ['SO_LINGER', [1, 5], '0100000005000000'],
    ['IP_ADD_MEMBERSHIP', { group: '224.0.0.5', dev: 'eth0' }, 'e00000050000000002000000'],
    ['IP_ADD_MEMBERSHIP', { group: '224.0.0.5', address: '10.0.0.1' }, 'e00000050a00000100000000'],
    ['IP_MULTICAST_IF', { dev: 'eth1' }, '000000000000000003000000'],
    ['IP_UNICAST_IF', 'eth0', '00000002'],
    ['IP_OPTIONS', Uint8Array.of(1, 1, 1, 0), '01010100'],
    ['ICMP_FILTER', 256, '00010000'],
    ['IP_ADD_SOURCE_MEMBERSHIP', { group: '232.1.1.1', source: '10.0.0.9' }, 'e8010101000000000a000009'],
  ]
  for (const [name, value, bytes] of cases) {
    assert.is(hex(encodeOption(name, optionOf(name, 'x').kind, value, index)), bytes, name)
  }
  for (const [name, value] of [
    ['IP_MTU_DISCOVER', 'NEVER'],
    ['IP_ADD_MEMBERSHIP', 5],
    ['SO_RCVBUF', 'big'],
    ['IP_OPTIONS', 1],
    ['SO_RCVTIMEO', -1],
  ] as [string, OptionValue][]) {
    assert.throws(
      () => encodeOption(name, optionOf(name, 'x').kind, value, index),
      (error: Error & { code?: string }) => error.code === 'EINVAL',
      name,
    )
  }
})

test('what getsockopt wrote', () => {
  assert.is(decodeOption('int', Uint8Array.of(255, 255, 255, 255)), -1)
  assert.is(decodeOption('int', Uint8Array.of(64)), 64)
  assert.is(decodeOption('device', Uint8Array.of(108, 111, 0, 0)), 'lo')
  assert.equal(decodeOption('linger', Uint8Array.of(1, 0, 0, 0, 9, 0, 0, 0)), [1, 9])
  const time = encodeOption('SO_RCVTIMEO', 'time', 1.5, index)
  assert.is(decodeOption('time', time), 1.5)
})

test('control messages go out in the layout of x86-64', () => {
  const bytes = encodeCmsg({ IP_TTL: 5, UDP_SEGMENT: 100 }, index)
  assert.is(hex(bytes.subarray(0, 24)), '140000000000000000000000020000000500000000000000')
  assert.is(hex(bytes.subarray(24)), '120000000000000011000000670000006400000000000000')
  const info = encodeCmsg({ IP_PKTINFO: { dev: 'eth0', spec_dst: '10.0.0.1' } }, index)
  assert.is(hex(info.subarray(16, 28)), '020000000a00000100000000')
})

test('control messages that came', () => {
  const control = encodeCmsg({ IP_TTL: 64, IP_PKTINFO: { dev: 'eth0', spec_dst: '10.0.0.1' }, SO_MARK: 7 }, index)
  const { cmsg, error } = decodeCmsg(control, (ifindex) => `dev${ifindex}`)
  assert.equal(cmsg, {
    IP_TTL: 64,
    IP_PKTINFO: { dev: 'dev2', spec_dst: '10.0.0.1', addr: '0.0.0.0' },
    SO_MARK: 7,
  })
  assert.is(error, undefined)
  assert.equal(decodeCmsg(new Uint8Array(0), String), {})
})

test('an error of the queue', () => {
  const control = new Uint8Array(48)
  const view = new DataView(control.buffer)
  view.setUint32(0, 48, true)
  view.setInt32(12, 11, true)
  view.setUint32(16, 111, true)
  control.set([2, 3, 3], 20)
  view.setUint16(32, 2, true)
  control.set([10, 0, 0, 2], 36)
  assert.equal(decodeCmsg(control, String).error, {
    errno: 'ECONNREFUSED',
    origin: 'ICMP',
    type: 3,
    code: 3,
    info: 0,
    data: 0,
    offender: '10.0.0.2',
  })
})

test.run()
