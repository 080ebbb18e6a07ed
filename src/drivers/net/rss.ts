// Receive side scaling: which queue of a NIC a frame goes to. The Toeplitz hash over addresses and ports (or addresses, for
// fragments and other protocols) picks from an indirection table that spreads evenly. Mirrors the 82576 and
// Documentation/networking/scaling.rst; the key is Microsoft's well-known one, so that runs repeat.

const KEY = Uint8Array.from([
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b,
  0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
  0x01, 0xfa,
])
const INPUT = 12
const ETH_HLEN = 14

/** 32 bits of the key from a bit on. */
function keyWindow(bit: number): number {
  const at = bit >> 3
  const shift = bit & 7
  const word = ((KEY[at]! << 24) | (KEY[at + 1]! << 16) | (KEY[at + 2]! << 8) | KEY[at + 3]!) >>> 0
  return shift === 0 ? word : ((word << shift) | (KEY[at + 4]! >>> (8 - shift))) >>> 0
}

/** The hash that each value of each input byte adds: 12 tables of 256. */
const TABLE = Uint32Array.from({ length: INPUT * 256 }, (_, i) => {
  const bits = Array.from({ length: 8 }, (__, bit) => (i & 255 & (128 >> bit) ? keyWindow((i >> 8) * 8 + bit) : 0))
  return bits.reduce((sum, window) => (sum ^ window) >>> 0, 0)
})

function hashOf(data: Uint8Array, at: number, bytes: number, start = 0): number {
  let hash = 0
  for (let i = 0; i < bytes; i++) hash ^= TABLE[((start + i) << 8) | data[at + i]!]!
  return hash >>> 0
}

/** The hash of a frame; 0 for what is no IPv4. */
export function rssHash(data: Uint8Array, at: number, length: number): number {
  const ip = at + ETH_HLEN
  if (length < ETH_HLEN + 20 || data[at + 12] !== 8 || data[at + 13] !== 0 || data[ip]! >> 4 !== 4) return 0
  const addresses = hashOf(data, ip + 12, 8)
  const fragment = (data[ip + 6]! & 0x3f) !== 0 || data[ip + 7] !== 0
  const transport = data[ip + 9] === 6 || data[ip + 9] === 17
  const header = (data[ip]! & 15) * 4
  if (fragment || !transport || length < ETH_HLEN + header + 4) return addresses
  return (addresses ^ hashOf(data, ip + header, 4, 8)) >>> 0
}

/** The queue of a frame: 128 entries of the indirection table, dealt out in turn. */
export function rssQueue(data: Uint8Array, at: number, length: number, queues: number): number {
  return queues === 1 ? 0 : (rssHash(data, at, length) & 127) % queues
}
