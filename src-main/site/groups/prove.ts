// The runner of `prove` jobs: one group after the other is tested with what shows most, until every member has settled.
import { AppError, type GroupId } from '#main/base/index.ts'
import type { ItemResult, JobRunner } from '#main/site/jobs/index.ts'
import type { TestRunRow } from '#contract/model.ts'
import { isProven } from './proof.ts'
import type { TestBench } from './test-bench.ts'

export interface ProveOptions {
  readonly bench: Pick<TestBench, 'actions' | 'run'>
  /** What a room's template wants a group to be tested with. */
  readonly wanted?: (groupId: GroupId) => { readonly action: string; readonly repeats: number } | undefined
}

/** Names in a failure: those that come first say enough. */
const TOLD = 5

export function createProveRunner({ bench, wanted }: ProveOptions): JobRunner {
  return {
    kind: 'prove',
    // One message to many at a time: answers to several would meet on the air.
    concurrency: 1,
    async run(groupId, { signal }): Promise<ItemResult> {
      signal.throwIfAborted()
      const actions = bench.actions(groupId)
      const wish = wanted?.(groupId)
      const known = actions.find(({ id }) => id === wish?.action)
      const action = known ?? actions[0]
      if (action === undefined)
        throw new AppError('test.no-action', 'No member knows an action to test with', { details: { group: groupId } })
      const run = await bench.run(groupId, action.id, known === undefined ? 1 : (wish?.repeats ?? 1)).finished
      return judged(run)
    },
  }
}

/** Throws `test.not-run`, `test.members-open`: what did not work is a failed item, to be tried again with the others. */
function judged({ failure, groupName, members }: TestRunRow): ItemResult {
  if (failure !== null)
    throw new AppError('test.not-run', failure.message, { retryable: true, details: { group: groupName, reason: failure.code } })
  const open = members.filter((member) => !isProven(member))
  if (open.length === 0) return { state: 'ok' }
  throw new AppError('test.members-open', `${open.length} of ${members.length} members of ${groupName} did not follow`, {
    retryable: true,
    details: { group: groupName, open: open.length, members: members.length, devices: open.slice(0, TOLD).map(({ deviceId }) => deviceId) },
  })
}
