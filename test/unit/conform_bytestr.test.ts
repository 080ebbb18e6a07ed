// Byte strings both ways, and the one-line description of frames, on everything in the stored scenarios.

import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, expand, isByteText, pattern, toHex } from '../../src/conform/bytestr.ts'
import { dissect, dissectIp } from '../../src/conform/dissect.ts'
import { load } from '../../src/conform/load.ts'

const GOLDEN = fileURLToPath(new URL('../../../test/golden/', import.meta.url))
const BYTE_MEMBERS = ['bytes', 'data', 'frame', 'packet']

/** Every byte string of a recording; the `is` beside it where there is one. */
function* byteTexts(value: unknown, key = ''): Generator<{ text: string; key: string; is?: string }> {
  if (typeof value === 'string') {
    if (BYTE_MEMBERS.includes(key) || key === 'frames') yield { text: value, key }
  } else if (Array.isArray(value)) {
    for (const item of value) yield* byteTexts(item, key)
  } else if (value && typeof value === 'object') {
    const is = (value as { is?: string }).is
    for (const [name, item] of Object.entries(value))
      for (const found of byteTexts(item, name)) yield BYTE_MEMBERS.includes(name) && is ? { ...found, is } : found
  }
}

const bytes = suite('conform/bytestr')

bytes('the pattern begins as documented', () => {
  assert.is(toHex(pattern(), 0, 8), '00222c8520b28f7f')
  assert.is(pattern().length, 131072)
})

for (const [name, text, hex] of [
  ['nothing', '', ''],
  ['hex of either case', '00aBCd', '00abcd'],
  ['a run', '01[00*4]02', '010000000002'],
  ['the pattern from an offset', '[1:3]', '222c85'],
  ['spaces between the parts', ' 00 [ff*2]\n11 ', '00ffff11'],
  ['a count of nothing', '[00*0][5:0]', ''],
  ['the end of the pattern', `[131071:9]`, toHex(pattern(), 131071)],
])
  bytes(`expand: ${name}`, () => assert.is(toHex(expand(text)), hex))

for (const [name, text, at] of [
  ['an odd number of digits', '00 111', 3],
  ['no digit', '00xx', 2],
  ['an open bracket', '0011[00*', 4],
  ['an upper-case run', '[FF*2]', 0],
  ['a count beyond all sense', '[00*99999999999]', 0],
] as const)
  bytes(`expand refuses ${name}`, () => {
    assert.throws(
      () => expand(text),
      (e: Error) => e instanceof RangeError && e.message.includes(` at ${at}: `),
    )
    if (!name.startsWith('a count')) assert.not(isByteText(text))
  })

const known = pattern()
for (const [name, input, text] of [
  ['11 equal bytes stay hex', new Uint8Array(11), '00'.repeat(11)],
  ['12 equal bytes', new Uint8Array(12).fill(0xfe), '[fe*12]'],
  ['7 bytes of the pattern stay hex', known.slice(0, 7), '00222c8520b28f'],
  ['8 bytes of the pattern', known.slice(500, 508), '[500:8]'],
  ['the pattern to its end', known.slice(131060), '[131060:12]'],
  ['the pattern twice', new Uint8Array([...known.slice(0, 9), ...known.slice(0, 9)]), '[0:9][0:9]'],
  ['hex between', new Uint8Array([1, ...new Uint8Array(13), 2, ...known.slice(3, 12), 3]), '01[00*13]02[3:9]03'],
] as const)
  bytes(`compress: ${name}`, () => {
    assert.is(compress(input), text)
    assert.equal(expand(text), input)
  })

bytes('every byte string of the stored scenarios, both ways', () => {
  const seen = new Set<string>()
  for (const { scenario } of load([GOLDEN])) {
    for (const { text } of byteTexts(scenario)) {
      seen.add(text)
      assert.ok(isByteText(text))
      assert.is(compress(expand(text)), text, scenario.name)
    }
  }
  assert.ok(seen.size > 300, `${seen.size} byte strings`)
})

bytes.run()

const lines = suite('conform/dissect')

lines('says what the recorder said, for every frame that it described', () => {
  let count = 0
  for (const { scenario } of load([GOLDEN])) {
    for (const { text, key, is } of byteTexts(scenario.expect)) {
      if (!is) continue
      assert.is((key === 'packet' ? dissectIp : dissect)(expand(text)), is, scenario.name)
      count++
    }
  }
  assert.ok(count > 100, `${count} descriptions`)
})

const ETH = '020000000001020000000002'
const LINE = '02:00:00:00:00:02>02:00:00:00:00:01'
for (const [name, text, line] of [
  ['too short for Ethernet', '0102', 'runt 2'],
  ['another protocol', `${ETH}86dd0000`, `${LINE} ethertype 86dd`],
  ['half an IPv4 header', `${ETH}08004500`, 'unparsable, 16 bytes'],
  ['half an ARP packet', `${ETH}08060001`, 'unparsable, 16 bytes'],
  [
    'a later fragment',
    `${ETH}0800450000240007200240110000 0a0000020a000001`,
    `${LINE} IP 10.0.0.2 > 10.0.0.1 ttl 64 len 36 id 7 frag 16+`,
  ],
  [
    'a TCP segment',
    `${ETH}08004500002a0000400040060000 0a0000020a000001 13880050 10000001 00000002 50187fff00000000 6869`,
    `${LINE} IP 10.0.0.2 > 10.0.0.1 ttl 64 len 42 DF TCP 5000 > 80 PA seq 268435457 ack 2 win 32767 data 2`,
  ],
  [
    'a header cut off',
    `${ETH}0800450000240000000040110000 0a0000020a0000010007`,
    `${LINE} IP 10.0.0.2 > 10.0.0.1 ttl 64 len 36 proto 17`,
  ],
])
  lines(name, () => assert.is(dissect(expand(text)), line))

lines.run()
