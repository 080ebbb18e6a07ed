// The core's exports.

import './lib/bug.ts'

export const abi: u32 = 1
