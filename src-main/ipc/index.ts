// The face of ipc.
export * from './types.ts'
