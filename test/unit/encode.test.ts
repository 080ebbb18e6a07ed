// Addresses, names and units: people's spellings and memory's.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as encode from '../../src/wasm/encode.ts'

const test = suite('encode')

const refused = (call: () => unknown, about: RegExp): void =>
  assert.throws(call, (error: Error & { code?: string }) => error.code === 'EINVAL' && about.test(error.message))

test('IPv4 addresses lie in network order', () => {
  const cases: [string, number][] = [
    ['10.0.0.1', 0x0100000a],
    ['0.0.0.0', 0],
    ['255.255.255.255', 0xffffffff],
    ['192.168.1.200', 0xc801a8c0],
  ]
  for (const [text, number] of cases) {
    assert.is(encode.parseIPv4(text), number, text)
    assert.is(encode.formatIPv4(number), text)
  }
  for (const text of ['10.0.0', '10.0.0.256', '10.0.0.1.2', '1.2.3.x', '', ' 10.0.0.1', '::1']) {
    refused(() => encode.parseIPv4(text), /IPv4/)
  }
})

test('prefixes', () => {
  assert.equal(encode.parsePrefix('10.0.0.0/8'), { address: 0x0a, length: 8 })
  assert.equal(encode.parsePrefix('10.0.0.1'), { address: 0x0100000a, length: 32 })
  assert.equal(encode.parsePrefix('default'), { address: 0, length: 0 })
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10/8']) refused(() => encode.parsePrefix(text), /./)
  assert.is(encode.maskOf(24), 0x00ffffff)
  assert.is(encode.maskOf(0), 0)
  assert.is(encode.maskOf(32), 0xffffffff)
})

test('MACs and names', () => {
  assert.is(encode.formatMac(encode.parseMac('02:0:0A:ff:1:2')), '02:00:0a:ff:01:02')
  for (const text of ['02:00:00:00:00', '02-00-00-00-00-01', '02:00:00:00:00:gg'])
    refused(() => encode.parseMac(text), /MAC/)
  assert.equal([...encode.encodeIfname('eth0')].slice(0, 5), [101, 116, 104, 48, 0])
  for (const name of ['', '.', '..', 'a b', 'a/b', 'a:1', 'sixteen-bytes-xx'])
    refused(() => encode.encodeIfname(name), /name/)
})

test('endpoints', () => {
  const end = { address: '10.0.0.1', port: 53 }
  assert.equal(encode.parseEndpoint('10.0.0.1:53', 'connect'), end)
  assert.equal(encode.parseEndpoint(['10.0.0.1', 53], 'connect'), end)
  assert.equal(encode.parseEndpoint(end, 'connect'), end)
  assert.equal(encode.parseEndpoint('10.0.0.1', 'connect'), { address: '10.0.0.1', port: 0 })
  for (const text of ['10.0.0.1:', '10.0.0.1:65536', '10.0.0.1:x'])
    refused(() => encode.parseEndpoint(text, 'connect'), /./)
  const view = new DataView(new ArrayBuffer(16))
  assert.is(encode.writeSockaddrIn(view, 0, end, 'bind'), 16)
  assert.equal([...new Uint8Array(view.buffer)].slice(0, 8), [2, 0, 0, 53, 10, 0, 0, 1])
  assert.equal(encode.readSockaddrIn(view, 0), end)
})

test('link addresses', () => {
  const view = new DataView(new ArrayBuffer(20))
  const address = { ifindex: 3, protocol: 0x0806, mac: '02:00:00:00:00:01' }
  encode.writeSockaddrLl(view, 0, address)
  assert.equal(encode.readSockaddrLl(view, 0), { ...address, pkttype: 0, hatype: 1 })
})

test('times, rates and losses', () => {
  assert.is(encode.parseTime('20us'), 20_000)
  assert.is(encode.parseTime('1.5 s'), 1_500_000_000)
  assert.is(encode.parseTime(7), 7)
  assert.is(encode.parseRate('10gbit'), 1e10)
  assert.is(encode.parseRate('1mbps'), 8e6)
  assert.is(encode.parseLoss('0.5%'), 0.005)
  refused(() => encode.parseTime('20'), /time/)
  refused(() => encode.parseTime(-1), /time/)
  refused(() => encode.parseRate('fast'), /rate/)
  refused(() => encode.parseLoss(1.5), /loss/)
  refused(() => encode.parseLoss('x%'), /loss/)
})

test.run()
