// netpath walk: one packet's way, function by function with depth.

import { statSync } from 'node:fs'
import pc from 'picocolors'
import { dissect } from '../conform/dissect.ts'
import { load } from '../conform/load.ts'
import { record } from '../conform/record.ts'
import { dropReasons } from '../host/counters.ts'
import type { Host, TraceRecord } from '../index.ts'
import { openCapture } from '../pcap/file.ts'
import { makeCaptureHost } from './capture_host.ts'
import type { Output } from './output.ts'
import { newSurvey, surveyCapture } from './survey.ts'

export interface WalkOptions {
  step: string
  host?: string
  sockets: boolean
  json?: boolean
}

/** What a walk shows: the trace, and the frames that left. */
interface Walked {
  title: string
  records: TraceRecord[]
  sent: Uint8Array[]
}

function bad(message: string): Error {
  return Object.assign(new Error(message), { code: 'EINVAL' })
}

function wholeNumber(text: string, least: number, what: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least) throw bad(`${what} is a whole number from ${least}, not ${text}`)
  return value
}

const RECORDS = 1 << 16

function startTrace(host: Host): void {
  host.trace.start({ functions: true, packets: true, records: RECORDS })
}

async function walkScenario(path: string, step: number): Promise<Walked> {
  const [loaded] = load([path])
  if (!loaded) throw bad(`${path} holds no scenario`)
  const { scenario } = loaded
  if (step >= scenario.steps.length) throw bad(`${scenario.name} has ${scenario.steps.length} steps, from 0`)
  let traced: Host | undefined
  let records: TraceRecord[] = []
  const expect = await record(
    scenario,
    (run, index) => {
      if (index === step) startTrace((traced = run.host))
      else if (index === step + 1) records = run.host.trace.read().records
      if (index > step) run.host.trace.stop()
    },
    () => {
      if (records.length === 0 && traced) records = traced.trace.read().records
    },
  )
  const sent = Object.values(expect.steps[step]?.tx ?? {}).flatMap((frames) =>
    frames.map(({ bytes }) => bytes as Uint8Array),
  )
  return { title: `${scenario.name}, step ${step}`, records, sent }
}

/** The frame of a capture with its survey, so that it meets the host that it met. */
async function walkCapture(path: string, number: number, options: WalkOptions): Promise<Walked> {
  const survey = newSurvey()
  await surveyCapture(survey, openCapture(path))
  for await (const packet of openCapture(path)) {
    if (packet.index + 1 === number) return walkFrame(packet.data.slice(), survey, `${path}, packet ${number}`, options)
  }
  throw bad(`${path} has ${survey.frames} packets`)
}

async function walkFrame(
  frame: Uint8Array,
  survey: ReturnType<typeof newSurvey>,
  title: string,
  options: WalkOptions,
): Promise<Walked> {
  const { lab, host, nic, identity } = await makeCaptureHost(survey, survey.longest, options)
  try {
    const own = [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    if (own === identity.mac)
      throw bad(`${title}: the host itself sent it (${dissect(frame)}); a walk is that of a packet that comes in`)
    startTrace(host)
    const padded = new Uint8Array(Math.max(60, frame.length))
    padded.set(frame)
    nic.rx([padded])
    lab.advance(0)
    lab.run()
    return { title: `${title}: ${dissect(frame)}`, records: host.trace.read().records, sent: nic.tx() }
  } finally {
    await lab.close()
  }
}

/** A frame from nowhere: the host is who it is for. */
async function walkHex(text: string, options: WalkOptions): Promise<Walked> {
  const digits = text.replace(/[\s:]/g, '')
  if (!/^([0-9a-fA-F]{2})+$/.test(digits)) throw bad(`'${text.slice(0, 40)}' is no file, and no frame in hex`)
  const frame = Uint8Array.from(digits.match(/../g)!, (pair) => parseInt(pair, 16))
  if (frame.length < 14) throw bad(`a frame has at least 14 bytes, this one ${frame.length}`)
  const survey = surveyOfOne(frame)
  return walkFrame(frame, survey, 'frame', options)
}

/** A survey in which the frame's destination is a host that also sends. */
function surveyOfOne(frame: Uint8Array): ReturnType<typeof newSurvey> {
  const survey = newSurvey()
  const hex = (from: number): string =>
    [...frame.subarray(from, from + 6)].map((b) => b.toString(16).padStart(2, '0')).join('')
  const ip = (at: number): string => [...frame.subarray(at, at + 4)].join('.')
  const isIp = frame[12] === 8 && frame[13] === 0 && frame.length >= 34
  const isArp = frame[12] === 8 && frame[13] === 6 && frame.length >= 42
  const to = isIp ? ip(30) : isArp ? ip(38) : '10.0.0.1'
  const from = isIp ? ip(26) : isArp ? ip(28) : '10.0.0.2'
  const group = (frame[0]! & 1) !== 0
  const hostMac = group ? '020000000001' : hex(0)
  const hostIp = group && isIp ? '10.0.0.1' : to
  const own = {
    mac: hostMac,
    unicast: 2,
    ipv4Sent: 1,
    freshSent: 1,
    addresses: new Map([[hostIp, { packets: 1, fresh: 1 }]]),
  }
  const peer = {
    mac: hex(6),
    unicast: 1,
    ipv4Sent: 1,
    freshSent: 0,
    addresses: new Map([[from, { packets: 1, fresh: 0 }]]),
  }
  survey.senders.set(hostMac, own)
  if (hex(6) !== hostMac) survey.senders.set(hex(6), peer)
  survey.longest = frame.length
  if (isIp && frame[23] === 17 && frame.length >= 42) survey.udpPorts.set(to, new Set([(frame[36]! << 8) | frame[37]!]))
  return survey
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function walkOf(what: string, packet: string, options: WalkOptions): Promise<Walked> {
  if (!isFile(what)) return walkHex(what, options)
  if (what.endsWith('.json')) return walkScenario(what, wholeNumber(options.step, 0, '--step'))
  return walkCapture(what, wholeNumber(packet, 1, 'a packet number'), options)
}

function printRecord(record: TraceRecord, out: Output): void {
  const indent = '  '.repeat(record.depth)
  if (record.kind === 'function') out.line(`  ${indent}${record.fn}`)
  else if (record.kind === 'drop') {
    const reason = dropReasons[record.value] ?? String(record.value)
    out.line(`  ${indent}${pc.red(`✗ SKB_DROP_REASON_${reason}`)} ${pc.dim(`packet ${record.id}`)}`)
  }
}

/** netpath walk. 0, or 2 for bad input (thrown). */
export async function walkCommand(what: string, packet: string, options: WalkOptions, out: Output): Promise<number> {
  const { title, records, sent } = await walkOf(what, packet, options)
  if (options.json) {
    const walk = records.filter(({ kind }) => kind === 'function').map(({ cpu, depth, fn }) => ({ cpu, depth, fn }))
    out.line(JSON.stringify({ walk }))
    return 0
  }
  out.line(pc.bold(title))
  for (const entry of records) printRecord(entry, out)
  for (const frame of sent) out.line(`${pc.green('→')} ${dissect(frame)}`)
  return 0
}
