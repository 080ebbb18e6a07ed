// Errors: Node's shape, and one error that names the functions of a trap.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as errors from '../../src/wasm/errors.ts'

const test = suite('errors')

test('-errno becomes code, errno and syscall', () => {
  const error = errors.systemError(-113, 'sendmsg', 'to 10.0.0.9:53')
  assert.is(error.code, 'EHOSTUNREACH')
  assert.is(error.errno, -113)
  assert.is(error.syscall, 'sendmsg')
  assert.match(error.message, /^sendmsg EHOSTUNREACH: .*10\.0\.0\.9:53/)
  assert.ok(errors.isSystemError(error))
})

test('names and numbers', () => {
  const cases: [number, string][] = [
    [-11, 'EAGAIN'],
    [22, 'EINVAL'],
    [-35, 'EDEADLK'],
    [-9999, 'E9999'],
  ]
  for (const [number, name] of cases) assert.is(errors.errnoName(number), name)
  assert.is(errors.errnoNumber('EWOULDBLOCK'), 11)
  assert.is(errors.errnoNumber('ENONSENSE'), undefined)
  assert.is(errors.systemError('ENODEV', 'link').errno, -19)
})

test('a result passes, a failure throws', () => {
  assert.is(errors.checked(5, 'read'), 5)
  assert.throws(
    () => errors.checked(-22, 'bind'),
    (error: errors.SystemError) => error.code === 'EINVAL',
  )
})

test('the functions of a trap, innermost first', () => {
  const stack = [
    'RuntimeError: unreachable',
    '    at netpath.wasm.assembly/lib/bug/abort (wasm://wasm/netpath.wasm-1234:wasm-function[3]:0x1f)',
    '    at netpath.wasm.assembly/net/ipv4/udp/rcv/udp_rcv (wasm://wasm/netpath.wasm-1234:wasm-function[9]:0x2f)',
    '    at receive (file:///x/src/host.js:3:1)',
  ].join('\n')
  assert.equal(errors.stackFunctions(stack), ['abort', 'udp_rcv'])
  const cause = new WebAssembly.RuntimeError('unreachable')
  cause.stack = stack
  const error = errors.coreError(cause)
  assert.match(error.message, /abort < udp_rcv/)
  assert.is(error.cause, cause)
})

test.run()
