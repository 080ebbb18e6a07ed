// The host of the kernel's FIB selftests, and its routes in the words of `ip route show`.

import { type Host, type Lab, type RouteInfo, type RouteQuery, lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'

export interface FibHost {
  net: Lab
  h: Host
}

/** veth pairs v1/p1 (172.16.101.1/24) and v3/p3 (172.16.103.1/24) in one host, all up. */
export async function fibHost(tell: (at: FibHost) => void | Promise<void>): Promise<void> {
  const net = await lab()
  const h = net.host('h')
  for (const [name, address] of [
    ['1', '172.16.101.1/24'],
    ['3', '172.16.103.1/24'],
  ]) {
    h.link.add({ kind: 'veth', name: `v${name}`, peer: { name: `p${name}` } })
    h.addr.add(`v${name}`, address!)
    h.link(`v${name}`, { up: true })
    h.link(`p${name}`, { up: true })
  }
  net.run()
  await tell({ net, h })
  await net.close()
}

const optional = (word: string, value: unknown): string => (value === undefined ? '' : ` ${word} ${String(value)}`)
const flagsOf = (flags: readonly string[]): string => flags.map((flag) => ` ${flag}`).join('')

/** A route as `ip route show` prints it; protocols other than boot are told. */
export function routeLine(route: RouteInfo): string {
  const prefix = route.to === '0.0.0.0/0' ? 'default' : route.to.replace(/\/32$/, '')
  const type = route.type === 'unicast' ? '' : `${route.type} `
  const tos = route.tos ? ` tos 0x${route.tos.toString(16)}` : ''
  const protocol = ['boot', 'unspec'].includes(route.protocol) ? '' : ` proto ${route.protocol}`
  const scope = route.scope === 'global' ? '' : ` scope ${route.scope}`
  const metric = route.metric ? ` metric ${route.metric}` : ''
  const metrics = Object.entries(route.metrics)
    .map(([name, value]) => ` ${name} ${value}`)
    .join('')
  const hops = (route.nexthops ?? [])
    .map((hop) => `${optional('via', hop.via)}${optional('dev', hop.dev)} weight ${hop.weight}${flagsOf(hop.flags)}`)
    .map((hop) => ` | nexthop${hop}`)
    .join('')
  const way = `${optional('nhid', route.nhid)}${optional('via', route.via)}${optional('dev', route.dev)}`
  const rest = `${protocol}${scope}${optional('src', route.src)}${metric}${metrics}`
  return `${type}${prefix}${tos}${way}${rest}${flagsOf(route.flags)}${hops}`
}

/** `ip route show` of a table, without the routes of the host's own addresses unless kernel is set. */
export function routes(h: Host, table: string | number = 'main', kernel = false): string[] {
  const all = h.route.list(table).filter(({ protocol }) => kernel || protocol !== 'kernel')
  return all.map(routeLine)
}

/** The errno of a refused call and, behind ': ', what the kernel says about it; '' when it was not refused. */
export function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (!isSystemError(error)) throw error
    const said = /: ([A-Z][^:()]*\.)\)?$/.exec(error.message)?.[1]
    return said ? `${error.code}: ${said}` : error.code
  }
  return ''
}

/** Where a look-up goes: 'via dev', or the errno. */
export function way(h: Host, query: RouteQuery | string): string {
  let answer = ''
  const code = refusal(() => {
    const { via, dev } = h.route.get(query)
    answer = [via, dev].filter(Boolean).join(' ')
  })
  return code || answer
}
