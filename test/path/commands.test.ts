// netpath walk, record and conform as a user runs them.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inFolder, netpath, path } from './cli.ts'
import { icmp, udp } from './packets.ts'

const OFFICE = path('examples/captures/office.pcap')
const ECHO = path('test/golden/icmp/icmp-echo.json')

interface Step {
  cpu: number
  depth: number
  fn: string
}

const hex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex')
const walkOf = (out: string): Step[] => (JSON.parse(out) as { walk: Step[] }).walk

/** These functions stand in this order in a walk. */
function follows(walk: readonly Step[], ...expected: string[]): void {
  const names = walk.map(({ fn }) => fn)
  expected.reduce((from, fn) => {
    const at = names.indexOf(fn, from)
    assert.ok(at >= 0, `${fn} in ${names.join(' ')}`)
    return at + 1
  }, 0)
}

const test = suite('commands')

test('walk: a frame in hex meets a host of its own', async () => {
  const { code, out, err } = await netpath('walk', '--json', hex(udp({ data: 'hello' })))
  assert.equal([code, err], [0, ''])
  const walk = walkOf(out)
  follows(walk, 'igb_msix_ring', 'net_rx_action', 'igb_poll', 'ip_rcv_core', 'udp_rcv', 'sock_def_readable')
  assert.ok(walk.every(({ cpu, depth }) => cpu === 0 && depth >= 0))
  const depthOf = (name: string): number => walk.find(({ fn }) => fn === name)!.depth
  assert.ok(depthOf('igb_poll') > depthOf('net_rx_action'))
  assert.ok(depthOf('udp_rcv') > depthOf('ip_local_deliver_finish'))
})

test('walk: for people, with the answer', async () => {
  const { code, out } = await netpath(
    'walk',
    hex(icmp({ data: 'ping' }))
      .match(/../g)!
      .join(':'),
  )
  assert.is(code, 0)
  assert.match(out, /^ *icmp_rcv$/m)
  assert.match(out, /→ .*ICMP 0\/0/)
})

test('walk: a drop is shown where it happens', async () => {
  const { out } = await netpath('walk', hex(udp({ data: 'hello', checksumOff: 1 })))
  assert.match(out, 'SKB_DROP_REASON_UDP_CSUM')
})

test('walk: a packet of a capture, and one that the host itself sent', async () => {
  const { code, out } = await netpath('walk', OFFICE, '2', '--json')
  const other = await netpath('walk', OFFICE, '1', '--json')
  const codes = [code, other.code].sort()
  assert.equal(codes, [0, 2], 'of the first two packets one came in, and one went out')
  follows(walkOf(out || other.out), 'igb_poll', 'ip_rcv_core', 'ip_local_deliver')
  const beyond = await netpath('walk', OFFICE, '282')
  assert.is(beyond.code, 2)
  assert.match(beyond.err, '281 packets')
})

test('walk: a step of a scenario', async () => {
  const { code, out } = await netpath('walk', ECHO, '--step', '0', '--json')
  assert.is(code, 0)
  follows(walkOf(out), 'tun_get_user', 'ip_rcv', 'icmp_rcv', 'icmp_echo', 'icmp_reply', 'ip_output', 'tun_net_xmit')
  const beyond = await netpath('walk', ECHO, '--step', '99')
  assert.is(beyond.code, 2)
  assert.match(beyond.err, 'steps, from 0')
})

/** What a walk cannot be of. */
const wrong = [
  { name: 'neither a file nor hex', args: ['no-such-file.pcap'], says: 'no frame in hex' },
  { name: 'half a byte', args: ['abc'], says: 'no frame in hex' },
  { name: 'half a header', args: ['00112233'], says: 'at least 14 bytes' },
  { name: 'packet 0', args: [OFFICE, '0'], says: 'whole number from 1' },
  { name: 'a step that is none', args: [ECHO, '--step', 'x'], says: '--step' },
]
for (const { name, args, says } of wrong) {
  test(`walk: ${name} is refused in one line`, async () => {
    const { code, out, err } = await netpath('walk', ...args)
    assert.equal([code, out], [2, ''])
    assert.match(err, says)
    assert.is(err.trim().split('\n').length, 1)
  })
}

test('record: what is recorded conforms, and recorded again it is the same', () =>
  inFolder(async (folder) => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')]
    const { code, out } = await netpath('record', path('test/golden/arp'), '--output', first)
    const names = readdirSync(path('test/golden/arp'))
    assert.is(code, 0)
    assert.match(out, `${names.length} recorded, 0 failed`)
    assert.equal(readdirSync(first).sort(), names.sort())
    const recorded = JSON.parse(readFileSync(join(first, 'arp-request.json'), 'utf8')) as Record<string, unknown>
    assert.match(String(recorded['kernel']), /^netpath \d/)
    const again = await netpath('record', first, '-o', second)
    assert.is(again.code, 0)
    for (const name of names) {
      assert.is(readFileSync(join(second, name), 'utf8'), readFileSync(join(first, name), 'utf8'), name)
    }
    const conforms = await netpath('conform', first)
    assert.is(conforms.code, 0)
    assert.match(conforms.out, new RegExp(`\\n${names.length} passed, 0 failed\\n$`))
  }))

test('conform: the last line counts, 0 when all passed, 1 when not, and says the first difference', () =>
  inFolder(async (folder) => {
    const good = await netpath('conform', ECHO)
    assert.is(good.code, 0)
    assert.match(good.out, /\n1 passed, 0 failed\n$/)
    const scenario = JSON.parse(readFileSync(ECHO, 'utf8')) as { expect: { counters: Record<string, number> } }
    scenario.expect.counters['IcmpInEchos']! += 1
    const file = join(folder, 'icmp-echo.json')
    writeFileSync(file, JSON.stringify(scenario))
    const bad = await netpath('conform', file, ECHO)
    assert.is(bad.code, 1)
    assert.match(bad.out, /\n1 passed, 1 failed\n$/)
    assert.match(bad.out, 'IcmpInEchos')
    const json = await netpath('conform', '--json', file, ECHO)
    assert.is(json.code, 1)
    const told = JSON.parse(json.out) as {
      passed: number
      failed: number
      failures: { name: string; at: string; expected: string }[]
    }
    assert.equal([told.passed, told.failed, told.failures.map(({ name }) => name)], [1, 1, ['icmp-echo']])
    assert.is(told.failures[0]!.at, 'counters')
    assert.match(told.failures[0]!.expected, 'IcmpInEchos')
  }))

test('conform and record: bad input is one error and exit code 2', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'bad.json')
    writeFileSync(file, '{"schema": 1, "name": "x"')
    const cases = [
      ['conform', file],
      ['conform', join(folder, 'nothing.json')],
      ['record', file, '-o', join(folder, 'out')],
      ['record', ECHO],
      ['conform'],
    ]
    for (const args of cases) {
      const { code, err } = await netpath(...args)
      assert.is(code, 2, args.join(' '))
      assert.ok(err.trim() && !/\n {4}at /.test(err), `${args.join(' ')}: ${err}`)
    }
  }))

test.run()
