// The face of the security layer.
export * from './types.ts'
export type { BenchSecurity, GroupProtection } from './bench.ts'
export { createDeviceDoor, SECURITY_TYPE, type DeviceDoorPorts } from './device-door.ts'
export {
  createSecurity,
  type NewSecurityGroup,
  type Protection,
  type SecurityEngine,
  type SecurityGroupPatch,
  type SecurityOptions,
} from './engine.ts'
export { checkSecurityGroupName, DEFAULT_POLICY, suites, type SuiteAlgorithms } from './suites.ts'
export { findingsOf, ruleSection, type Relations } from './rules.ts'
export type { SecurityFeeds } from './views.ts'
