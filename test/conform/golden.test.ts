// The recorded scenarios of test/golden: what Linux 6.18 did, netpath does. What it does not do yet stands in not-yet.json, and
// a scenario that is listed there and passes fails this test: the list only shrinks.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { compare } from '../../src/conform/compare.ts'
import { load } from '../../src/conform/load.ts'
import { record } from '../../src/conform/record.ts'
import { rootFolder } from '../root.ts'

const root = fileURLToPath(rootFolder)
const notYet = new Set(JSON.parse(readFileSync(`${root}/test/conform/not-yet.json`, 'utf8')) as string[])
const test = suite('golden')

/** The first difference in words, '': none. */
async function differs(scenario: Parameters<typeof record>[0]): Promise<string> {
  try {
    const difference = compare(scenario, await record(scenario))
    return difference
      ? `${difference.path}: expected ${JSON.stringify(difference.expected)}, got ${JSON.stringify(difference.got)}`
      : ''
  } catch (error) {
    return (error as Error).message
  }
}

const areas = new Map<string, { name: string; run: () => Promise<string> }[]>()
for (const { area, scenario, index } of load([`${root}/test/golden`])) {
  if (!scenario.expect) continue
  const name = index === undefined ? scenario.name : `${area}/${scenario.name}`
  const list = areas.get(area) ?? []
  list.push({ name, run: () => differs(scenario) })
  areas.set(area, list)
}

for (const [area, scenarios] of areas) {
  test(`${area}: ${scenarios.length} scenarios`, async () => {
    const wrong: string[] = []
    for (const { name, run } of scenarios) {
      const difference = await run()
      if (difference && !notYet.has(name)) wrong.push(`${name}: ${difference}`)
      if (!difference && notYet.has(name)) wrong.push(`${name} passes: take it out of test/conform/not-yet.json`)
    }
    assert.equal(wrong, [])
  })
}

test.run()
