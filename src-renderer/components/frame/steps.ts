// The steps of the rail, in the order of work.
import type { Step } from '#contract/model.ts'

export const steps = ['site', 'devices', 'groups', 'apply', 'test', 'handover'] as const satisfies readonly Step[]

/** What the rail shows: how far admission is, the registration authority tells itself. */
export const railSteps = ['site', 'devices', 'admit', 'groups', 'apply', 'test', 'handover'] as const satisfies ReadonlyArray<
  Step | 'admit'
>
