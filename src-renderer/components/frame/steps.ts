// The steps of the rail, in the order of work. Admission comes with its own release and has no entry before that.
import type { Step } from '#contract/model.ts'

export const steps = ['site', 'devices', 'groups', 'apply', 'test', 'handover'] as const satisfies readonly Step[]
