// The face of jobs.
export { createJobs, type JobPorts } from './service.ts'
export * from './types.ts'
