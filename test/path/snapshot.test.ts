// A real capture is played at the host it was taken at; in the middle the lab is saved. Run on, restored and run again, here
// or in another lab: the same trace to the byte, the same frames out, the same counters.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type Lab, type Nic, type Snapshot, type UdpSocket, formatMac, lab } from '../../src/index.ts'
import { openCapture } from '../../src/pcap/file.ts'
import { rootFolder } from '../root.ts'

const MAC = '02:00:0a:00:02:02'
const PORTS = [53, 9999, 33435, 33436]

interface Arrival {
  time: number
  frame: Uint8Array
}

/** What the host received, with times from 0. */
async function arrivals(): Promise<Arrival[]> {
  const found: Arrival[] = []
  const first: bigint[] = []
  for await (const { data, timeNs } of openCapture(new URL('examples/captures/office.pcap', rootFolder))) {
    first.push(timeNs)
    if (formatMac(data) !== MAC) continue
    const frame = new Uint8Array(Math.max(60, data.length))
    frame.set(data)
    found.push({ time: Number(timeNs - first[0]!), frame })
  }
  return found
}

const nicOf = (net: Lab): Nic => net.getHost('host').device('eth0') as Nic

async function build(seed: number): Promise<{ net: Lab; sockets: UdpSocket[] }> {
  const net = await lab({ seed, memoryMb: 16 })
  const host = net.host('host')
  host.nic('eth0', { mac: MAC })
  host.addr.add('eth0', { address: '10.0.2.2/24', broadcast: '+' })
  host.link('eth0', { up: true })
  host.route.add({ to: 'default', dev: 'eth0' })
  net.advance('1ms')
  nicOf(net).tx()
  return { net, sockets: PORTS.map((port) => host.udp({ port })) }
}

function play(net: Lab, list: readonly Arrival[], start: number): void {
  for (const { time, frame } of list) {
    net.advance(Math.max(0, start + time - net.now))
    nicOf(net).rx([frame])
  }
}

/** The rest of the capture and a minute for timers; all that there is to compare. */
function finish(net: Lab, rest: readonly Arrival[], start: number): object {
  const host: Host = net.getHost('host')
  host.trace.start({ records: 1 << 15 })
  play(net, rest, start)
  net.advance('60s')
  const { bytes, lost } = host.trace.readRaw()
  const sent = nicOf(net).txBatch()
  return {
    now: net.now,
    trace: Buffer.from(bytes).toString('hex'),
    lost,
    sent: Buffer.from(sent.data).toString('hex'),
    times: [...sent.times],
    counters: host.counters(),
    drops: host.drops(),
    account: net.account(),
    proc: ['snmp', 'netstat', 'dev', 'softnet_stat', 'arp', 'udp'].map((file) => host.proc(`/proc/net/${file}`)),
  }
}

const test = suite('snapshot')

test('saved in the middle of a replay, run on, restored, run again', async () => {
  const list = await arrivals()
  assert.ok(list.length > 100)
  const { net } = await build(1)
  const start = net.now
  const middle = list.length >> 1
  play(net, list.slice(0, middle), start)
  const saved = net.snapshot()
  const rest = list.slice(middle)
  const first = finish(net, rest, start) as { trace: string; lost: number; counters: Record<string, number> }
  assert.ok(first.trace.length > 64 * 1000, 'there is a trace')
  assert.is(first.lost, 0)
  assert.ok(first.counters['IpInReceives']! >= list.length - 10)
  const again = (): void => {
    net.restore(saved)
    assert.is(net.now <= start + list[middle]!.time, true)
    assert.equal(finish(net, rest, start), first)
  }
  again()
  again()
  const other = (await build(99)).net
  other.restore(saved)
  assert.is(other.seed, 1)
  assert.equal(finish(other, rest, start), first)
  await net.close()
  await other.close()
})

test('the whole replay is the same from the same seed', async () => {
  const list = await arrivals()
  const run = async (): Promise<object> => {
    const { net } = await build(7)
    const got = finish(net, list, net.now)
    await net.close()
    return got
  }
  assert.equal(await run(), await run())
})

test('a snapshot is plain data that lives on: cloned, and restored after its lab is closed', async () => {
  const list = await arrivals()
  const { net, sockets } = await build(1)
  const start = net.now
  play(net, list.slice(0, 40), start)
  const saved: Snapshot = structuredClone(net.snapshot())
  const first = finish(net, list.slice(40), start)
  await net.close()
  assert.is(sockets[0]!.socket.closed, false)
  const { net: other } = await build(2)
  other.restore(saved)
  assert.equal(finish(other, list.slice(40), start), first)
  await other.close()
})

test('handles stay valid: sockets and devices of before, and ENODEV for what is no more', async () => {
  const { net, sockets } = await build(1)
  const saved = net.snapshot()
  const host = net.getHost('host')
  const later = host.tap('eth1')
  const one = net.host('later')
  sockets[0]!.send('x', '127.0.0.1:9999')
  net.restore(saved)
  assert.is(host.link('lo').up, true)
  sockets[0]!.send('y', '127.0.0.1:9999')
  assert.is(new TextDecoder().decode(sockets[1]!.recv()?.data), 'y')
  assert.is(sockets[1]!.recv(), undefined, 'what was sent after the snapshot was never sent')
  for (const call of [() => later.info(), () => later.tx(), () => one.counters()]) {
    assert.throws(call, (error: { code?: string }) => error.code === 'ENODEV')
  }
  await net.close()
})

test('after a restore the clock of the core is that of the snapshot, whatever it stood at', async () => {
  const { net, sockets } = await build(1)
  const [socket] = sockets
  socket!.socket.setsockopt('SO_TIMESTAMPNS', 1)
  const stamp = (): unknown => {
    net.advance('1ms') // no timer fires
    socket!.send('x', '127.0.0.1:53')
    return socket!.socket.recv()!.cmsg
  }
  const saved = net.snapshot()
  const first = stamp()
  assert.ok(JSON.stringify(first).includes('SO_TIMESTAMPNS'), JSON.stringify(first))
  net.restore(saved)
  assert.equal(stamp(), first)
  await net.close()
})

test('a lab of another size is refused', async () => {
  const { net } = await build(1)
  const saved = net.snapshot()
  for (const options of [{ memoryMb: 8 }, { memoryMb: 16, hz: 1000 }]) {
    const other = await lab(options)
    other.host('stays')
    assert.throws(
      () => other.restore(saved),
      (error: { code?: string; syscall?: string }) => error.code === 'EINVAL' && error.syscall === 'restore',
    )
    assert.equal(
      other.hosts().map(({ name }) => name),
      ['stays'],
    )
    await other.close()
  }
  await net.close()
})

test.run()
