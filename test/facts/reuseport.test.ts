// SO_REUSEPORT as the kernel's selftest reuseport_addr_any asserts it (row R7).

import * as assert from 'uvu/assert'
import { stories } from '../path/story.ts'

const { path, run } = stories('reuseport')
const PORT = 8000

path('R7 of sockets on any address and one on 127.0.0.1, that one always receives', (h) => {
  const open = (address: string): ReturnType<typeof h.udp> =>
    h.udp({ port: PORT, address, options: { SO_REUSEPORT: 1 } })
  const any = [open('0.0.0.0'), open('0.0.0.0')]
  const bound = open('127.0.0.1')
  any.push(open('0.0.0.0'), open('0.0.0.0'))
  for (let i = 0; i < 40; i++) {
    const sender = h.udp({ port: 0 })
    sender.send('hello', `127.0.0.1:${PORT}`)
    assert.is(new TextDecoder().decode(bound.recv()!.data), 'hello')
    assert.equal(
      any.map((socket) => socket.recv()),
      any.map(() => undefined),
    )
  }
})

run()
