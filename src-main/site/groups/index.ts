// The face of groups.
export * from './types.ts'
export { canonicalAddress, readGroupAddress, scopeOf } from './address.ts'
export type { AllocationPolicy } from './allocation.ts'
export type { NewApplicationGroup } from './draft.ts'
export { createGroups, type GroupEngine, type GroupOptions, type JobItem } from './engine.ts'
export { applicationGroupUri, checkGroupName, checkGroupPort, coapGroupUri } from './names.ts'
export { createTestBench, type TestBench, type TestBenchOptions } from './test-bench.ts'
export { effectiveOutcome, membershipKey, targetOf } from './plan.ts'
