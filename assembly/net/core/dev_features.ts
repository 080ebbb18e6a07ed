// What a device can do, and what of it is on: netdev_fix_features and __netdev_update_features of net/core/dev.c, and what
// ethtool -K does (net/ethtool/features.c). Left out: devices above or below others.

import {
  DEV_KIND_TUN,
  NETIF_F_ALL_TSO,
  NETIF_F_GSO,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_SG,
  NETIF_F_SOFT_FEATURES,
  NETIF_F_SOFT_FEATURES_OFF,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO_MANGLEID,
  net_device,
} from '../../include/netdevice.ts'
import { EOPNOTSUPP } from '../../uapi/errno.ts'

const BOTH_CSUM: u32 = NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM

/** Takes away what does not go without something else that is off. */
export function netdev_fix_features(features: u32): u32 {
  if (features & NETIF_F_HW_CSUM) features &= ~BOTH_CSUM
  if (!(features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM))) features &= ~(NETIF_F_TSO | NETIF_F_TSO_ECN)
  if (!(features & (NETIF_F_HW_CSUM | NETIF_F_IPV6_CSUM))) features &= ~NETIF_F_TSO6
  if (!(features & NETIF_F_TSO)) features &= ~NETIF_F_TSO_MANGLEID
  if (!(features & NETIF_F_SG)) features &= ~(NETIF_F_ALL_TSO | NETIF_F_GSO)
  if ((features & NETIF_F_ALL_TSO) == NETIF_F_TSO_ECN) features &= ~NETIF_F_TSO_ECN
  if (!(features & NETIF_F_HW_CSUM) && (features & BOTH_CSUM) != BOTH_CSUM) features &= ~NETIF_F_GSO_UDP_L4
  return features
}

/** What the reader of a TAP may ask to get undone: checksums and segments. */
export const TUN_USER_FEATURES: u32 =
  NETIF_F_HW_CSUM | NETIF_F_TSO_ECN | NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_GSO_UDP_L4

/** Features that the driver lets be on, besides (ndo_fix_features): a TAP's reader has said what it takes. */
function driver_allows(dev: net_device): u32 {
  return dev.kind == DEV_KIND_TUN ? dev.set_features | ~TUN_USER_FEATURES : 0xffffffff
}

/** What is on follows from what is wanted (__netdev_update_features). */
export function netdev_update_features(dev: net_device): void {
  const wanted = (dev.features & ~dev.hw_features) | dev.wanted_features
  dev.features = netdev_fix_features(wanted & driver_allows(dev))
}

/** A device's features at birth: the driver has set features, and hw_features that may be switched. */
export function features_at_birth(dev: net_device): void {
  dev.hw_features |= NETIF_F_SOFT_FEATURES | NETIF_F_SOFT_FEATURES_OFF
  dev.features |= NETIF_F_SOFT_FEATURES
  dev.wanted_features = dev.features & dev.hw_features
  if (dev.hw_features & NETIF_F_TSO) dev.hw_features |= NETIF_F_TSO_MANGLEID
  dev.hw_enc_features |= NETIF_F_SG
  netdev_update_features(dev)
}

/** The reader of a TAP takes these of TUN_USER_FEATURES from now on (set_offload of drivers/net/tun.c). */
export function features_of_reader(dev: net_device, features: u32): void {
  dev.set_features = features
  dev.wanted_features = (dev.wanted_features & ~TUN_USER_FEATURES) | features
  netdev_update_features(dev)
}

/**
 * Switches features on and off (ethtool -K). Those that hang on others follow. 0, or -EOPNOTSUPP: none of them could be
 * changed, and nothing was.
 */
export function switch_features(dev: net_device, on: u32, off: u32): i32 {
  const before = dev.features
  const wish = dev.wanted_features
  if ((on & ~before) == 0 && (off & before) == 0) return 0
  dev.wanted_features = (wish | (on & dev.hw_features)) & ~off
  netdev_update_features(dev)
  if ((before ^ dev.features) & (on | off)) return 0
  dev.wanted_features = wish
  netdev_update_features(dev)
  return -EOPNOTSUPP
}

/** Can a device with these features fill in the checksum of an IPv4 packet? */
export function can_checksum_protocol(features: u32): bool {
  return (features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) != 0
}
