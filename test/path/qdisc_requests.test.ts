// Every request about qdiscs is answered as the recorded kernel answered it (test/options/tc_qdisc.json and tc_show.json, made
// by tc_qdisc.py there): what is said when it is refused, and what stands there afterwards.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Host, type QdiscInfo, type QdiscSpec, lab } from '../../src/index.ts'
import { rootFolder } from '../root.ts'

type Row = readonly [state: string, request: string, said: string, shown: string]

const rows = JSON.parse(readFileSync(new URL('test/options/tc_qdisc.json', rootFolder), 'utf8')) as readonly Row[]

const TBF = 'add root handle 1: tbf rate 80kbit burst 1600 limit 10000'
const states: Readonly<Record<string, readonly string[]>> = {
  none: [],
  pfifo1: ['add root handle 1: pfifo limit 5'],
  tbf1: [TBF],
  'tbf1+pfifo2': [TBF, 'add parent 1:1 handle 2: pfifo limit 7'],
}

/** A request in tc's words. */
function request(host: Host, dev: string, text: string): void {
  const [verb, ...words] = text.split(' ')
  const spec: Record<string, string | null> = { dev, parent: null }
  while (words.length) {
    const word = words.shift()!
    if (word === 'root') spec['parent'] = 'root'
    else if (word === 'parent' || word === 'handle' || spec['kind'] !== undefined) spec[word] = words.shift()!
    else spec['kind'] = word
  }
  host.qdisc[verb as 'add'](spec as unknown as QdiscSpec)
}

function shown({ kind, handle, parent, refcnt, options }: QdiscInfo): string {
  const what = kind === 'tbf' ? options['rate'] : (options['limit'] ?? '')
  return `${kind} ${handle.startsWith('8') ? 'auto' : handle} ${parent ?? 'root'} ${refcnt} ${String(what)}`.trim()
}

const requests = suite('qdisc requests')

for (const [state, setup] of Object.entries(states)) {
  requests(`with ${state}`, async () => {
    const net = await lab({ memoryMb: 64 })
    const host = net.host('h')
    for (const [n, [, text, said, after]] of rows.filter(([of]) => of === state).entries()) {
      const dev = `eth${n}`
      host.tap(dev)
      host.link(dev, { up: true })
      for (const step of setup) request(host, dev, step)
      let answer = ''
      try {
        request(host, dev, text)
      } catch (error) {
        answer = /\((.*)\)$/.exec((error as Error).message)?.[1] ?? (error as Error).message
      }
      assert.is(answer, said, text)
      assert.is(host.qdisc.show(dev).map(shown).join('; '), after, text)
    }
    await net.close()
  })
}

type Shown = readonly [words: string, said: string, options: Record<string, unknown> | null]

const shownRows = JSON.parse(readFileSync(new URL('test/options/tc_show.json', rootFolder), 'utf8')) as readonly Shown[]

requests('words and units are read and shown as tc does', async () => {
  const net = await lab({ memoryMb: 64 })
  const host = net.host('h')
  for (const [n, [words, said, options]] of shownRows.entries()) {
    const dev = `eth${n}`
    host.tap(dev)
    host.link(dev, { up: true })
    let refused = false
    try {
      request(host, dev, `add root handle 1: ${words}`)
    } catch {
      refused = true
    }
    assert.is(refused, said !== '', `${words}: ${said}`)
    const got = host.qdisc.show(dev)[0]!.options
    for (const [name, value] of Object.entries(options ?? {})) assert.equal(got[name], value, `${words}: ${name}`)
  }
  await net.close()
})

requests.run()
