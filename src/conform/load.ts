/**
 * Scenario files from disk (Node only): single scenarios, suites, and folders of either.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Scenario } from './scenario.ts'
import { faultOf } from './validate.ts'

export interface Loaded {
  /** The file. */
  path: string
  /** Its place in a suite; absent for a file that is one scenario. */
  index?: number
  /** The scenario's own area, else the suite's profile, else ''. */
  area: string
  scenario: Scenario
}

/** A path that cannot be read or holds no scenario. `code`: Node's where the file system refused, else EINVAL. */
export class ScenarioFileError extends Error {
  readonly path: string
  readonly code: string

  constructor(path: string, reason: string, code = 'EINVAL', cause?: unknown) {
    super(`${path}: ${reason}`, { cause })
    this.name = 'ScenarioFileError'
    this.path = path
    this.code = code
  }
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ScenarioFileError) throw error
    const { code = 'EIO', message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'no such file or folder' : message
    throw new ScenarioFileError(path, reason, code, error)
  }
}

function inFolder(folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry)
    if (statSync(path).isDirectory()) found.push(...inFolder(path))
    else if (entry.endsWith('.json')) found.push(path)
  }
  return found
}

/** The files behind the paths, each once, in the order of their names; of folders, every `.json` however deep. */
export function scenarioFiles(paths: readonly string[]): string[] {
  const files = new Set<string>()
  for (const path of paths) {
    const found = reading(path, () => (statSync(path).isDirectory() ? inFolder(path) : [path]))
    if (!found.length) throw new ScenarioFileError(path, 'no .json file in this folder')
    for (const file of found) files.add(file)
  }
  return [...files].sort()
}

function checked(path: string, value: unknown, where: string): Scenario {
  const fault = faultOf(value)
  if (fault !== null) throw new ScenarioFileError(path, `not a scenario: ${where}${fault}`)
  return value as Scenario
}

/** The scenarios of one file, in their order. Throws ScenarioFileError. */
export function readScenarios(path: string): Loaded[] {
  const text = reading(path, () => readFileSync(path, 'utf8'))
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new ScenarioFileError(path, `not JSON: ${(error as Error).message}`, 'EINVAL', error)
  }
  const suite = json as { profile?: unknown; scenarios?: unknown } | null
  if (suite === null || typeof suite !== 'object' || !('scenarios' in suite)) {
    const scenario = checked(path, json, '')
    return [{ path, area: scenario.area ?? '', scenario }]
  }
  if (!Array.isArray(suite.scenarios)) throw new ScenarioFileError(path, 'not a suite: scenarios should be array')
  const profile = typeof suite.profile === 'string' ? suite.profile : ''
  return suite.scenarios.map((value, index) => {
    const scenario = checked(path, value, `scenarios[${index}].`)
    return { path, index, area: scenario.area ?? profile, scenario }
  })
}

/**
 * Every scenario of files, suites and folders, file by file in the order of the names.
 * Files are read as they are needed: a bad one throws its ScenarioFileError when its turn comes.
 */
export function* load(paths: readonly string[]): Generator<Loaded, void, undefined> {
  for (const path of scenarioFiles(paths)) yield* readScenarios(path)
}
