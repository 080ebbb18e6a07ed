// Readiness of many sockets at once, level or edge triggered. Mirrors fs/eventpoll.c: a list of what is ready in order of its
// being woken, polled again when it is asked for. Left out: nesting.

import * as so from '../../assembly/uapi/socket.ts'
import type { Machine, Watcher } from '../kernel/machine.ts'
import { sleep } from '../kernel/wait.ts'
import { integer, parseTime } from '../wasm/encode.ts'
import { checked, invalid, systemError } from '../wasm/errors.ts'
import type { Socket, WaitOptions } from './socket.ts'
import { poll } from './syscalls.ts'

/** EPOLL* by their C names. */
export type EpollFlag = `EPOLL${string}`

/** What is waited for: EPOLL* bits, or their names: ['EPOLLIN', 'EPOLLET']. */
export type EpollEvents = number | readonly EpollFlag[]

/** A socket that is ready, and for what (EPOLL* bits). */
export interface EpollEvent {
  socket: Socket
  events: number
}

interface Item {
  socket: Socket
  events: number
}

const FLAGS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(so).filter(([name]) => name.startsWith('EPOLL')),
)
/** How an interest is kept, and not what it is in. */
const EP_PRIVATE_BITS = (so.EPOLLWAKEUP | so.EPOLLONESHOT | so.EPOLLET | so.EPOLLEXCLUSIVE) >>> 0
const ALWAYS = so.EPOLLERR | so.EPOLLHUP
const EXCLUSIVE_OK =
  (so.EPOLLIN | so.EPOLLOUT | so.EPOLLERR | so.EPOLLHUP | so.EPOLLWAKEUP | so.EPOLLET | so.EPOLLEXCLUSIVE) >>> 0

function bitsOf(events: EpollEvents): number {
  if (typeof events === 'number') return integer(events, 0, 0xffffffff, 'events', 'epoll_ctl')
  return events.reduce((sum, name) => {
    const bit = FLAGS[name]
    if (bit === undefined)
      throw invalid('epoll_ctl', `'${name}' is no event; there are ${Object.keys(FLAGS).join(', ')}`)
    return (sum | bit) >>> 0
  }, 0)
}

const has = (events: number, flag: number): boolean => (events & flag) !== 0

/** An epoll instance of one host. A closed socket leaves it by itself. */
export class Epoll {
  readonly #machine: Machine
  readonly #items = new Map<number, Item>()
  /** Handles in the order in which they became ready. */
  #ready = new Set<number>()
  readonly #waiting = new Set<() => void>()
  #closed = false
  readonly #watcher: Watcher = {
    woken: (handle, what) => this.#woken(handle, what),
    closed: (handle) => this.#forget(handle),
  }

  constructor(machine: Machine) {
    this.#machine = machine
  }

  #assertOpen(syscall: string): void {
    if (this.#closed) throw systemError('EBADF', syscall, 'the epoll instance is closed')
  }

  /** Callback of a wake-up (ep_poll_callback). True: it wakes nobody else. */
  #woken(handle: number, what: number): boolean {
    const item = this.#items.get(handle)
    if (!item || (item.events & ~EP_PRIVATE_BITS) === 0 || !has(item.events, what)) return false
    const sleeping = this.#waiting.size > 0
    this.#makeReady(handle)
    return sleeping && has(item.events, so.EPOLLEXCLUSIVE)
  }

  #makeReady(handle: number): void {
    this.#ready.add(handle)
    for (const wake of [...this.#waiting]) wake()
  }

  #forget(handle: number): void {
    this.#items.delete(handle)
    this.#ready.delete(handle)
  }

  #item(socket: Socket): Item {
    this.#assertOpen('epoll_ctl')
    const item = this.#items.get(socket.handle)
    if (!item || item.socket !== socket) throw systemError('ENOENT', 'epoll_ctl', 'the socket was not added')
    return item
  }

  /** What of its interest is there now. */
  #poll({ socket, events }: Item): number {
    return (poll(socket.at) & events) >>> 0
  }

  #begin(item: Item): void {
    if (this.#poll(item)) this.#makeReady(item.socket.handle)
  }

  /** Adds a socket (EPOLL_CTL_ADD); errors and hang-ups are always told. EEXIST, EINVAL, EBADF. */
  add(socket: Socket, events: EpollEvents): this {
    this.#assertOpen('epoll_ctl')
    const bits = bitsOf(events)
    if (socket.closed || socket.machine !== this.#machine)
      throw systemError('EBADF', 'epoll_ctl', 'an open socket of the same host')
    if (has(bits, so.EPOLLEXCLUSIVE) && has(bits, ~EXCLUSIVE_OK))
      throw invalid('epoll_ctl', 'EPOLLEXCLUSIVE goes with EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP and EPOLLET only')
    if (this.#items.has(socket.handle)) throw systemError('EEXIST', 'epoll_ctl', 'the socket was added already')
    const item = { socket, events: (bits | ALWAYS) >>> 0 }
    this.#items.set(socket.handle, item)
    this.#watch(socket, has(bits, so.EPOLLEXCLUSIVE))
    this.#begin(item)
    return this
  }

  #watch(socket: Socket, last: boolean): void {
    const { watchers, core } = this.#machine
    const others = [...(watchers.get(socket.handle) ?? [])]
    // Those that take a wake-up for themselves come behind those that do not.
    watchers.set(socket.handle, new Set(last ? [...others, this.#watcher] : [this.#watcher, ...others]))
    checked(core.exports.sys_watch(socket.handle, 1), 'epoll_ctl')
    core.exports.sys_woken(socket.handle)
  }

  /** Changes an interest (EPOLL_CTL_MOD), or renews one that EPOLLONESHOT ended. ENOENT, EINVAL. */
  mod(socket: Socket, events: EpollEvents): this {
    const bits = bitsOf(events)
    const item = this.#item(socket)
    if (has(bits | item.events, so.EPOLLEXCLUSIVE)) throw invalid('epoll_ctl', 'EPOLLEXCLUSIVE cannot be changed')
    item.events = (bits | ALWAYS) >>> 0
    this.#begin(item)
    return this
  }

  /** Takes a socket out (EPOLL_CTL_DEL). ENOENT. */
  del(socket: Socket): this {
    this.#item(socket)
    this.#forget(socket.handle)
    this.#unwatch(socket)
    return this
  }

  #unwatch(socket: Socket): void {
    const { watchers, core } = this.#machine
    const watching = watchers.get(socket.handle)
    watching?.delete(this.#watcher)
    if (watching?.size !== 0) return
    watchers.delete(socket.handle)
    core.exports.sys_watch(socket.handle, 0)
  }

  /**
   * What is ready, at most max of it, in the order of its being woken; it does not wait. What is level triggered and still
   * ready comes again behind the others. EINVAL for a max below 1.
   */
  poll(max = 64): EpollEvent[] {
    this.#assertOpen('epoll_wait')
    integer(max, 1, 2147483647, 'max', 'epoll_wait')
    const found: EpollEvent[] = []
    const again: number[] = []
    for (const handle of [...this.#ready]) {
      if (found.length === max) break
      this.#ready.delete(handle)
      const item = this.#items.get(handle)
      const events = item ? this.#poll(item) : 0
      if (!item || events === 0) continue
      found.push({ socket: item.socket, events })
      if (has(item.events, so.EPOLLONESHOT)) item.events = (item.events & EP_PRIVATE_BITS) >>> 0
      else if (!has(item.events, so.EPOLLET)) again.push(handle)
    }
    for (const handle of again) this.#ready.add(handle)
    return found
  }

  /**
   * Waits until something is ready (epoll_wait); [] when the timeout, of virtual time, comes first. Virtual time moves only by
   * the lab. EBADF when it is closed meanwhile; the signal's reason.
   */
  async wait(options: WaitOptions & { max?: number } = {}): Promise<EpollEvent[]> {
    const { signal, timeout, max } = options
    const until = timeout === undefined ? Infinity : this.#machine.now + parseTime(timeout, 'epoll_wait')
    for (;;) {
      signal?.throwIfAborted()
      const found = this.poll(max)
      if (found.length || this.#machine.now >= until) return found
      await sleep(this.#machine, until, signal, (wake) => {
        this.#waiting.add(wake)
        return () => this.#waiting.delete(wake)
      })
    }
  }

  /** Closes it; a second time does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { socket } of this.#items.values()) this.#unwatch(socket)
    this.#items.clear()
    this.#ready.clear()
    for (const wake of [...this.#waiting]) wake()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
