// The project's folder, also for tests that run compiled from dist.

import { existsSync } from 'node:fs'

function find(from: URL): URL {
  return existsSync(new URL('package.json', from)) ? from : find(new URL('..', from))
}

export const rootFolder: URL = find(new URL('.', import.meta.url))
