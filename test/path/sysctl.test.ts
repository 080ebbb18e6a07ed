// Values written to sysctls, and what is read back: each row as a 6.18 kernel (HZ 250) answered.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lab } from '../../src/index.ts'

const test = suite('sysctl')

const NO = 'EINVAL'

const ROWS: [name: string, value: string, after: string][] = [
  ['net.ipv4.ip_forward', '2147483648', NO],
  ['net.ipv4.ip_forward', '-2147483649', NO],
  ['net.ipv4.ip_forward', '-1', '-1'],
  ['net.ipv4.ip_forward', '', '0'],
  ['net.ipv4.ip_default_ttl', '', '64'],
  ['net.ipv4.ip_default_ttl', '\n', NO],
  ['net.ipv4.icmp_ratelimit', '-1', NO],
  ['net.ipv4.icmp_ratelimit', '1', '4'],
  ['net.ipv4.icmp_ratelimit', '255', '256'],
  ['net.ipv4.fib_multipath_hash_fields', '1000', '1000'],
  ['net.ipv4.fib_multipath_hash_fields', '65535', NO],
  ['net.ipv4.ipfrag_time', '-1', '-1'],
  ['net.ipv4.ipfrag_time', '2147483647', NO],
  ['net.ipv4.route.mtu_expires', '-1', '-1'],
  ['net.ipv4.route.mtu_expires', '2147483647', NO],
  ['net.ipv4.route.min_pmtu', '64', NO],
  ['net.ipv4.route.min_pmtu', '100', '100'],
  ['net.ipv4.route.min_adv_mss', '-1', '-1'],
  ['net.ipv4.neigh.lo.locktime', '1', '0'],
  ['net.ipv4.neigh.lo.locktime', '3', '2'],
  ['net.ipv4.neigh.lo.proxy_delay', '255', '254'],
  ['net.ipv4.neigh.lo.retrans_time', '5', '4'],
  ['net.ipv4.neigh.lo.retrans_time_ms', '5', '8'],
  ['net.ipv4.neigh.lo.base_reachable_time_ms', '1', '4'],
]

for (const [name, value, after] of ROWS) {
  test(`${name} ${JSON.stringify(value)}: ${after}`, async () => {
    const net = await lab({ hz: 250 })
    const host = net.host('a', {})
    const before = String(host.sysctl(name))
    let error = ''
    try {
      host.sysctl(name, value)
    } catch (thrown) {
      error = String((thrown as NodeJS.ErrnoException).code)
    }
    assert.is(error, after === NO ? NO : '')
    assert.is(String(host.sysctl(name)), after === NO ? before : after)
    await net.close()
  })
}

test.run()
