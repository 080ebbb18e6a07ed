// Runs the built command in a process of its own.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rootFolder } from '../root.ts'

const MAIN = fileURLToPath(new URL('dist/src/cli/main.js', rootFolder))

export const path = (name: string): string => fileURLToPath(new URL(name, rootFolder))

export interface Ran {
  code: number
  out: string
  err: string
}

/** Exit code and what was written, without colours. */
export function netpath(...args: string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
    execFile(process.execPath, [MAIN, ...args], { maxBuffer: 1 << 26, env }, (error, out, err) => {
      const code = error ? error.code : 0
      if (typeof code === 'number') resolve({ code, out, err })
      else reject(error!)
    })
  })
}

/** A folder that is gone afterwards. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'netpath-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
