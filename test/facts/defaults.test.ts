// First values of sysctls and socket options in a fresh network namespace of Linux 6.18.44 (sysctl-defaults.txt was read there).

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { rootFolder } from '../root.ts'
import { stories } from '../path/story.ts'

const { path, run } = stories('defaults')

/** name = value lines of /proc/sys/net; parts of a value are separated by any blanks. */
const lines = readFileSync(new URL('test/facts/sysctl-defaults.txt', rootFolder), 'utf8').trim().split('\n')
const words = (value: string): string => value.trim().split(/\s+/).join(' ')
const given = lines.map((line): [name: string, value: string] => {
  const [name, value] = line.split(' = ') as [string, string]
  return [`net.${name.replaceAll('/', '.')}`, words(value)]
})

path(`${given.length} sysctls hold what Linux's do`, (h) => {
  assert.equal(
    given.map(([name]) => [name, words(h.host.sysctl(name))]),
    given,
  )
})

/** Of a new UDP socket, and after setsockopt(1) and (5000). */
const buffers: readonly (readonly [name: string, first: number, least: number])[] = [
  ['SO_SNDBUF', 212992, 4608],
  ['SO_RCVBUF', 212992, 2304],
]
for (const [name, first, least] of buffers) {
  path(`${name} is ${first}, at least ${least}, and twice what is asked for`, (h) => {
    const { socket } = h.udp()
    assert.is(socket.getsockopt(name), first)
    socket.setsockopt(name, 1)
    assert.is(socket.getsockopt(name), least)
    socket.setsockopt(name, 5000)
    assert.is(socket.getsockopt(name), 10000)
  })
}

path('TTL 64, path MTU discovery as routes want it', (h) => {
  const { socket } = h.udp()
  assert.is(socket.getsockopt('IP_TTL'), 64)
  assert.is(socket.getsockopt('IP_MTU_DISCOVER'), 1)
})

path('ports are chosen from 32768 to 60999', (h) => {
  for (let i = 0; i < 200; i++) {
    const { port } = h.udp({ port: 0 }).address
    assert.ok(port >= 32768 && port <= 60999, String(port))
  }
})

run()
