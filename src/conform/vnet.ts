// The virtio header of a frame, as recordings write it (oraclelib/kernel.py: vnet_pack, vnet_unpack).

import type { Vnet } from './scenario.ts'

/** Bytes of struct virtio_net_hdr. */
export const VNET_SIZE = 10
const FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ['NEEDS_CSUM', 1],
  ['DATA_VALID', 2],
]
const GSO_TYPES: Readonly<Record<string, number>> = { TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5 }
const ECN = 0x80

/** The header, and the frame behind it. */
export function packVnet(vnet: Vnet | undefined, frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(VNET_SIZE + frame.length)
  const view = new DataView(out.buffer)
  const { flags = [], gso_type, ecn, hdr_len = 0, gso_size = 0, csum_start = 0, csum_offset = 0 } = vnet ?? {}
  view.setUint8(
    0,
    FLAGS.reduce((sum, [name, bit]) => (flags.includes(name) ? sum | bit : sum), 0),
  )
  view.setUint8(1, (gso_type === undefined ? 0 : GSO_TYPES[gso_type]!) | (ecn ? ECN : 0))
  ;[hdr_len, gso_size, csum_start, csum_offset].forEach((value, i) => view.setUint16(2 + 2 * i, value, true))
  out.set(frame, VNET_SIZE)
  return out
}

/** What the header says; members that say nothing are left out. */
export function unpackVnet(bytes: Uint8Array): Vnet {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [bits, type] = [view.getUint8(0), view.getUint8(1)]
  const [hdr_len, gso_size, csum_start, csum_offset] = [2, 4, 6, 8].map((at) => view.getUint16(at, true))
  const known = Object.keys(GSO_TYPES).find((name) => GSO_TYPES[name] === (type & ~ECN))
  return {
    ...(bits !== 0 && { flags: FLAGS.filter(([, bit]) => bits & bit).map(([name]) => name) }),
    ...(type !== 0 && { gso_type: known ?? String(type), ...(type & ECN && { ecn: true }), gso_size }),
    ...(hdr_len !== 0 && { hdr_len }),
    ...(bits & 1 && { csum_start, csum_offset }),
  } as Vnet
}
