// netpath record and netpath conform: oracle scenarios run by the emulator, written down or compared.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pc from 'picocolors'
import { type Difference, compare, reasonsEqual } from '../conform/compare.ts'
import { type Loaded, load, scenarioFiles } from '../conform/load.ts'
import { record, toText } from '../conform/record.ts'
import { type Output, type Progress, progressBar } from './output.ts'

/** A scenario that is not as recorded. */
interface Failure {
  name: string
  path: string
  area: string
  difference: Difference
}

/** What conform found. */
export interface Conformance {
  passed: number
  failed: number
  areas: Record<string, { passed: number; failed: number }>
  failures: Failure[]
  /** Of those with recorded drop reasons: how many have the same. */
  reasons: { equal: number; of: number }
}

/** The first difference of one scenario, null: none. What the emulator cannot do is a difference, never skipped. */
async function check({ scenario }: Loaded, found: Conformance): Promise<Difference | null> {
  try {
    const got = await record(scenario)
    if (scenario.expect) {
      found.reasons.of += 1
      if (reasonsEqual(scenario.expect, got)) found.reasons.equal += 1
    }
    return compare(scenario, got)
  } catch (error) {
    found.reasons.of += 1
    const { message, code } = error as NodeJS.ErrnoException
    return { path: 'run', expected: 'to run', got: code ? `${code}: ${message}` : message }
  }
}

/** Runs everything below the paths and compares. */
export async function conformAll(paths: readonly string[], progress: Progress): Promise<Conformance> {
  const found: Conformance = { passed: 0, failed: 0, areas: {}, failures: [], reasons: { equal: 0, of: 0 } }
  progress.start(scenarioFiles(paths).length, 'files')
  let file = ''
  for (const loaded of load(paths)) {
    if (loaded.path !== file) {
      if (file) progress.step()
      file = loaded.path
    }
    const area = (found.areas[loaded.area] ??= { passed: 0, failed: 0 })
    const difference = await check(loaded, found)
    if (difference) {
      found.failed += 1
      area.failed += 1
      const path = loaded.index === undefined ? loaded.path : `${loaded.path}#${loaded.index}`
      found.failures.push({ name: loaded.scenario.name, path, area: loaded.area, difference })
    } else {
      found.passed += 1
      area.passed += 1
    }
  }
  progress.stop()
  return found
}

function printable(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function printFailure(out: Output, failure: Failure): void {
  const { name, path, difference } = failure
  out.line(`${pc.red('✗')} ${pc.bold(name)} ${pc.dim(path)}`)
  out.line(`    ${difference.path}`)
  out.line(`    ${pc.green('expected')} ${printable(difference.expected)}`)
  out.line(`    ${pc.red('got     ')} ${printable(difference.got)}`)
}

/** netpath conform. Answers the exit code. */
export async function conformCommand(
  paths: readonly string[],
  options: { json?: boolean },
  out: Output,
): Promise<number> {
  const found = await conformAll(paths, progressBar(options.json !== true))
  if (options.json) {
    const failures = found.failures.map(({ name, path, difference }) => ({
      name,
      path,
      at: difference.path,
      expected: difference.expected,
      got: difference.got,
    }))
    const { passed, failed, areas, reasons } = found
    out.line(JSON.stringify({ passed, failed, areas, failures, reasons }))
    return found.failed > 0 ? 1 : 0
  }
  for (const failure of found.failures) printFailure(out, failure)
  for (const [area, { passed, failed }] of Object.entries(found.areas)) {
    const mark = failed === 0 ? pc.green('✓') : pc.yellow('·')
    out.line(`${mark} ${(area || 'no area').padEnd(16)} ${passed} of ${passed + failed}`)
  }
  out.line(`reasons ${found.reasons.equal} of ${found.reasons.of}`)
  out.line(`${found.passed} passed, ${found.failed} failed`)
  return found.failed > 0 ? 1 : 0
}

/** netpath record: each scenario into OUTDIR/name.json with what the emulator made of it. Answers the exit code. */
export async function recordCommand(
  paths: readonly string[],
  options: { output: string },
  version: string,
  out: Output,
): Promise<number> {
  mkdirSync(options.output, { recursive: true })
  const progress = progressBar(true)
  const loaded = [...load(paths)]
  progress.start(loaded.length, 'scenarios')
  let failed = 0
  for (const { scenario, path } of loaded) {
    try {
      const expect = toText(await record(scenario))
      const recorded = { ...scenario, expect, kernel: `netpath ${version}` }
      writeFileSync(join(options.output, `${scenario.name}.json`), `${JSON.stringify(recorded, null, 2)}\n`)
    } catch (error) {
      failed += 1
      out.error(`${scenario.name} (${path}): ${(error as Error).message}`)
    }
    progress.step()
  }
  progress.stop()
  out.line(`${loaded.length - failed} recorded, ${failed} failed`)
  return failed > 0 ? 1 : 0
}
