// What the command writes: lines to standard output, errors and progress to standard error, tables that align.

import { SingleBar } from 'cli-progress'

/** Where lines go. */
export interface Output {
  line(text?: string): void
  error(text: string): void
}

/** A reader that closes the pipe early (head, less) has seen enough. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

export const terminal: Output = {
  line: (text = '') => void process.stdout.write(`${text}\n`),
  error: (text) => void process.stderr.write(`netpath: ${text}\n`),
}

/** A bar on standard error; nothing where that is no terminal. */
export interface Progress {
  start(total: number, unit: string): void
  step(by?: number): void
  stop(): void
}

/** A progress bar. off: nothing is shown. */
export function progressBar(on: boolean): Progress {
  if (!on || !process.stderr.isTTY) return { start: () => undefined, step: () => undefined, stop: () => undefined }
  const bar = new SingleBar({
    format: '{bar} {percentage}% {value} of {total} {unit}',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  })
  return {
    start: (total, unit) => bar.start(total, 0, { unit }),
    step: (by = 1) => bar.increment(by),
    stop: () => bar.stop(),
  }
}

/** Cells in columns: numbers to the right. ANSI colours do not count. */
export function table(rows: readonly (readonly (string | number)[])[], indent = '  '): string[] {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)))
  // oxlint-disable-next-line no-control-regex
  const bare = (text: string): number => text.replace(/\u001b\[\d+m/g, '').length
  const widths: number[] = []
  for (const row of texts) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, bare(cell))))
  return texts.map((row, r) => {
    const cells = row.map((cell, i) => {
      const pad = ' '.repeat(widths[i]! - bare(cell))
      return typeof rows[r]![i] === 'number' ? pad + cell : cell + pad
    })
    return `${indent}${cells.join('  ').trimEnd()}`
  })
}
