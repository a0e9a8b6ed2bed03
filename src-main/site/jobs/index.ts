// The face of jobs.
export * from './types.ts'
