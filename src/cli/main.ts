#!/usr/bin/env node
// The netpath command.

import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { ScenarioFileError } from '../conform/load.ts'
import { CaptureError } from '../pcap/error.ts'
import { conformCommand, recordCommand } from './conform.ts'
import { terminal } from './output.ts'
import { replayCommand } from './replay.ts'
import { walkCommand } from './walk.ts'

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** Exit codes: 0 all well, 1 something differed or did not balance, 2 bad input or use. */
const BAD_INPUT = 2

function makeProgram(exit: (code: number) => void): Command {
  const program = new Command('netpath')
  program
    .description("The Linux kernel's IPv4 packet path: what a capture or a packet meets, station by station.")
    .version(version)
    .exitOverride()
    .configureHelp({ sortSubcommands: false })

  program
    .command('replay')
    .description('play captures against the host they were taken at, and say where each packet went')
    .argument('<file...>', 'pcap or pcapng, Ethernet, plain or gzip')
    .option('--host <ip[/len]>', "the host's address, when it cannot be found")
    .option('--no-sockets', 'open no socket for the UDP ports that got traffic')
    .option('--fast', 'ignore the timestamps: as fast as it goes')
    .option('--write <out.pcapng>', 'write what came in and went out, with drop reasons as comments')
    .option('--json', 'one JSON object for each file')
    .addHelpText('after', '\nExample:\n  netpath replay examples/captures/office.pcap\n')
    .action(async (files: string[], options) => exit(await replayCommand(files, options, terminal)))

  program
    .command('walk')
    .description("show one packet's way, function by function")
    .argument('<what>', 'a frame in hex, a capture file, or an oracle scenario (.json)')
    .argument('[packet]', 'number of the packet in the capture, from 1', '1')
    .option('--step <n>', 'step of the scenario, from 0', '0')
    .option('--host <ip[/len]>', "the host's address, when it cannot be found")
    .option('--no-sockets', 'open no socket for the UDP ports that got traffic')
    .option('--json', '{walk: [{cpu, depth, fn}]}')
    .addHelpText('after', '\nExample:\n  netpath walk examples/captures/office.pcap 3\n')
    .action(async (what: string, packet: string, options) => exit(await walkCommand(what, packet, options, terminal)))

  program
    .command('record')
    .description('run oracle scenarios and write down what netpath made of them')
    .argument('<path...>', 'scenario files, suites, folders')
    .addOption(new Option('-o, --output <outdir>', 'where NAME.json goes').makeOptionMandatory())
    .action(async (paths: string[], options) => exit(await recordCommand(paths, options, version, terminal)))

  program
    .command('conform')
    .description('run oracle scenarios and compare with what Linux did')
    .argument('<path...>', 'scenario files, suites, folders')
    .option('--json', '{passed, failed, areas, failures}')
    .action(async (paths: string[], options) => exit(await conformCommand(paths, options, terminal)))

  return program
}

/** What an error says to a user: one line for what is their input, all of it for what is our bug. */
function explain(error: unknown): string {
  if (error instanceof CaptureError || error instanceof ScenarioFileError) return error.message
  const { code, message, stack } = error as NodeJS.ErrnoException
  return code === undefined ? (stack ?? String(error)) : message
}

async function main(argv: readonly string[]): Promise<void> {
  try {
    await makeProgram((code) => (process.exitCode = code)).parseAsync(argv)
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : BAD_INPUT
      return
    }
    terminal.error(explain(error))
    process.exitCode = BAD_INPUT
  }
}

await main(process.argv)
