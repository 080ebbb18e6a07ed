// Scenario files: order, areas, and errors that say which file and why.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { load, scenarioFiles, ScenarioFileError } from '../../src/conform/load.ts'
import { faultOf } from '../../src/conform/validate.ts'

const GOLDEN = fileURLToPath(new URL('../../../test/golden/', import.meta.url))
const MINIMAL = { schema: 1, name: 'x', host: {}, steps: [] }

const test = suite<{ folder: string }>('conform/load')

test.before((ctx) => {
  ctx.folder = mkdtempSync(join(tmpdir(), 'netpath-load-'))
  mkdirSync(join(ctx.folder, 'b', 'deep'), { recursive: true })
  mkdirSync(join(ctx.folder, 'empty'))
  const write = (path: string, value: unknown): void =>
    writeFileSync(join(ctx.folder, path), typeof value === 'string' ? value : JSON.stringify(value))
  write('b/deep/one.json', { ...MINIMAL, name: 'one', area: 'arp' })
  write('b/a.json', { profile: 'rx', seed: 1, scenarios: [MINIMAL, { ...MINIMAL, name: 'y', area: 'own' }] })
  write('b/notes.txt', 'not read')
  write('c.json', MINIMAL)
  write('broken.json', '{"schema": 1,')
  write('other.json', { schema: 2 })
  write('suite.json', { profile: 'rx', scenarios: [MINIMAL, { ...MINIMAL, steps: [{ jump: 'eth0' }] }] })
})
test.after((ctx) => rmSync(ctx.folder, { recursive: true }))

test('files, suites and folders, each once, in the order of their names', ({ folder }) => {
  const found = [...load([join(folder, 'c.json'), join(folder, 'b'), join(folder, 'b', 'a.json')])]
  assert.equal(
    found.map((l) => [l.path.slice(folder.length + 1), l.index, l.area, l.scenario.name]),
    [
      ['b/a.json', 0, 'rx', 'x'],
      ['b/a.json', 1, 'own', 'y'],
      ['b/deep/one.json', undefined, 'arp', 'one'],
      ['c.json', undefined, '', 'x'],
    ],
  )
})

test('every stored scenario is one, in its folder', () => {
  const found = [...load([GOLDEN])]
  assert.is(found.length, scenarioFiles([GOLDEN]).length)
  for (const { path, area, scenario } of found) assert.ok(path.endsWith(join(area, `${scenario.name}.json`)), path)
})

for (const [file, reason, code] of [
  ['missing.json', 'no such file or folder', 'ENOENT'],
  ['empty', 'no .json file in this folder', 'EINVAL'],
  ['broken.json', 'not JSON: ', 'EINVAL'],
  ['other.json', 'not a scenario: name: should be string, is missing', 'EINVAL'],
  ['suite.json', 'not a scenario: scenarios[1].steps[0]: no step that is known in {jump}', 'EINVAL'],
])
  test(`a clear error: ${file}`, ({ folder }) => {
    const path = join(folder, file)
    assert.throws(
      () => [...load([path])],
      (e: Error) =>
        e instanceof ScenarioFileError &&
        e.code === code &&
        e.path === path &&
        e.message.startsWith(`${path}: ${reason}`),
    )
  })

for (const [value, fault] of [
  [[], 'should be object, is array'],
  [{ ...MINIMAL, schema: 2 }, 'schema: 2 is not known, only 1'],
  [{ ...MINIMAL, host: undefined }, 'host: should be object, is missing'],
  [{ ...MINIMAL, host: { devices: [{ name: 'eth0' }] } }, 'host.devices[0].mac: should be string, is missing'],
  [
    { ...MINIMAL, host: { sockets: [{ name: 's', type: 'sctp' }] } },
    'host.sockets[0].type: "sctp" is none of udp, tcp, raw, packet, ping',
  ],
  [{ ...MINIMAL, steps: [{ rx: 'eth0', frames: ['00', '0'] }] }, 'steps[0].frames[1]: not a byte string'],
  [{ ...MINIMAL, steps: [{ rx: 'eth0' }] }, 'steps[0].frames: should be array, is missing'],
  [{ ...MINIMAL, steps: [{ rx: 'eth0', frames: [], close: 's' }] }, 'steps[0]: one step cannot be both rx and close'],
  [
    { ...MINIMAL, steps: [{ route: 'drop', to: 'default' }] },
    'steps[0].route: "drop" is none of add, append, prepend, replace, change, del',
  ],
  [{ ...MINIMAL, expect: { steps: [{}] } }, 'expect.steps: 1 entries for 0 steps'],
  [{ ...MINIMAL, steps: [{ send: 's', data: '00', wait: 2 }] }, null],
] as const)
  test(`validate: ${fault ?? 'a step may wait'}`, () => assert.is(faultOf(value), fault))

test.run()
