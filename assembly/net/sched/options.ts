// Options of a qdisc as TypeScript lays them into memory: which were given, then a word of 64 bits for each, by the numbers of
// uapi/pkt_sched.ts. They stand for the netlink attributes of net/sched.

/** Was the option given? Without options (opt 0) none was. */
export function opt_given(opt: usize, id: u32): bool {
  return opt != 0 && ((load<u64>(opt) >> id) & 1) != 0
}

export function opt_u64(opt: usize, id: u32): u64 {
  return load<u64>(opt + 8 + ((<usize>id) << 3))
}

export function opt_u32(opt: usize, id: u32): u32 {
  return load<u32>(opt + 8 + ((<usize>id) << 3))
}

/** The option, or another value when it was not given. */
export function opt_u32_or(opt: usize, id: u32, otherwise: u32): u32 {
  return opt_given(opt, id) ? opt_u32(opt, id) : otherwise
}

export function opt_u64_or(opt: usize, id: u32, otherwise: u64): u64 {
  return opt_given(opt, id) ? opt_u64(opt, id) : otherwise
}

/** A word of what a dump tells. */
export function put_word(out: usize, id: u32, value: u64): void {
  store<u64>(out + ((<usize>id) << 3), value)
}
