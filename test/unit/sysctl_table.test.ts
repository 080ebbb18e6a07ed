// The table of sysctls that the core reads against the table of all of them, and how numbers are read.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseIntegers } from '../../src/net/sysctl.ts'
import * as defaults from '../../src/net/sysctl_defaults.ts'
import { neighSysctls, pairSysctls, singleSysctls } from '../../src/net/sysctl_table.ts'

const test = suite('sysctl table')

test('each is a sysctl of 6.18, and its first value is within its bounds', () => {
  for (const [name, [, min, max]] of Object.entries(singleSysctls)) {
    const value = Number(defaults.sysctlDefault(name))
    assert.ok(value >= min && value <= max, `${name} ${value}`)
  }
  for (const name of Object.keys(pairSysctls)) assert.is(defaults.sysctlDefault(name)?.split('\t').length, 2, name)
})

test('no two share a place in the core', () => {
  const ids = [...Object.values(singleSysctls), ...Object.values(pairSysctls).flat()].map(([id]) => id)
  assert.is(new Set(ids).size, ids.length)
})

test('all of a neighbour table are known, and two units of one parameter agree', () => {
  assert.equal(Object.keys(neighSysctls).sort(), Object.keys(defaults.neighTemplate).sort())
  const pairs = [
    ['base_reachable_time', 'base_reachable_time_ms'],
    ['retrans_time', 'retrans_time_ms'],
  ]
  for (const [a, b] of pairs as [string, string][]) {
    assert.is(Number(defaults.neighTemplate[a]) * neighSysctls[a]![1], Number(defaults.neighTemplate[b]))
  }
  const packets = Math.floor(Number(defaults.neighTemplate['unres_qlen_bytes']) / neighSysctls['unres_qlen']![1])
  assert.is(String(packets), defaults.neighTemplate['unres_qlen'])
})

test('numbers as the kernel reads them', () => {
  const cases: [text: string, count: number, values: number[]][] = [
    ['1', 1, [1]],
    [' 1\n', 1, [1]],
    ['-1', 1, [-1]],
    ['0x10', 1, [16]],
    ['010', 1, [8]],
    ['40000 40000', 2, [40000, 40000]],
    ['1\t2 3', 2, [1, 2]],
    ['7', 2, [7]],
  ]
  for (const [text, count, values] of cases) assert.equal(parseIntegers(text, count, 'x'), values, text)
  for (const text of ['', ' ', 'x', '1x', '1.5', '--1', '09', '0x']) {
    assert.throws(
      () => parseIntegers(text, 1, 'x'),
      (error: Error & { code?: string }) => error.code === 'EINVAL',
      text,
    )
  }
})

test.run()
