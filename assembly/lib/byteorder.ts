// Byte order: header fields lie in network order; these stand where a field is used.
// Wasm is little-endian on every engine.

export function ntohs(v: u32): u32 {
  return ((v & 0xff) << 8) | ((v >> 8) & 0xff)
}

export function htons(v: u32): u16 {
  return <u16>(((v & 0xff) << 8) | ((v >> 8) & 0xff))
}

export function ntohl(v: u32): u32 {
  return bswap<u32>(v)
}

export function htonl(v: u32): u32 {
  return bswap<u32>(v)
}
