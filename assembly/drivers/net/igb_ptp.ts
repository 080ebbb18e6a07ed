// Transmit stamps of an igb's clock: of one packet at a time, as the hardware has one register for it. Mirrors the transmit half of
// drivers/net/ethernet/intel/igb/igb_ptp.c. The clock is the virtual one; the stamp is of the moment at which the hardware takes
// the frame from the ring. On once SIOCSHWTSTAMP set HWTSTAMP_TX_ON (igb_ring.tx_hwtstamp).

import { SKBTX_HW_TSTAMP, SKBTX_IN_PROGRESS, SKB_ENDED_ABSORBED, sk_buff } from '../../include/skbuff.ts'
import { consume_skb, skb_get, skb_shinfo } from '../../net/core/skbuff.ts'
import { skb_tstamp_hw } from '../../net/core/skb_tstamp.ts'
import { igb_ring } from './igb_ring.ts'

/** The driver puts a packet with SKB_TX_STAMP on the ring: its stamp is awaited, if it wants one and no other is. */
export function igb_ptp_tx_begin(ring: igb_ring, skb: sk_buff): void {
  const shinfo = skb_shinfo(skb)
  if (!ring.tx_hwtstamp || !(shinfo.tx_flags & (<u8>SKBTX_HW_TSTAMP))) return
  if (ring.ptp_tx_skb) {
    ring.tx_hwtstamp_skipped += 1
    return
  }
  shinfo.tx_flags |= <u8>SKBTX_IN_PROGRESS
  ring.ptp_tx_skb = changetype<usize>(skb_get(skb))
}

/** The hardware sends a packet now: if it is the awaited one, its sender gets the stamp. */
export function igb_ptp_tx_hwtstamp(ring: igb_ring, skb: sk_buff): void {
  if (ring.ptp_tx_skb != changetype<usize>(skb)) return
  ring.ptp_tx_skb = 0
  skb_tstamp_hw(skb)
  consume_skb(skb, SKB_ENDED_ABSORBED)
}

/** The ring is emptied: no stamp will come. */
export function igb_ptp_tx_forget(ring: igb_ring): void {
  if (ring.ptp_tx_skb) consume_skb(changetype<sk_buff>(ring.ptp_tx_skb), SKB_ENDED_ABSORBED)
  ring.ptp_tx_skb = 0
}
