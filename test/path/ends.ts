// How tests of a lab end, and what calls in them are refused with.

import * as assert from 'uvu/assert'
import type { Lab } from '../../src/index.ts'
import { isSystemError } from '../../src/wasm/errors.ts'

/** No packet is left, and none was lost track of; the lab is closed. */
export async function closeEmpty(net: Lab): Promise<void> {
  const { balanced, live } = net.account()
  assert.ok(balanced, 'born = ended + live')
  assert.is(live, 0, `${live} packets are left`)
  await net.close()
}

/** The code of the error that a call throws, '' when it throws none. */
export function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (isSystemError(error)) return error.code
    throw error
  }
  return ''
}
