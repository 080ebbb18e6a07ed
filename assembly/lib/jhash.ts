// Bob Jenkins' hash of 1, 2 or 3 words (lookup3, public domain), as linux/jhash.h uses it.

const INITVAL: u32 = 0xdeadbeef

function nwords(x: u32, y: u32, z: u32, start: u32): u32 {
  let a = start + x
  let b = start + y
  let c = start + z
  c ^= b
  c -= rotl<u32>(b, 14)
  a ^= c
  a -= rotl<u32>(c, 11)
  b ^= a
  b -= rotl<u32>(a, 25)
  c ^= b
  c -= rotl<u32>(b, 16)
  a ^= c
  a -= rotl<u32>(c, 4)
  b ^= a
  b -= rotl<u32>(a, 14)
  c ^= b
  c -= rotl<u32>(b, 24)
  return c
}

export function jhash_3words(x: u32, y: u32, z: u32, initval: u32): u32 {
  return nwords(x, y, z, INITVAL + initval + (3 << 2))
}

export function jhash_2words(x: u32, y: u32, initval: u32): u32 {
  return nwords(x, y, 0, INITVAL + initval + (2 << 2))
}

export function jhash_1word(x: u32, initval: u32): u32 {
  return nwords(x, 0, 0, INITVAL + initval + (1 << 2))
}

/** A cheap multiplicative hash into 2^bits slots (linux/hash.h). */
export function hash_32(v: u32, bits: u32): u32 {
  return (v * 0x61c88647) >> (32 - bits)
}
