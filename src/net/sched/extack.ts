// What the kernel says when it refuses a request about qdiscs, by number (assembly/uapi/extack.ts).

import * as extack from '../../../assembly/uapi/extack.ts'

const MESSAGES: Readonly<Record<number, string>> = {
  [extack.EXTACK_KIND_UNKNOWN]: 'Specified qdisc kind is unknown.',
  [extack.EXTACK_QDISC_NOT_FOUND]: 'Specified qdisc not found.',
  [extack.EXTACK_PARENT_NOT_FOUND]: 'Failed to find specified qdisc.',
  [extack.EXTACK_CREATE_FLAG]: 'Qdisc not found. To create specify NLM_F_CREATE flag.',
  [extack.EXTACK_EXCL_MODIFY]: 'Exclusivity flag on, cannot modify.',
  [extack.EXTACK_EXCL_OVERRIDE]: 'Exclusivity flag on, cannot override.',
  [extack.EXTACK_REPLACE_NEEDED]: 'NLM_F_REPLACE needed to override.',
  [extack.EXTACK_NOT_CLASSFUL]: 'Parent qdisc is not classful.',
  [extack.EXTACK_KIND_MISMATCH]: 'Invalid qdisc name: must match existing qdisc.',
  [extack.EXTACK_CANNOT_MOVE]: 'Cannot move an existing qdisc to a different parent.',
  [extack.EXTACK_LOOP]: 'Qdisc parent/child loop detected.',
  [extack.EXTACK_MINOR_HANDLE]: 'Invalid minor handle.',
  [extack.EXTACK_ZERO_HANDLE]: 'Handle cannot be zero.',
  [extack.EXTACK_DEL_ZERO_HANDLE]: 'Cannot delete qdisc with handle of zero.',
  [extack.EXTACK_INVALID_HANDLE]: 'Invalid handle.',
  [extack.EXTACK_CLASSID_ZERO]: 'Classid cannot be zero.',
  [extack.EXTACK_CLASSID_NOT_FOUND]: 'Failed to find qdisc with specified classid.',
  [extack.EXTACK_HANDLE_NOT_FOUND]: 'Failed to find qdisc with specified handle.',
  [extack.EXTACK_CLASS_NOT_FOUND]: 'Specified class not found.',
  [extack.EXTACK_NO_CHANGE]: 'Change operation not supported by specified qdisc.',
  [extack.EXTACK_NOQUEUE_CLASS]: 'Cannot assign noqueue to a class.',
  [extack.EXTACK_NO_QDISC]: 'Cannot find specified qdisc on specified device.',
}

export function extackMessage(id: number): string {
  return MESSAGES[id] ?? ''
}
