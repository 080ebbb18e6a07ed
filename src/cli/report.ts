// What replay says at its end: who the host was, what came, where it went, what was lost and why, and whether it adds up.

import pc from 'picocolors'
import { pathFunctions } from '../trace/path_functions.ts'
import type { CaptureError } from '../pcap/error.ts'
import type { AnswerBook } from './answers.ts'
import type { PlayedHost } from './capture_host.ts'
import { type Output, table } from './output.ts'
import type { Survey } from './survey.ts'

export interface Report {
  file: string
  survey: Survey
  played: PlayedHost
  playing: { frames: number; bytes: number; datagrams: number; datagramBytes: number; answers: AnswerBook }
  seconds: number
  fault: CaptureError | undefined
}

/** Stations that packets passed, with how often, in the order of the first that did. */
function stations(report: Report): { station: string; count: number }[] {
  const counted = report.played.host.trace.counts().filter(({ fn }) => pathFunctions.has(fn))
  return counted.map(({ fn, count }) => ({ station: fn, count }))
}

function drops(report: Report): { reason: string; function: string; count: number }[] {
  const all = new Map<string, { reason: string; function: string; count: number }>()
  for (const { reason, function: fn, count } of report.played.host.drops()) {
    const key = `${reason} ${fn}`
    all.set(key, { reason, function: fn, count: count + (all.get(key)?.count ?? 0) })
  }
  return [...all.values()].sort((a, b) => b.count - a.count)
}

/** What the NIC did not let through. */
function nicLosses(report: Report): Record<string, number> {
  const { rx_missed_errors, rx_length_errors } = report.played.nic.info().stats
  const { filtered } = report.played.nic.hardware()
  return {
    'not for this host (address filter)': filtered,
    'runt or over the MTU': rx_length_errors,
    'no free descriptor (rx_missed)': rx_missed_errors,
  }
}

/** The report for programs. */
export function reportJson(report: Report): object {
  const { file, survey, played, playing, seconds, fault } = report
  const { mac, addresses, prefixLength, because } = played.identity
  const { expected, sent, equal } = playing.answers
  return {
    file,
    host: { mac, addresses, prefixLength, because },
    frames: survey.frames,
    bytes: survey.bytes,
    played: { frames: playing.frames, bytes: playing.bytes },
    protocols: Object.fromEntries(survey.protocols),
    sockets: played.sockets.map(({ address }) => address.port),
    datagrams: { count: playing.datagrams, bytes: playing.datagramBytes },
    answers: { expected, sent, equal },
    stations: stations(report),
    nic: nicLosses(report),
    drops: drops(report),
    counters: played.host.counters(),
    seconds,
    packetsPerSecond: playing.frames / seconds,
    account: played.lab.account(),
    ...(fault && { error: { code: fault.code, offset: fault.offset, message: fault.message } }),
  }
}

function section(out: Output, title: string, rows: readonly (readonly (string | number)[])[]): void {
  if (rows.length === 0) return
  out.line()
  out.line(pc.bold(title))
  for (const line of table(rows)) out.line(line)
}

function printHead(report: Report, out: Output): void {
  const { survey, played, playing, file } = report
  const { mac, addresses, prefixLength, because } = played.identity
  const span = Number(survey.lastNs - survey.firstNs) / 1e9
  out.line()
  out.line(pc.bold(pc.cyan(file)) + pc.dim(` ${survey.frames} packets, ${survey.bytes} bytes, ${span.toFixed(3)} s`))
  out.line(`  host      ${addresses.join(', ')}/${prefixLength} at ${mac.match(/../g)!.join(':')}: ${because}`)
  const ports = played.sockets.map(({ address }) => address.port)
  const shown = ports.length > 12 ? `${ports.slice(0, 12).join(', ')} ... (${ports.length})` : ports.join(', ')
  out.line(`  sockets   ${ports.length > 0 ? `UDP ${shown}` : 'none'}`)
  const { expected, equal, sent } = playing.answers
  out.line(`  answers   ${equal} of the ${expected} frames that the host itself sent came out equal, of ${sent} sent`)
}

function printBalance(report: Report, out: Output): void {
  const { born, ended, live, balanced } = report.played.lab.account()
  const sum = (row: Record<string, number>): string =>
    Object.entries(row)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(' + ') || '0'
  out.line()
  out.line(pc.bold('Balance'))
  out.line(`  born   ${sum(born)}`)
  out.line(`  ended  ${sum(ended)}${live > 0 ? `, ${live} live` : ''}`)
  out.line(
    balanced ? `  ${pc.green('✓')} every packet is accounted for` : `  ${pc.red('✗ the balance does not close')}`,
  )
}

/** The report for people. */
export function printReport(report: Report, out: Output): void {
  const { survey, played, playing, seconds } = report
  printHead(report, out)
  section(
    out,
    'Packets',
    [...survey.protocols].sort((a, b) => b[1] - a[1]),
  )
  section(
    out,
    'Stations',
    stations(report).map(({ station, count }) => [station, count]),
  )
  section(
    out,
    'Kept out by the NIC',
    Object.entries(nicLosses(report)).filter(([, count]) => count > 0),
  )
  section(
    out,
    'Drops',
    drops(report).map(({ reason, function: fn, count }) => [pc.yellow(reason), fn, count]),
  )
  section(out, 'Counters', Object.entries(played.host.counters()))
  printBalance(report, out)
  const rate = playing.frames / seconds
  const read = `${playing.datagrams} datagrams (${playing.datagramBytes} bytes) read by sockets`
  out.line()
  out.line(
    `  ${playing.frames} packets played in ${seconds.toFixed(3)} s: ${pc.bold(Math.round(rate).toLocaleString('en-US'))} packets/s; ${read}`,
  )
}
