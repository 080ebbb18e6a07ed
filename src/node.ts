// The public exports in Node: those of index.ts and what needs Node.

export * from './index.ts'
