// npm run bench -- [NAME...] [--json]: all benches, those of these names, or whose name begins with one.

import { Command } from 'commander'
import pc from 'picocolors'
import { functionBenches, loadLoops, runFunction } from './functions.ts'
import { gsoBenches } from './gso.ts'
import { forwardBenches } from './forward.ts'
import { INTERNET_BENCHES, runInternet } from './internet.ts'
import { runPath } from './path.ts'
import { receiveBenches } from './receive.ts'
import { type Figure, line } from './report.ts'
import { transmitBenches } from './transmit.ts'
import { vethBenches } from './veth.ts'

const program = new Command('bench')
  .argument('[name...]', 'benches by name, or the beginning of names')
  .option('--json', 'one array on standard output')
  .option('--samples <n>', 'samples of a path bench', '15')
program.parse()

const pathBenches = [...receiveBenches, ...transmitBenches, ...forwardBenches, ...vethBenches, ...gsoBenches]
const names = program.args
const { json, samples } = program.opts<{ json?: boolean; samples: string }>()
const known = [...[...functionBenches, ...pathBenches].map(({ name }) => name), ...INTERNET_BENCHES]
const wanted = (name: string): boolean =>
  names.length === 0 || names.some((start) => (known.includes(start) ? name === start : name.startsWith(start)))

for (const name of names) {
  if (known.some((bench) => bench.startsWith(name))) continue
  process.stderr.write(`bench: there is no '${name}'; there are ${known.join(', ')}\n`)
  process.exit(2)
}

const figures: Figure[] = []
function done(result: Figure): void {
  figures.push(result)
  if (json) process.stderr.write(`${pc.dim(line(result))}\n`)
  else process.stdout.write(`${line(result)}\n`)
}

const functions = functionBenches.filter(({ name }) => wanted(name))
if (functions.length > 0) {
  const loops = await loadLoops()
  for (const bench of functions) done(runFunction(bench, loops))
}
await runInternet(wanted, done)
for (const bench of pathBenches.filter(({ name }) => wanted(name))) done(await runPath(bench, Number(samples)))
if (json) process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`)
