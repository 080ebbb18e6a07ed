// Which classic BPF programs are accepted (bpf_check_classic of net/core/filter.c), by rule; and 400 random programs with
// what Linux 6.18 said to them: EINVAL, dropped, or how many bytes of the datagram were left.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FilterInstruction, type Lab, type UdpSocket, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'
import { rootFolder } from '../root.ts'

interface Context {
  net: Lab
  server: UdpSocket
  client: UdpSocket
}

const test = suite<Context>('filter check')

test.before.each(async (context) => {
  const net = await lab({ seed: 1 })
  const host = net.host('h')
  context.net = net
  context.server = host.udp({ address: '127.0.0.1', port: 7 })
  context.client = host.udp({ address: '127.0.0.1', port: 4000, options: { SO_NO_CHECK: 1 } })
})
test.after.each(({ net }) => net.close())

/** The code of the error that a program is refused with; undefined: it is attached. */
function refusal({ socket }: UdpSocket, program: readonly FilterInstruction[] | string): string | undefined {
  try {
    socket.setsockopt('SO_ATTACH_FILTER', program)
    return undefined
  } catch (error) {
    if (isSystemError(error)) return error.code
    throw error
  }
}

const END: FilterInstruction = [0x06, 0, 0, 0xffff]
const of = (...insns: FilterInstruction[]): FilterInstruction[] => [...insns, END]
const times = (count: number, insn: FilterInstruction): FilterInstruction[] => Array.from({ length: count }, () => insn)

/** All codes that there are, but jumps, loads and stores, which have rules of their own. */
const PLAIN = [
  0x00, 0x01, 0x80, 0x81, 0x40, 0x48, 0x50, 0xb1, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54,
  0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x07, 0x87, 0x06, 0x16, 0x20, 0x28, 0x30, 0x02, 0x03,
  0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d,
]

type Row = readonly [name: string, program: FilterInstruction[], accepted: boolean]
const TABLE: readonly Row[] = [
  ['ret #k alone', [END], true],
  ['ret a alone', [[0x16, 0, 0, 0]], true],
  ['ret x, which Linux does not have', [[0x0e, 0, 0, 0]], false],
  ['no ret at the end', of().concat([[0x00, 0, 0, 1]]), false],
  ['a jump at the end', [[0x05, 0, 0, 0]], false],
  ['4096 instructions', times(4095, [0x00, 0, 0, 1]).concat([END]), true],
  ['4097 instructions', times(4096, [0x00, 0, 0, 1]).concat([END]), false],
  ['code with a bit above the byte', of([0x100, 0, 0, 1]), false],
  ['ldx from an absolute offset', of([0x21, 0, 0, 1]), false],
  ['ldx of a half word', of([0x29, 0, 0, 1]), false],
  ['msh of a word', of([0xa1, 0, 0, 1]), false],
  ['neg with x', of([0x8c, 0, 0, 0]), false],
  ['jump always with x', of([0x0d, 0, 0, 0]), false],
  ['an operation of misc beyond txa', of([0x8f, 0, 0, 0]), false],
  ['an operation of alu beyond xor', of([0xb4, 0, 0, 1]), false],
  ['an operation of jmp beyond jset', of([0x55, 0, 0, 1]), false],
  ['division by the constant 0', of([0x34, 0, 0, 0]), false],
  ['modulo by the constant 0', of([0x94, 0, 0, 0]), false],
  ['division by x, which may be 0', of([0x3c, 0, 0, 0]), true],
  ['modulo by x, which may be 0', of([0x9c, 0, 0, 0]), true],
  ['shift left by 31', of([0x64, 0, 0, 31]), true],
  ['shift left by 32', of([0x64, 0, 0, 32]), false],
  ['shift right by 32', of([0x74, 0, 0, 32]), false],
  ['shift by x with k = 32', of([0x6c, 0, 0, 32]), true],
  ['store into word 15', of([0x02, 0, 0, 15]), true],
  ['store into word 16', of([0x02, 0, 0, 16]), false],
  ['stx into word 16', of([0x03, 0, 0, 16]), false],
  ['load of a word that was stored', of([0x03, 0, 0, 3], [0x60, 0, 0, 3]), true],
  ['load of a word that was not', of([0x03, 0, 0, 3], [0x60, 0, 0, 4]), false],
  ['ldx of a word that was not', of([0x61, 0, 0, 0]), false],
  ['load of word 16', of([0x60, 0, 0, 16]), false],
  ['load after a store that one way jumps over', of([0x15, 1, 0, 1], [0x02, 0, 0, 2], [0x60, 0, 0, 2]), false],
  [
    'load after stores on both ways',
    of([0x15, 2, 0, 1], [2, 0, 0, 2], [5, 0, 0, 1], [3, 0, 0, 2], [0x60, 0, 0, 2]),
    true,
  ],
  ['load behind a ret, which nothing reaches', of(END, [0x60, 0, 0, 2]), false],
  ['load behind a jump that skips it', of([0x05, 0, 0, 1], [0x60, 0, 0, 2]), true],
  ['jump to the last instruction', of([0x05, 0, 0, 0]), true],
  ['jump behind it', of([0x05, 0, 0, 1]), false],
  ['jump far behind it', of([0x05, 0, 0, 0xffffffff]), false],
  ['jump over 300 instructions', of([0x05, 0, 0, 300], ...times(300, [0, 0, 0, 0])), true],
  ['jt behind the end', of([0x15, 1, 0, 0]), false],
  ['jf behind the end', of([0x1d, 0, 1, 0]), false],
  ['jt and jf to the last', of([0x45, 1, 1, 0], [0, 0, 0, 0]), true],
  ['jt of an instruction that is no jump', of([0x00, 255, 255, 0]), true],
  ['ld [SKF_AD_OFF - 1]', of([0x30, 0, 0, -0x1001]), true],
  ['ld [SKF_AD_PROTOCOL]', of([0x20, 0, 0, -0x1000]), true],
  ['ldb [SKF_AD_PROTOCOL]', of([0x30, 0, 0, -0x1000]), true],
  ['ld [SKF_AD_VLAN_TPID]', of([0x20, 0, 0, -0x1000 + 60]), true],
  ['ld [SKF_AD_MAX]', of([0x20, 0, 0, -0x1000 + 64]), false],
  ['ld between two of SKF_AD_*', of([0x20, 0, 0, -0x1000 + 2]), false],
  ['ld [-1]', of([0x20, 0, 0, -1]), false],
  ['ld [x + SKF_AD_MAX], which only fails', of([0x40, 0, 0, -0x1000 + 64]), true],
  ['msh of [SKF_AD_MAX], which only fails', of([0xb1, 0, 0, -0x1000 + 64]), true],
  ['ld [SKF_LL_OFF - 1], which only fails', of([0x20, 0, 0, -0x200001]), true],
]
for (const [name, program, accepted] of TABLE) {
  test(`${name}: ${accepted ? 'accepted' : 'EINVAL'}`, ({ server }) => {
    assert.is(refusal(server, program), accepted ? undefined : 'EINVAL')
  })
}

test('there are 47 codes, and two of words that must be stored first', ({ server }) => {
  const found = Array.from({ length: 65536 }, (_, code) => code).filter(
    (code) => refusal(server, [[0x02, 0, 0, 1], [code, 0, 0, 1], END, END]) === undefined,
  )
  assert.equal(
    found,
    [...PLAIN, 0x60, 0x61].sort((a, b) => a - b),
  )
})

test('what Linux said to random programs', ({ net, server, client }) => {
  const file = new URL('test/unit/filter_linux.json', rootFolder)
  const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: [string, number, number | string][] }
  for (const [text, length, expected] of rows) {
    const lines = text.split(';')
    let got: number | string | undefined = refusal(server, `${lines.length}\n${lines.join('\n')}\n`)
    if (got === undefined) {
      client.send(
        Uint8Array.from({ length }, (_, i) => i * 37 + 11),
        '127.0.0.1:7',
      )
      net.run()
      got = server.recv()?.data.length ?? 'dropped'
    }
    assert.is(got, expected, `${text} with ${length} bytes`)
  }
  assert.is(rows.length, 400)
})

test.run()
