// The pledge: for simulated devices and tests.
export { Pledge } from './pledge.ts'
export type { JoinedPledge, PledgeKeeper, PledgeOptions, PledgeStep } from './types.ts'
