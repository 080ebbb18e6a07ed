// Names and first values of sysctls, as a Linux 6.18.44 shows them in a fresh network namespace.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as sysctl from '../../src/net/sysctl_defaults.ts'

test('values, by name', () => {
  const cases: [name: string, value: string | undefined][] = [
    ['net.ipv4.ip_forward', '0'],
    ['net.ipv4.ip_local_port_range', '32768\t60999'],
    ['net.ipv4.ip_local_reserved_ports', ''],
    ['net.core.netdev_budget', '300'],
    ['net.ipv4.conf.all.accept_source_route', '0'],
    ['net.ipv4.conf.default.accept_source_route', '1'],
    ['net.ipv4.conf.lo.disable_policy', '1'],
    ['net.ipv4.conf.eth0.disable_policy', '0'],
    ['net.ipv4.conf.eth0.100.rp_filter', '0'],
    ['net.ipv4.neigh.eth0.gc_stale_time', '60'],
    ['net.ipv4.neigh.default.gc_thresh3', '1024'],
    ['net.ipv4.neigh.all.locktime', undefined],
    ['net.ipv4.neigh.eth0.gc_thresh3', undefined],
    ['net.ipv4.conf.eth9.rp_filter', undefined],
    ['net.ipv4.conf.eth0.toString', undefined],
    ['net.ipv4.toString', undefined],
    ['toString', undefined],
  ]
  for (const [name, value] of cases) assert.is(sysctl.sysctlDefault(name, ['lo', 'eth0', 'eth0.100']), value, name)
})

test('a device has 33 conf and 17 neigh sysctls; all has no neigh', () => {
  assert.is(sysctl.deviceSysctls('eth0').size, 50)
  assert.is(sysctl.deviceSysctls('all').size, 33)
})

test('what is listed exists, with the same value', () => {
  for (const [name, value] of sysctl.freshSysctls(['lo', 'eth0']))
    assert.is(sysctl.sysctlDefault(name, ['lo', 'eth0']), value, name)
})

test('read-only ones', () => {
  assert.ok(sysctl.isSysctlReadOnly('net.ipv4.udp_hash_entries'))
  assert.ok(sysctl.isSysctlReadOnly('net.ipv4.conf.eth0.mc_forwarding'))
  assert.not.ok(sysctl.isSysctlReadOnly('net.ipv4.ip_forward'))
  assert.not.ok(sysctl.isSysctlReadOnly('net.core.rmem_max'))
})

test.run()
