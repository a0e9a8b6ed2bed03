// The steps of the rail, in the order of work.
import type { Step } from '#contract/model.ts'

export const steps = ['site', 'devices', 'admit', 'groups', 'apply', 'test', 'handover'] as const satisfies readonly Step[]
