// What the core calls in JavaScript: the only file that declares imports (its base name is their module's name).

/**
 * A bug in netpath, debug build only: an assertion failed or the runtime aborted. Does not return.
 * `message` and `file` are AssemblyScript strings (UTF-16, their byte length in the u32 before them) or 0.
 */
export declare function bug(message: usize, file: usize, line: u32, column: u32): void
