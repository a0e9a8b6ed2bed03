// The face of ipc.
export * from './types.ts'
export { createContractService } from './serve.ts'
export type { ContractServiceOptions } from './serve.ts'
export { createProgram } from './program.ts'
export type { ProgramOptions } from './program.ts'
export { ClientSubscriptions, SUBSCRIPTION_LIMIT, UNACKNOWLEDGED_LIMIT } from './subscriptions.ts'
export type { SubscribeOutcome } from './subscriptions.ts'
