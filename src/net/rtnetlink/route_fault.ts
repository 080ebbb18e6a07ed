// What of a route was refused, for people: the kernel answers an errno only, so what it refuses is looked for again.

import { maskOf, parsePrefix } from '../../wasm/encode.ts'

/** What was asked for: of a RouteSpec. */
interface Asked {
  to: string
  via?: string
  dev?: string
  type?: string
  src?: string
  tos?: number
  scope?: string | number
  nexthops?: readonly { via?: string }[]
}

/** Routes of these types have no next hop. */
const WITHOUT_HOP = new Set(['blackhole', 'unreachable', 'prohibit', 'throw'])

const gateways = (spec: Asked): string =>
  [spec.via, ...(spec.nexthops ?? []).map(({ via }) => via)].filter((via) => via !== undefined).join(', ')

function invalidPart(spec: Asked): string {
  const { address, length } = parsePrefix(spec.to)
  if (address & ~maskOf(length)) return ': to has bits behind its prefix length'
  if ((spec.tos ?? 0) & 3) return `: tos ${spec.tos} has bits of ECN`
  const hop = spec.via !== undefined ? 'via' : spec.dev !== undefined ? 'dev' : spec.nexthops ? 'nexthops' : undefined
  if (spec.type !== undefined && WITHOUT_HOP.has(spec.type) && hop)
    return `: ${hop} with type ${spec.type}, which goes nowhere`
  if (spec.nexthops?.length === 0) return ': nexthops is empty'
  if (spec.scope !== undefined && spec.scope !== 'global') return `: scope ${spec.scope} does not suit where it goes`
  if (spec.src !== undefined) return `: src ${spec.src} is none of this host's addresses`
  const via = gateways(spec)
  return via ? `: via ${via} is no address of a neighbour` : ''
}

/** The words to put behind what was asked; '' when the errno says it all. */
export function routeFault(spec: Asked, code: string): string {
  const via = gateways(spec)
  switch (code) {
    case 'EINVAL':
      return invalidPart(spec)
    case 'ENETUNREACH':
      return via ? `: via ${via} is on no link${spec.dev === undefined ? '' : ` of dev ${spec.dev}`}` : ''
    case 'EHOSTUNREACH':
      return via ? `: via ${via} cannot be a gateway` : ''
    case 'ENETDOWN':
      return spec.dev === undefined ? ': a dev of nexthops is down' : `: dev ${spec.dev} is down`
    case 'ENODEV':
      return spec.dev === undefined ? ': dev is missing' : `: dev ${spec.dev} has no IPv4`
    case 'ENOBUFS':
    case 'ENOMEM':
      return ': no memory for it (memoryMb)'
    default:
      return ''
  }
}
