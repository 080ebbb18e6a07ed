// Capture files by path. Node only; everything else about captures runs in browsers too.

import { open } from 'node:fs/promises'
import { readCapture } from './reader.ts'
import type { Capture } from './reader.ts'

const CHUNK = 256 * 1024

async function* chunksOfFile(path: string | URL): AsyncGenerator<Uint8Array> {
  const file = await open(path)
  try {
    for (;;) {
      // A fresh buffer each time: packets stay views of it.
      const buffer = new Uint8Array(CHUNK)
      const { bytesRead } = await file.read(buffer, 0, CHUNK)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/**
 * Opens a capture file (pcap or pcapng, plain or gzip). The file is opened by the first iteration, which is where
 * ENOENT and the like come out, and closed at its end.
 */
export function openCapture(path: string | URL): Capture {
  return readCapture(chunksOfFile(path))
}
