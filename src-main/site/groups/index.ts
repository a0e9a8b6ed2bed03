// The face of groups.
export * from './types.ts'
