// SipHash-2-4 (Aumasson and Bernstein, public domain), as linux/siphash.h uses it: 64 bits of a keyed hash.

/** The hash of len bytes at p under the key of two 64-bit words. */
export function siphash(p: usize, len: u32, key0: u64, key1: u64): u64 {
  let v0 = key0 ^ 0x736f6d6570736575
  let v1 = key1 ^ 0x646f72616e646f6d
  let v2 = key0 ^ 0x6c7967656e657261
  let v3 = key1 ^ 0x7465646279746573
  const words = len >> 3
  const rounds = (words + 1) * 2 + 4
  let m: u64 = 0
  for (let i: u32 = 0; i < rounds; i++) {
    const absorbs = i < rounds - 4
    if (absorbs && (i & 1) == 0) {
      m = i >> 1 < words ? load<u64>(p + ((<usize>i) << 2)) : last_word(p + ((<usize>words) << 3), len)
      v3 ^= m
    } else if (i == rounds - 4) {
      v2 ^= 0xff
    }
    v0 += v1
    v1 = rotl<u64>(v1, 13) ^ v0
    v0 = rotl<u64>(v0, 32)
    v2 += v3
    v3 = rotl<u64>(v3, 16) ^ v2
    v0 += v3
    v3 = rotl<u64>(v3, 21) ^ v0
    v2 += v1
    v1 = rotl<u64>(v1, 17) ^ v2
    v2 = rotl<u64>(v2, 32)
    if (absorbs && (i & 1) != 0) v0 ^= m
  }
  return v0 ^ v1 ^ v2 ^ v3
}

/** What is left of the bytes, and the length in the highest byte. */
function last_word(p: usize, len: u32): u64 {
  let m = (<u64>(len & 0xff)) << 56
  for (let i: u32 = 0; i < (len & 7); i++) {
    const byte: u64 = load<u8>(p + <usize>i)
    m |= byte << (i << 3)
  }
  return m
}
