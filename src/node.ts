// netpath in Node: all of index.ts, and what needs Node's file system.

export * from './index.ts'
