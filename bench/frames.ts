// Frames for the path benches: UDP datagrams of some flows, each different, one in 1024 with a bad UDP checksum. Those beyond
// the MTU come in fragments.

/** Flows, and different datagrams: a bench goes round them. */
export const FLOWS = 16
export const FRAMES = 1024
/** Which datagram of each round is bad. */
export const BAD_FRAME = 517
export const PORT = 9000
/** Source ports, one for each flow, begin here. */
export const FIRST_SOURCE = 20_000

export const HOST_MAC = '02:00:00:00:00:01'
const HOST = [10, 0, 0, 1]
const PEER = [10, 0, 0, 2]

function sum(bytes: Uint8Array, from: number, to: number, start = 0): number {
  let total = start
  for (let i = from; i < to; i += 2) total += (bytes[i]! << 8) | (i + 1 < to ? bytes[i + 1]! : 0)
  while (total >>> 16) total = (total & 0xffff) + (total >>> 16)
  return total
}

/** One datagram of payload bytes in an Ethernet frame. */
function frameOf(index: number, payload: number): Uint8Array {
  const frame = new Uint8Array(Math.max(60, 42 + payload))
  const view = new DataView(frame.buffer)
  frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0])
  frame.set([0x45, 0], 14)
  view.setUint16(16, 28 + payload)
  view.setUint16(18, index)
  frame.set([0, 0, 64, 17], 20)
  frame.set(PEER, 26)
  frame.set(HOST, 30)
  view.setUint16(24, ~sum(frame, 14, 34) & 0xffff)
  view.setUint16(34, FIRST_SOURCE + (index % FLOWS))
  view.setUint16(36, PORT)
  view.setUint16(38, 8 + payload)
  for (let i = 0; i < payload; i++) frame[42 + i] = (index * 31 + i * 7) & 255
  const pseudo = sum(frame, 26, 34, 17 + 8 + payload)
  const check = ~sum(frame, 34, 42 + payload, pseudo) & 0xffff
  view.setUint16(40, check === 0 ? 0xffff : check)
  if (index === BAD_FRAME) view.setUint16(40, view.getUint16(40) ^ 0x5555 || 1)
  return frame
}

/** Link and network header of a frame. */
const HEADERS = 34
/** What a fragment of a datagram carries at an MTU of 1500. */
const FRAGMENT = 1480

/** The fragments of a datagram, in order. */
function fragmentsOf(frame: Uint8Array): Uint8Array[] {
  const data = frame.subarray(HEADERS)
  return Array.from({ length: Math.ceil(data.length / FRAGMENT) }, (_, i) => {
    const part = data.subarray(i * FRAGMENT, (i + 1) * FRAGMENT)
    const more = (i + 1) * FRAGMENT < data.length
    const fragment = new Uint8Array(HEADERS + part.length)
    const view = new DataView(fragment.buffer)
    fragment.set(frame.subarray(0, HEADERS))
    fragment.set(part, HEADERS)
    view.setUint16(16, 20 + part.length)
    view.setUint16(20, (more ? 0x2000 : 0) | ((i * FRAGMENT) >> 3))
    view.setUint16(24, 0)
    view.setUint16(24, ~sum(fragment, 14, HEADERS) & 0xffff)
    return fragment
  })
}

/** The round: the frames of each datagram. */
export function roundOf(payload: number): Uint8Array[][] {
  return Array.from({ length: FRAMES }, (_, index) => {
    const frame = frameOf(index, payload)
    return payload + 8 > FRAGMENT ? fragmentsOf(frame) : [frame]
  })
}

/** Sends a frame elsewhere (host order), with a right header checksum unless it is the bad one of its round. */
export function setDestination(frame: Uint8Array, address: number, index: number): void {
  const view = new DataView(frame.buffer)
  view.setUint32(30, address)
  view.setUint16(24, 0)
  view.setUint16(24, ~sum(frame, 14, HEADERS) & 0xffff)
  if (index === BAD_FRAME) view.setUint16(24, view.getUint16(24) ^ 0x5555)
}
