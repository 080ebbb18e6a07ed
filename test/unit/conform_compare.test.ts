// The comparison: a recording equals itself, each change is found where it is, and what the kernel chooses does not
// count.

import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compress, expand } from '../../src/conform/bytestr.ts'
import { compare, reasonsEqual, reasonSums } from '../../src/conform/compare.ts'
import { load } from '../../src/conform/load.ts'
import type { Expect, Scenario, Step, StepExpect, TxFrame } from '../../src/conform/scenario.ts'

const GOLDEN = fileURLToPath(new URL('../../../test/golden/', import.meta.url))
const STORED = [...load([GOLDEN])].map((loaded) => loaded.scenario)

function stored(name: string): Scenario & { expect: Expect } {
  const scenario = STORED.find((s) => s.name === name)
  if (!scenario?.expect) throw new Error(`no stored scenario ${name}`)
  return structuredClone(scenario) as Scenario & { expect: Expect }
}

// ---- building small cases ----

function sum16(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const be16 = (value: number): number[] => [value >>> 8, value & 255]

interface IpFields {
  id?: number
  frag?: number
  protocol?: number
  options?: number[]
  payload?: number[]
  check?: number
}

/** An IPv4 packet with a right header checksum unless one is given. */
function ip({ id = 0, frag = 0, protocol = 17, options = [], payload = [], check }: IpFields): number[] {
  const length = 20 + options.length
  const header = [
    0x40 + length / 4,
    0,
    ...be16(length + payload.length),
    ...be16(id),
    ...be16(frag),
    64,
    protocol,
    0,
    0,
  ]
  header.push(10, 0, 0, 1, 10, 0, 0, 2, ...options)
  header.splice(10, 2, ...be16(check ?? sum16(new Uint8Array(header))))
  return [...header, ...payload]
}

const ETH = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]
const frame = (packet: number[]): string => compress(new Uint8Array([...ETH, ...packet]))

function icmp(type: number, rest: number[], check?: number): number[] {
  const message = [type, 0, 0, 0, ...rest]
  message.splice(2, 2, ...be16(check ?? sum16(new Uint8Array(message))))
  return message
}

/** A segment with a timestamp option; `wrong` spoils its checksum. */
function tcp(tsval: number, tsecr: number, wrong = 0, seq = 0x10000000): number[] {
  const segment = [
    0,
    80,
    0x13,
    0x88,
    ...be16(seq >>> 16),
    ...be16(seq & 0xffff),
    0,
    0,
    0,
    1,
    0x80,
    0x10,
    1,
    0,
    0,
    0,
    0,
    0,
  ]
  segment.push(1, 1, 8, 10, 0, 0, ...be16(tsval), 0, 0, ...be16(tsecr))
  const pseudo = [10, 0, 0, 1, 10, 0, 0, 2, 0, 6, ...be16(segment.length)]
  segment.splice(16, 2, ...be16(sum16(new Uint8Array([...pseudo, ...segment])) ^ wrong))
  return ip({ protocol: 6, payload: segment })
}

const timestampOption = (pointer: number, ...words: number[]): number[] => [
  ...[68, 4 + 4 * words.length, pointer, 1],
  ...words.flatMap((w) => [...be16(w >>> 16), ...be16(w & 0xffff)]),
]

const STEP: Step = { wait: 1 }

/** Compares what a device sent in one step. */
function sent(expected: TxFrame[], got: (string | Uint8Array)[], step: Step = STEP): string | null {
  const tx = { eth0: got.map((bytes) => ({ bytes })) }
  const found = compare({ steps: [step], expect: { steps: [{ tx: { eth0: expected } }] } }, { steps: [{ tx }] })
  return found && found.path
}

const FIRST = 'steps[0].tx.eth0[0].bytes'

// ---- recordings ----

const test = suite('conform/compare')

test('every stored scenario equals itself', () => {
  for (const scenario of STORED) assert.is(compare(scenario, structuredClone(scenario.expect!)), null, scenario.name)
})

test('what is ignored may be missing, and bytes may be raw', () => {
  for (const scenario of STORED) {
    const got = structuredClone(scenario.expect!)
    delete got.unstable
    for (const step of got.steps) {
      delete step.drops
      for (const entry of [...Object.values(step.tx ?? {}), ...Object.values(step.sockets ?? {})].flat()) {
        delete entry.is
        delete entry.norm
        const raw = entry as unknown as Record<string, unknown>
        for (const key of ['bytes', 'data', 'frame', 'packet'])
          if (raw[key] !== undefined) raw[key] = expand(raw[key] as string)
      }
    }
    assert.is(compare(scenario, got), null, scenario.name)
  }
})

test('a scenario that was never recorded is refused', () => {
  assert.throws(() => compare({ steps: [] }, { steps: [] }), TypeError)
})

test('steps that are too few or too many', () => {
  const step: StepExpect = { counters: { IpInReceives: 1 } }
  const scenario = { steps: [STEP], expect: { steps: [step] } }
  assert.is(compare(scenario, { steps: [] })?.path, 'steps[0]')
  assert.is(compare(scenario, { steps: [step, step] })?.path, 'steps[1]')
})

/** Each row makes one full result, in which every member is there, different in one place. */
const full = (): Expect => ({
  steps: [
    {
      step: 0,
      result: { ret: 5 },
      tx: { eth0: [{ bytes: frame(ip({ payload: [1, 2, 3, 4] })), vnet: {} }] },
      sockets: {
        s: [
          { from: ['10.0.0.2', 7], data: '68656c6c6f', cmsg: { IP_TTL: 64, IP_RECVOPTS: '01010100' } },
          {
            queue: 'error',
            from: ['10.0.0.2', 9],
            data: '',
            error: { errno: 'ECONNREFUSED', origin: 'ICMP', type: 3, code: 3 },
          },
        ],
        p: [{ dev: 'eth0', proto: 2048, pkttype: 'HOST', frame: frame(ip({})) }],
        r: [{ from: ['10.0.0.2', 0], packet: compress(new Uint8Array(ip({}))) }],
      },
      counters: { IpInReceives: 2, UdpInDatagrams: 1 },
    },
  ],
  counters: { IpInReceives: 2, UdpInDatagrams: 1 },
  devices: { eth0: { rx_packets: 2 } },
  neighbours: [{ dev: 'eth0', ip: '10.0.0.2', state: 'permanent', mac: '02:00:00:00:00:02' }],
  iptables: { rules: [[2, 80]], policies: { 'filter.INPUT': [1, 40] } },
  socket_drops: { s: 1 },
})

const CHANGES: [path: string, change: (got: Expect) => unknown, expected?: string, got?: string][] = [
  ['steps[0].result.ret', (g) => (g.steps[0].result = { ret: 4 }), '5', '4'],
  ['steps[0].result', (g) => (g.steps[0].result = { err: 'EINVAL' }), '{"ret":5}', '{"err":"EINVAL"}'],
  ['steps[0].tx.eth0[0].bytes', (g) => (g.steps[0].tx!.eth0[0].bytes = frame(ip({ payload: [1, 2, 9, 4] })))],
  ['steps[0].tx.eth0[0].vnet', (g) => (g.steps[0].tx!.eth0[0].vnet = { hdr_len: 42 }), '(nothing)', '{"hdr_len":42}'],
  ['steps[0].tx.eth0[0]', (g) => delete g.steps[0].tx],
  ['steps[0].tx.eth0[1]', (g) => g.steps[0].tx!.eth0.push({ bytes: '0102' }), '(nothing)', '0102  runt 2'],
  ['steps[0].tx.eth1[0]', (g) => (g.steps[0].tx!.eth1 = [{ bytes: '0102' }]), '(nothing)', '0102  runt 2'],
  ['steps[0].sockets.s[0].data', (g) => (g.steps[0].sockets!.s[0].data = '68656c6c70'), '68656c6c6f', '68656c6c70'],
  ['steps[0].sockets.s[0].from[1]', (g) => (g.steps[0].sockets!.s[0].from = ['10.0.0.2', 8]), '7', '8'],
  ['steps[0].sockets.s[0].cmsg.IP_TTL', (g) => (g.steps[0].sockets!.s[0].cmsg!.IP_TTL = 63), '64', '63'],
  ['steps[0].sockets.s[0].cmsg.IP_RECVOPTS', (g) => (g.steps[0].sockets!.s[0].cmsg!.IP_RECVOPTS = '01010101')],
  ['steps[0].sockets.s[1].error.code', (g) => (g.steps[0].sockets!.s[1].error!.code = 1), '3', '1'],
  ['steps[0].sockets.s[1]', (g) => (g.steps[0].sockets!.s[1] = { err: 'ECONNREFUSED' })],
  ['steps[0].sockets.s[1]', (g) => g.steps[0].sockets!.s.pop()],
  ['steps[0].sockets.p[0].frame', (g) => (g.steps[0].sockets!.p[0].frame = frame(ip({ id: 1 })))],
  ['steps[0].sockets.p[0].pkttype', (g) => (g.steps[0].sockets!.p[0].pkttype = 'OTHERHOST'), '"HOST"', '"OTHERHOST"'],
  ['steps[0].sockets.r[0].packet', (g) => (g.steps[0].sockets!.r[0].packet = '45')],
  [
    'steps[0].counters',
    (g) => (g.steps[0].counters = { IpInReceives: 2, UdpNoPorts: 1 }),
    'UdpInDatagrams 1, UdpNoPorts 0',
    'UdpInDatagrams 0, UdpNoPorts 1',
  ],
  ['counters', (g) => delete g.counters!.IpInReceives, 'IpInReceives 2', 'IpInReceives 0'],
  ['devices.eth0', (g) => (g.devices!.eth0.rx_dropped = 1), 'rx_dropped 0', 'rx_dropped 1'],
  ['devices.lo', (g) => (g.devices!.lo = { rx_packets: 1 }), 'rx_packets 0', 'rx_packets 1'],
  ['neighbours[0]', (g) => (g.neighbours![0].state = 'stale')],
  ['neighbours[0]', (g) => delete g.neighbours],
  ['iptables.rules[0]', (g) => (g.iptables!.rules[0] = [1, 40]), '2 packets, 80 bytes', '1 packets, 40 bytes'],
  ['iptables.policies.filter.INPUT', (g) => (g.iptables!.policies = {}), '1 packets, 40 bytes', '0 packets, 0 bytes'],
  ['socket_drops', (g) => (g.socket_drops = {}), 's 1', 's 0'],
]
for (const [path, change, expected, got] of CHANGES)
  test(`found: ${path} by ${change.toString().slice(7)}`, () => {
    const result = full()
    change(result)
    const found = compare({ steps: [STEP], expect: full() }, result)
    assert.is(found?.path, path)
    if (expected !== undefined) assert.equal([found?.expected, found?.got], [expected, got])
  })

test('the first difference is that of the first step, and in a step result, tx, sockets, counters', () => {
  const order = ['result', 'tx', 'sockets', 'counters']
  const expected: StepExpect = full().steps[0]
  const got = { steps: [structuredClone(expected), {}], counters: { IpInReceives: 9 } }
  for (const member of order) {
    const found = compare({ steps: [STEP, STEP], expect: { steps: [expected, expected] } }, got)
    assert.ok(found?.path.startsWith(`steps[1].${member}`), found?.path)
    got.steps[1] = { ...got.steps[1], [member]: structuredClone(expected[member as keyof StepExpect]) }
  }
  assert.is(compare({ steps: [STEP, STEP], expect: { steps: [expected, expected] } }, got)?.path, 'counters')
})

test('frames are shown in hex with a description and the first byte that differs', () => {
  const [e, g] = [frame(ip({ payload: [1, 2, 3, 4] })), frame(ip({ payload: [1, 2, 3, 5] }))]
  const found = compare(
    { steps: [STEP], expect: { steps: [{ tx: { eth0: [{ bytes: e }] } }] } },
    { steps: [{ tx: { eth0: [{ bytes: g }] } }] },
  )
  assert.is(found?.offset, 14 + 20 + 3)
  assert.ok(
    found?.expected.startsWith(`${e}  02:00:00:00:00:01>02:00:00:00:00:02 IP 10.0.0.1 > 10.0.0.2`),
    found?.expected,
  )
  assert.ok(found?.got.startsWith(g))
})

test('a long frame is shown around the first byte that differs', () => {
  const long = Uint8Array.from({ length: 1400 }, (_, i) => i)
  const other = long.slice()
  other[1000] ^= 255
  const step = (bytes: Uint8Array): StepExpect => ({ sockets: { s: [{ data: bytes }] } })
  const found = compare({ steps: [STEP], expect: { steps: [step(long)] } }, { steps: [step(other)] })
  assert.is(found?.offset, 1000)
  assert.ok(found?.got.startsWith('bytes 984 to 1048 of 1400: '))
})

test('empty members and zero counters are the same as missing ones', () => {
  const got: Expect = { steps: [{ step: 0, result: {}, tx: { eth0: [] }, sockets: {}, counters: { IpInReceives: 0 } }] }
  Object.assign(got, {
    devices: { lo: { rx_bytes: 0 } },
    neighbours: [],
    iptables: { rules: [], policies: { 'filter.INPUT': [0, 0] } },
  })
  assert.is(compare({ steps: [STEP], expect: { steps: [{ step: 0 }] } }, got), null)
})

test('counters that were unstable are not compared', () => {
  const expect: Expect = { steps: [{}], unstable: ['TcpExtTCPTimeouts'] }
  const counters = { TcpExtTCPTimeouts: 3 }
  assert.is(compare({ steps: [STEP], expect }, { steps: [{ counters }], counters }), null)
})

// ---- what the kernel chooses ----

const echoReply = (id: number): string => frame(ip({ id, protocol: 1, payload: icmp(0, [0, 1, 0, 1]) }))
const quoting = (outer: number, quoted: IpFields, check?: number): string =>
  frame(
    ip({
      id: outer,
      protocol: 1,
      payload: icmp(3, [0, 0, 0, 0, ...ip({ payload: Array(8).fill(7), ...quoted })], check),
    }),
  )
const stamped = (time: number, pointer = 13): string =>
  frame(ip({ options: timestampOption(pointer, 0x0a000001, time) }))
const wrongId = frame(ip({ id: 9, check: 0x1234 }))

const NORMS: [name: string, norm: string[], expected: string, got: string, path: string | null][] = [
  ['an id that is not named counts', [], echoReply(0), echoReply(7), FIRST],
  ['ip.id does not count', ['ip.id'], echoReply(0), echoReply(7), null],
  [
    'ip.id: the rest does',
    ['ip.id'],
    echoReply(0),
    frame(ip({ id: 7, protocol: 1, payload: icmp(0, [0, 1, 0, 2]) })),
    FIRST,
  ],
  ['ip.id: a frame must have a right header checksum', ['ip.id'], frame(ip({})), wrongId, FIRST],
  ['icmp.ip.id', ['ip.id', 'icmp.ip.id'], quoting(0, {}), quoting(3, { id: 4 }), null],
  ['icmp.ip.id that is not named', ['ip.id'], quoting(0, {}), quoting(3, { id: 4 }), FIRST],
  ['icmp.ip.id: the ICMP checksum must be right', ['icmp.ip.id'], quoting(0, {}), quoting(0, { id: 4 }, 0x1111), FIRST],
  ['ip.timestamp', ['ip.timestamp'], stamped(0), stamped(0x1234567), null],
  ['ip.timestamp: its pointer counts', ['ip.timestamp'], stamped(0), stamped(0, 9), FIRST],
  [
    'ip.timestamp: an address counts',
    ['ip.timestamp'],
    stamped(0),
    frame(ip({ options: timestampOption(13, 0x0a000009, 5) })),
    FIRST,
  ],
  [
    'ip.timestamp: what is not yet filled counts',
    ['ip.timestamp'],
    frame(ip({ options: timestampOption(9, 0, 0) })),
    frame(ip({ options: timestampOption(9, 5, 6) })),
    FIRST,
  ],
  [
    'icmp.ip.timestamp',
    ['icmp.ip.timestamp'],
    quoting(0, { options: timestampOption(13, 0x0a000001, 0) }),
    quoting(0, { options: timestampOption(13, 0x0a000001, 77) }),
    null,
  ],
  [
    'icmp.time',
    ['icmp.time'],
    frame(ip({ protocol: 1, payload: icmp(14, [0, 1, 0, 1, 0, 0, 0, 9, ...Array(8).fill(0)]) })),
    frame(ip({ protocol: 1, payload: icmp(14, [0, 1, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 1, 2, 3, 4]) })),
    null,
  ],
  [
    'icmp.time: the originate time counts',
    ['icmp.time'],
    frame(ip({ protocol: 1, payload: icmp(14, [0, 1, 0, 1, 0, 0, 0, 9, ...Array(8).fill(0)]) })),
    frame(ip({ protocol: 1, payload: icmp(14, [0, 1, 0, 1, 0, 0, 0, 8, ...Array(8).fill(0)]) })),
    FIRST,
  ],
  ['tcp.tsval', ['tcp.seq', 'tcp.tsval'], frame(tcp(0, 5)), frame(tcp(99, 5)), null],
  ['tcp.tsval: TSecr counts', ['tcp.tsval'], frame(tcp(0, 5)), frame(tcp(99, 6)), FIRST],
  ['tcp.tsval: a wrong checksum counts', ['tcp.tsval'], frame(tcp(0, 5)), frame(tcp(99, 5, 0x40)), FIRST],
  ['tcp.tsecr', ['tcp.ack', 'tcp.tsecr'], frame(tcp(5, 0)), frame(tcp(5, 99)), null],
  ['tcp.seq is shifted, not zeroed: it counts', ['tcp.seq'], frame(tcp(1, 1)), frame(tcp(1, 1, 0, 0x10000001)), FIRST],
  ['a frame that is not IPv4 counts', ['ip.id'], echoReply(0), compress(new Uint8Array(60)), FIRST],
  [
    'a frame that is cut counts',
    ['ip.id', 'icmp.ip.id'],
    quoting(0, {}),
    compress(expand(quoting(0, {})).slice(0, 36)),
    FIRST,
  ],
]
for (const [name, norm, expected, got, path] of NORMS)
  test(`norm: ${name}`, () => assert.is(sent([{ bytes: expected, norm }], [got]), path))

test('norm: what nobody knows is refused', () => {
  assert.throws(() => sent([{ bytes: echoReply(0), norm: ['udp.mood'] }], [echoReply(0)]), /norm udp.mood is not known/)
})

test('norm: a raw packet and a frame that sockets read, too', () => {
  const step = (id: number): StepExpect => ({
    sockets: {
      r: [{ packet: compress(new Uint8Array(ip({ id }))), norm: ['ip.id'] }],
      p: [{ frame: echoReply(id), norm: ['ip.id'] }],
    },
  })
  assert.is(compare({ steps: [STEP], expect: { steps: [step(0)] } }, { steps: [step(5)] }), null)
})

test('fragments with one label have one id, through the whole scenario', () => {
  const fragment = (id: number, frag: number): string => frame(ip({ id, frag, payload: Array(8).fill(frag & 255) }))
  const expected = [0x2000, 0x2001, 2].map((frag) => ({ bytes: fragment(0, frag), norm: ['ip.id#1'] }))
  assert.is(sent(expected, [fragment(7, 0x2000), fragment(7, 0x2001), fragment(7, 2)]), null)
  assert.is(sent(expected, [fragment(7, 0x2000), fragment(7, 0x2001), fragment(8, 2)]), 'steps[0].tx.eth0[2].bytes')
  const steps: StepExpect[] = [{ tx: { eth0: [expected[0]] } }, { tx: { eth1: [expected[1]] } }]
  const got = [7, 8].map((id, i) => ({ tx: { [`eth${i}`]: [{ bytes: fragment(id, [0x2000, 0x2001][i]) }] } }))
  const found = compare({ steps: [STEP, STEP], expect: { steps } }, { steps: got })
  assert.equal(
    [found?.path, found?.expected],
    ['steps[1].tx.eth1[0].bytes', 'IP id 7, as steps[0].tx.eth0[0] of the same datagram'],
  )
})

test('fragments of stored scenarios under other ids', () => {
  const { expect, steps } = stored('frag-echo')
  const got = structuredClone(expect)
  const renumber = (entry: TxFrame, id: number): void => {
    const bytes = typeof entry.bytes === 'string' ? expand(entry.bytes) : entry.bytes
    bytes.set([...be16(id), ...bytes.slice(20, 24), 0, 0], 18)
    bytes.set(be16(sum16(bytes.slice(14, 34))), 24)
    entry.bytes = bytes
  }
  const frames = got.steps.flatMap((step) => Object.values(step.tx ?? {}).flat())
  assert.ok(frames.some((f) => f.norm?.[0].startsWith('ip.id#')))
  for (const f of frames) if (f.norm) renumber(f, 0x4242)
  assert.is(compare({ steps, expect }, got), null)
  renumber(frames.at(-1)!, 0x4243)
  assert.ok(compare({ steps, expect }, got)?.expected.startsWith('IP id 16962'))
})

// ---- order ----

const UNORDERED: Step = { wait: 1, unordered: true }
const abc = ['0a', '0b', '0c'].map((x) => `020000000002020000000001${x}${x}`)

for (const [name, step, expected, got, path] of [
  ['order counts', STEP, abc, [abc[1], abc[0], abc[2]], FIRST],
  ['but not in an unordered step', UNORDERED, abc, [abc[2], abc[0], abc[1]], null],
  [
    'how often counts there too',
    UNORDERED,
    [abc[0], abc[0], abc[1]],
    [abc[0], abc[1], abc[1]],
    'steps[0].tx.eth0[1].bytes',
  ],
  ['one too few', UNORDERED, abc, [abc[2], abc[0]], 'steps[0].tx.eth0[1]'],
  ['one too many', UNORDERED, [abc[0]], [abc[1], abc[0]], 'steps[0].tx.eth0[0]'],
] as const)
  test(name, () =>
    assert.is(
      sent(
        expected.map((bytes) => ({ bytes })),
        [...got],
        step,
      ),
      path,
    ),
  )

test('in an unordered step a tolerant frame does not take the partner of a strict one', () => {
  const expected = [{ bytes: echoReply(0), norm: ['ip.id'] }, { bytes: echoReply(0) }]
  assert.is(sent(expected, [echoReply(0), echoReply(6)], UNORDERED), null)
  assert.is(sent(expected, [echoReply(5), echoReply(6)], UNORDERED), 'steps[0].tx.eth0[1].bytes')
})

test('an unordered step says nothing of what sockets read in another', () => {
  const step = (...data: string[]): StepExpect => ({ sockets: { s: data.map((d) => ({ data: d })) } })
  const steps = [UNORDERED, STEP]
  const expect: Expect = { steps: [step('01', '02'), step('01', '02')] }
  assert.is(compare({ steps, expect }, { steps: [step('02', '01'), step('01', '02')] }), null)
  assert.is(
    compare({ steps, expect }, { steps: [step('01', '02'), step('02', '01')] })?.path,
    'steps[1].sockets.s[0].data',
  )
})

// ---- reasons ----

test('drop reasons are summed over the run, without the function', () => {
  const expected: Expect = {
    steps: [
      { drops: { 'NO_SOCKET@__udp4_lib_rcv': 1, 'IP_CSUM@ip_rcv_core': 1 } },
      { drops: { 'NO_SOCKET@udp_rcv': 2 } },
    ],
  }
  assert.equal(reasonSums(expected), { NO_SOCKET: 3, IP_CSUM: 1 })
  assert.ok(reasonsEqual(expected, { steps: [{ drops: { NO_SOCKET: 3, 'IP_CSUM@elsewhere': 1 } }] }))
  assert.not(reasonsEqual(expected, { steps: [{ drops: { NO_SOCKET: 3 } }] }))
  assert.not(reasonsEqual(expected, { steps: [{ drops: { NO_SOCKET: 3, IP_CSUM: 1, UDP_CSUM: 1 } }] }))
})

test('an unstable reason is not compared', () => {
  const expected: Expect = { steps: [{}], unstable: ['FRAG_REASM_TIMEOUT@ip_expire'] }
  assert.ok(reasonsEqual(expected, { steps: [{ drops: { 'FRAG_REASM_TIMEOUT@inet_frag_rbtree_purge': 3 } }] }))
})

test.run()
