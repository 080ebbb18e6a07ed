// netpath replay: a capture is played at the host it was taken at, in virtual time; then everything is accounted for.

import { writeSync, openSync, closeSync } from 'node:fs'
import { basename } from 'node:path'
import { CaptureError } from '../pcap/error.ts'
import { openCapture } from '../pcap/file.ts'
import type { PacketBatch } from '../pcap/reader.ts'
import { type HostOptions, type PlayedHost, makeCaptureHost } from './capture_host.ts'
import { AnswerBook } from './answers.ts'
import { type Output, type Progress, progressBar } from './output.ts'
import { type Report, printReport, reportJson } from './report.ts'
import { type Survey, newSurvey, surveyCapture } from './survey.ts'
import { TraceWriter } from './trace_writer.ts'

export interface ReplayOptions extends HostOptions {
  fast?: boolean
  write?: string
  json?: boolean
}

/** Frames that go in before the sockets are read: fewer than descriptors in a ring. */
const CHUNK = 64
const ETH_ZLEN = 60

/** Everything that one replay moves along. */
interface Playing {
  played: PlayedHost
  survey: Survey
  options: ReplayOptions
  answers: AnswerBook
  writer: TraceWriter | undefined
  frames: number
  bytes: number
  datagrams: number
  datagramBytes: number
  /** Host MAC in hex. */
  mac: string
}

/** Columns of frames that will be put in together; frames shorter than a wire carries are padded as the sender's NIC does. */
class Chunk {
  count = 0
  readonly offsets = new Uint32Array(CHUNK)
  readonly lengths = new Uint32Array(CHUNK)
  readonly times = new Float64Array(CHUNK)
  data = new Uint8Array(CHUNK * 2048)
  #used = 0

  add(frame: Uint8Array, time: number): void {
    const length = Math.max(frame.length, ETH_ZLEN)
    if (this.#used + length > this.data.length) {
      const larger = new Uint8Array((this.#used + length) * 2)
      larger.set(this.data)
      this.data = larger
    }
    this.data.fill(0, this.#used, this.#used + length)
    this.data.set(frame, this.#used)
    this.offsets[this.count] = this.#used
    this.lengths[this.count] = length
    this.times[this.count++] = time
    this.#used += length
  }

  clear(): void {
    this.count = 0
    this.#used = 0
  }
}

function sameMac(frame: Uint8Array, mac: string): boolean {
  if (frame.length < 12) return false
  for (let i = 0; i < 6; i++) if (frame[6 + i] !== parseInt(mac.slice(2 * i, 2 * i + 2), 16)) return false
  return true
}

/** Applications read what is there, in batches. */
function readSockets(playing: Playing): void {
  for (const socket of playing.played.sockets) {
    for (;;) {
      const batch = socket.recvBatch(64)
      if (!batch) break
      playing.datagrams += batch.count
      for (let i = 0; i < batch.count; i++) playing.datagramBytes += batch.lengths[i]!
    }
  }
}

/** Puts a chunk in, runs the clock to its last frame, reads sockets, takes what left. */
function play(playing: Playing, chunk: Chunk): void {
  if (chunk.count === 0) return
  const { lab, nic } = playing.played
  const { count, data, offsets, lengths, times } = chunk
  if (playing.options.fast) nic.rx({ count, data, offsets, lengths })
  else nic.rx({ count, data, offsets, lengths, times })
  lab.advance(playing.options.fast ? 0 : Math.max(0, times[count - 1]! - lab.now))
  collect(playing, chunk)
  chunk.clear()
}

function collect(playing: Playing, chunk: Chunk | undefined): void {
  readSockets(playing)
  const sent = playing.played.nic.txBatch()
  for (let i = 0; i < sent.count; i++) {
    playing.answers.answered(sent.data.subarray(sent.offsets[i], sent.offsets[i]! + sent.lengths[i]!))
  }
  playing.writer?.chunk(chunk, sent)
}

function playBatch(playing: Playing, batch: PacketBatch, chunk: Chunk, startNs: number): void {
  for (let i = 0; i < batch.count; i++) {
    const frame = batch.data.subarray(batch.offsets[i], batch.offsets[i]! + batch.lengths[i]!)
    if (sameMac(frame, playing.mac)) {
      playing.answers.expect(frame)
      continue
    }
    playing.frames += 1
    playing.bytes += frame.length
    const at = startNs + Number(batch.timesNs[i]! - playing.survey.firstNs)
    const last = chunk.count > 0 ? chunk.times[chunk.count - 1]! : playing.played.lab.now
    chunk.add(frame, Math.max(at, last))
    if (chunk.count === CHUNK) play(playing, chunk)
  }
}

/** Plays the whole file. A CaptureError is answered, not thrown: what was read before it is played. */
async function playFile(playing: Playing, file: string, progress: Progress): Promise<CaptureError | undefined> {
  const chunk = new Chunk()
  const startNs = playing.played.lab.now
  let fault: CaptureError | undefined
  try {
    for await (const batch of openCapture(file).batches()) {
      playBatch(playing, batch, chunk, startNs)
      progress.step(batch.count)
    }
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    fault = error
  }
  play(playing, chunk)
  // What waits for a timer (half datagrams, unanswered ARP) comes to its end.
  playing.played.lab.advance('60s')
  collect(playing, undefined)
  return fault
}

async function surveyFile(file: string): Promise<{ survey: Survey; longest: number; fault: CaptureError | undefined }> {
  const survey = newSurvey()
  try {
    await surveyCapture(survey, openCapture(file))
    return { survey, longest: survey.longest, fault: undefined }
  } catch (error) {
    if (!(error instanceof CaptureError)) throw error
    return { survey, longest: survey.longest, fault: error }
  }
}

function fileSink(path: string): { sink: (bytes: Uint8Array) => void; close: () => void } {
  const fd = openSync(path, 'w')
  return { sink: (bytes) => void writeSync(fd, bytes), close: () => closeSync(fd) }
}

async function replayFile(file: string, options: ReplayOptions): Promise<Report> {
  const { survey, longest, fault } = await surveyFile(file)
  if (survey.frames === 0 && fault) throw fault
  const played = await makeCaptureHost(survey, longest, options)
  const file_ = options.write === undefined ? undefined : fileSink(options.write)
  try {
    const playing: Playing = {
      played,
      survey,
      options,
      answers: new AnswerBook(),
      writer: file_ && new TraceWriter(played.host.trace, survey.firstNs, file_.sink),
      frames: 0,
      bytes: 0,
      datagrams: 0,
      datagramBytes: 0,
      mac: played.identity.mac,
    }
    played.host.trace.start({ functions: false, packets: playing.writer !== undefined, counts: true, records: 1 << 16 })
    const progress = progressBar(options.json !== true)
    progress.start(survey.frames, 'packets')
    const began = process.hrtime.bigint()
    await playFile(playing, file, progress)
    const seconds = Number(process.hrtime.bigint() - began) / 1e9
    progress.stop()
    return { file: basename(file), survey, played, playing, seconds, fault }
  } catch (error) {
    await played.lab.close()
    throw error
  } finally {
    file_?.close()
  }
}

/** netpath replay. 0: all well; 1: a balance does not close; 2: a capture could not be read to its end. */
export async function replayCommand(files: readonly string[], options: ReplayOptions, out: Output): Promise<number> {
  let code = 0
  for (const file of files) {
    let report: Report
    try {
      report = await replayFile(file, options)
    } catch (error) {
      if (!(error instanceof CaptureError) && (error as NodeJS.ErrnoException).code === undefined) throw error
      out.error(`${file}: ${(error as Error).message}`)
      code = 2
      continue
    }
    if (options.json) out.line(JSON.stringify(reportJson(report)))
    else printReport(report, out)
    if (report.fault) {
      out.error(`${file}: ${report.fault.message}`)
      code = 2
    }
    const { balanced } = report.played.lab.account()
    if (!balanced) {
      out.error(`${file}: the balance does not close: packets were lost count of`)
      code ||= 1
    }
    await report.played.lab.close()
  }
  return code
}
