// Where assertions and the AssemblyScript runtime end (asconfig: use abort=...): a bug in netpath, the instance is dead.
// Release traps, and the name section says where. Debug says file and line first.

import { bug } from '../imports.ts'

/** Ends the instance. The parameters are those that asc passes to `abort`. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (!ASC_NO_ASSERT) bug(changetype<usize>(message), changetype<usize>(file), line, column)
  unreachable()
}
