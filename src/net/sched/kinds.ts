// The kinds of qdiscs as tc words them: what each takes, in the core's words (assembly/uapi/pkt_sched.ts), and what it shows.

import * as uapi from '../../../assembly/uapi/pkt_sched.ts'
import { invalid } from '../../wasm/errors.ts'
import { fqKind } from './fq.ts'
import { fqCodelKind } from './fq_codel.ts'
import { netemKind } from './netem.ts'
import { type Kind, type Options, type Words, refuseUnknown } from './kind.ts'
import { type Asked, type Word, bucketUs, parseByteRate, parseNs, parseSize, parseU32 } from './units.ts'

const required = (kind: string, what: string): Error => invalid('RTM_NEWQDISC', `${kind}: ${what}`)

const plain = (kind: string): Kind => ({
  id: 0,
  parse(options) {
    refuseUnknown(kind, options, [])
    return undefined
  },
  show: () => ({}),
})

const PRIOMAP = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]

const fifo = (kind: 'pfifo' | 'bfifo', id: number): Kind => ({
  id,
  parse(options) {
    refuseUnknown(kind, options, ['limit'])
    if (options['limit'] === undefined) return undefined
    const asked = { kind, option: 'limit' }
    const limit = kind === 'bfifo' ? parseSize(options['limit'], asked) : parseU32(options['limit'], asked)
    return new Map([[uapi.OPT_FIFO_LIMIT, BigInt(limit)]])
  },
  show: (words) => ({ limit: Number(words(uapi.OPT_FIFO_LIMIT)) }),
})

function parsePriomap(text: string): number[] {
  const bands = text.trim().split(/\s+/)
  if (bands.length > 16) throw required('prio', 'priomap index cannot be higher than 15')
  return PRIOMAP.map((band, i) =>
    bands[i] === undefined ? band : parseU32(bands[i], { kind: 'prio', option: 'priomap' }, 15),
  )
}

const prio: Kind = {
  id: uapi.QDISC_PRIO,
  parse(options) {
    refuseUnknown('prio', options, ['bands', 'priomap'])
    const bands = parseU32(options['bands'] ?? 3, { kind: 'prio', option: 'bands' })
    const map = options['priomap'] === undefined ? PRIOMAP : parsePriomap(String(options['priomap']))
    return new Map([
      [uapi.OPT_PRIO_BANDS, BigInt(bands)],
      [uapi.OPT_PRIO_PRIOMAP, map.reduce((sum, band, i) => sum | (BigInt(band) << BigInt(4 * i)), 0n)],
    ])
  },
  show: (words) => {
    const map = words(uapi.OPT_PRIO_PRIOMAP)
    return {
      bands: Number(words(uapi.OPT_PRIO_BANDS)),
      priomap: PRIOMAP.map((_, i) => Number((map >> BigInt(4 * i)) & 15n)),
      multiqueue: false,
    }
  },
}

const LINKLAYERS: Readonly<Record<string, number>> = { ethernet: 1, atm: 2, adsl: 2 }
const TBF_WORDS = [
  'rate',
  'burst',
  'buffer',
  'maxburst',
  'limit',
  'latency',
  'peakrate',
  'mtu',
  'minburst',
  'overhead',
  'linklayer',
]

/** Bytes that wait at most for latency to be kept, with the bucket's. */
function limitFor(latency: number, rate: number, burst: number, peak: number, mtu: number): number {
  const byRate = rate * (latency / 1e9) + burst
  return Math.floor(peak ? Math.min(byRate, peak * (latency / 1e9) + mtu) : byRate)
}

function parseTbf(options: Options): Words {
  refuseUnknown('tbf', options, TBF_WORDS)
  const ask = (names: readonly string[], parse: (word: Word, asked: Asked) => number): number | undefined => {
    const option = names.find((name) => options[name] !== undefined)
    return option === undefined ? undefined : parse(options[option]!, { kind: 'tbf', option })
  }
  const rate = ask(['rate'], parseByteRate)
  const burst = ask(['burst', 'buffer', 'maxburst'], parseSize)
  const peak = ask(['peakrate'], parseByteRate) ?? 0
  const mtu = ask(['mtu', 'minburst'], parseSize) ?? 0
  const latency = ask(['latency'], parseNs)
  const limit = ask(['limit'], parseSize)
  if (limit !== undefined && latency !== undefined)
    throw required('tbf', 'specifying both "limit" and "/latency" is not allowed')
  if (!rate) throw required('tbf', 'the "rate" parameter is mandatory.')
  if (!burst) throw required('tbf', 'the "burst" parameter is mandatory.')
  if (peak && !mtu) throw required('tbf', 'when "peakrate" is specified, "mtu" must also be specified.')
  if (!limit && latency === undefined) throw required('tbf', 'either "limit" or "latency" is required.')
  const linklayer = LINKLAYERS[String(options['linklayer'] ?? 'ethernet')]
  if (linklayer === undefined) throw required('tbf', `illegal value for "linklayer": "${options['linklayer']}"`)
  return new Map([
    [uapi.OPT_TBF_RATE, BigInt(rate)],
    [uapi.OPT_TBF_BURST, BigInt(burst)],
    [uapi.OPT_TBF_LIMIT, BigInt(limit || limitFor(latency ?? 0, rate, burst, peak, mtu))],
    [uapi.OPT_TBF_PEAKRATE, BigInt(peak)],
    [uapi.OPT_TBF_MTU, BigInt(mtu)],
    [uapi.OPT_TBF_OVERHEAD, BigInt(ask(['overhead'], (word, asked) => parseU32(word, asked, 65535)) ?? 0)],
    [uapi.OPT_TBF_LINKLAYER, BigInt(linklayer)],
  ])
}

const tbf: Kind = {
  id: uapi.QDISC_TBF,
  parse: parseTbf,
  show: (words) => {
    const of = (id: number): number => Number(words(id))
    const [rate, limit, peakrate] = [of(uapi.OPT_TBF_RATE), of(uapi.OPT_TBF_LIMIT), of(uapi.OPT_TBF_PEAKRATE)]
    const overhead = of(uapi.OPT_TBF_OVERHEAD)
    const bucket = bucketUs(words(uapi.OPT_TBF_BUFFER))
    const peak = bucketUs(words(uapi.OPT_TBF_PBUFFER))
    const waits = (limit / rate) * 1e6 - bucket
    const lat = peakrate ? Math.max(waits, (limit / peakrate) * 1e6 - peak) : waits
    return {
      rate,
      burst: Math.floor((rate * bucket) / 1e6),
      ...(peakrate && { peakrate, mtu: Math.floor((peakrate * peak) / 1e6) }),
      limit,
      lat: Math.max(0, Math.floor(lat)),
      ...(overhead && { overhead }),
      linklayer: of(uapi.OPT_TBF_LINKLAYER) === 2 ? 'atm' : 'ethernet',
    }
  },
}

/** All kinds by name. noop is none that can be asked for. */
export const KINDS: Readonly<Record<string, Kind>> = {
  noqueue: { ...plain('noqueue'), id: uapi.QDISC_NOQUEUE },
  pfifo_fast: {
    ...plain('pfifo_fast'),
    id: uapi.QDISC_PFIFO_FAST,
    show: () => ({ bands: 3, priomap: [...PRIOMAP], multiqueue: false }),
  },
  mq: { ...plain('mq'), id: uapi.QDISC_MQ },
  pfifo: fifo('pfifo', uapi.QDISC_PFIFO),
  bfifo: fifo('bfifo', uapi.QDISC_BFIFO),
  prio,
  tbf,
  fq: fqKind,
  fq_codel: fqCodelKind,
  netem: netemKind,
}

/** Name of a kind by its number. */
export function kindName(id: number): string {
  return Object.keys(KINDS).find((name) => KINDS[name]!.id === id) ?? 'noop'
}
