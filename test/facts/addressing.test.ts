// Which addresses are usable as unicast (unicast_extensions.sh): two hosts on a link, a datagram each way; and a router
// between two such links.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lab } from '../../src/index.ts'
import { refusal } from './fib_host.ts'

const test = suite('facts: addressing')

/** Two namespaces with these addresses on a veth pair: does a datagram and its answer get through? Else what failed. */
async function exchange(a: string, b: string): Promise<string> {
  const net = await lab()
  const h = net.host('h')
  const x = h.netns('x')
  h.link.add({ kind: 'veth', name: 'v0', peer: { name: 'v1', netns: 'x' } })
  const refused = refusal(() => {
    h.addr.add('v0', a)
    x.addr.add('v1', b)
  })
  h.link('v0', { up: true })
  x.link('v1', { up: true })
  const [from, to] = [a.split('/')[0]!, b.split('/')[0]!]
  const there = x.socket('udp')
  const here = h.socket('udp')
  const outcome =
    refused ||
    refusal(() => {
      there.bind('0.0.0.0:7')
      here.bind(`${from}:8`)
      here.send('ask', { to: `${to}:7` })
      net.run()
      assert.ok(there.recv(), 'the datagram arrives')
      there.send('answer', { to: `${from}:8` })
      net.run()
      assert.ok(here.recv(), 'the answer arrives')
    })
  await net.close()
  return outcome
}

const USABLE: readonly (readonly [string, string, string])[] = [
  ['240/4', '240.1.2.1/24', '240.1.2.4/24'],
  ['240/4, wide', '250.100.2.1/16', '250.100.2.4/16'],
  ['0/8', '0.1.2.17/24', '0.1.2.23/24'],
  ['0/8, wide', '0.77.240.17/16', '0.77.2.23/16'],
  ['255.255/16', '255.255.3.1/24', '255.255.3.77/24'],
  ['255.255.255/24', '255.255.255.1/24', '255.255.255.254/24'],
  ['lowest address of a /24', '5.10.15.20/24', '5.10.15.0/24'],
  ['lowest address of a /28', '192.168.101.192/28', '192.168.101.193/28'],
]

for (const [name, a, b] of USABLE) {
  test(`usable: ${name}`, async () => assert.is(await exchange(a, b), ''))
}

const UNUSABLE: readonly (readonly [string, string, string])[] = [
  ['0.0.0.0', '0.0.0.0/16', '0.0.2.1/16'],
  ['255.255.255.255', '255.255.255.255/16', '255.255.2.1/16'],
  ['127/8 off loopback', '127.99.4.5/24', '127.99.4.6/24'],
  ['224/4', '225.1.2.3/24', '225.1.2.200/24'],
]

for (const [name, a, b] of UNUSABLE) {
  test(`not usable: ${name}`, async () => assert.is.not(await exchange(a, b), ''))
}

test.run()
