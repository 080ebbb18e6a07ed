// What is remembered of one remote address: net/inetpeer.h. Operations: net/ipv4/inetpeer.ts.

@unmanaged
@final
export class inet_peer {
  /** Next in the chain of its hash. */
  next: usize
  daddr: u32
  /** When it was last looked up. */
  dtime: u32
  /** Token bucket of errors and redirects to it: tokens in jiffies, and when they were last counted. */
  rate_tokens: u32
  rate_last: u32
  /** Redirects that it got and did not heed. */
  n_redirects: u32
  /** Fragments that were taken from it (rid): the next one's number. */
  rid: u32
  /** Fragment queues that keep it. */
  refcnt: u32
}

export const INET_PEER_SIZE: usize = offsetof<inet_peer>()
