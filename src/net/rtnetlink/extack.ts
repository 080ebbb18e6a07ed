// What the kernel says when it refuses a nexthop object or a route by one, by number (assembly/uapi/extack.ts).

import * as extack from '../../../assembly/uapi/extack.ts'

const MESSAGES: Readonly<Record<number, string>> = {
  [extack.EXTACK_NH_REPLACE_ID]: 'Replace requires nexthop id.',
  [extack.EXTACK_NH_NO_ID]: 'No unused id.',
  [extack.EXTACK_NH_NO_ENTRY]: 'Replace specified without create and no entry exists.',
  [extack.EXTACK_NH_BLACKHOLE_ATTRS]: 'Blackhole attribute can not be used with gateway, oif, encap or fdb.',
  [extack.EXTACK_NH_NEEDS_DEVICE]: 'Device attribute required for non-blackhole and non-fdb nexthops.',
  [extack.EXTACK_NH_DEVICE_INDEX]: 'Invalid device index.',
  [extack.EXTACK_NH_DEVICE_DOWN]: 'Nexthop device is not up.',
  [extack.EXTACK_NH_NO_CARRIER]: 'Carrier for nexthop device is down.',
  [extack.EXTACK_NH_ONLINK_GATEWAY]: 'ONLINK flag can not be set for nexthop without a gateway.',
  [extack.EXTACK_NH_GATEWAY]: 'Nexthop has invalid gateway.',
  [extack.EXTACK_NH_LO_DOWN]: 'Device for nexthop is not up.',
  [extack.EXTACK_NH_FAMILY]: 'Invalid address family.',
  [extack.EXTACK_NH_GROUP_FAMILY]: 'Invalid family for group.',
  [extack.EXTACK_NH_WEIGHT]: 'Invalid value for nexthop weight.',
  [extack.EXTACK_NH_TWICE]: 'Nexthop id can not be used twice in a group.',
  [extack.EXTACK_NH_INVALID_ID]: 'Invalid nexthop id.',
  [extack.EXTACK_NH_NESTED]: 'Hash-threshold group can not be a nexthop within a group.',
  [extack.EXTACK_NH_BLACKHOLE_GROUP]: 'Blackhole nexthop can not be used in a group with more than 1 path.',
  [extack.EXTACK_NH_BLACKHOLE_MEMBER]: 'Blackhole nexthop can not be a member of a group with more than one path.',
  [extack.EXTACK_NH_TO_GROUP]: 'Can not replace a nexthop with a nexthop group.',
  [extack.EXTACK_NH_FROM_GROUP]: 'Can not replace a nexthop group with a nexthop.',
  [extack.EXTACK_NH_HOST_MULTI]: 'Route with host scope can not have multiple nexthops.',
  [extack.EXTACK_NH_HOST_GATEWAY]: 'Route with host scope can not have a gateway.',
  [extack.EXTACK_NH_SCOPE]: 'Scope mismatch with nexthop.',
  [extack.EXTACK_ROUTE_NH_ID]: 'Nexthop id does not exist.',
  [extack.EXTACK_ROUTE_NH_EXCLUSIVE]: 'Nexthop specification and nexthop id are mutually exclusive.',
}

/** '' for what has no words. */
export function extackMessage(id: number): string {
  return MESSAGES[id] ?? ''
}
