// What one run of an item came to, whatever the runner does.
import { isAbort, toAppError, type Logger } from '#main/base/index.ts'
import type { Failure } from '#contract/model.ts'
import { toFailure } from './failures.ts'
import type { ItemResult, JobItemRecord, JobRunner } from './types.ts'

interface Ended {
  readonly state: 'cancelled' | 'failed'
  readonly failure?: Failure
}

export async function outcomeOf(
  runner: JobRunner,
  item: JobItemRecord,
  signal: AbortSignal,
  logger: Pick<Logger, 'error'>,
): Promise<ItemResult | Ended> {
  try {
    return await runner.run(item.subject, { jobId: item.jobId, index: item.index, attempt: item.attempts, signal })
  } catch (thrown) {
    // Only an abort that was asked for leaves the item undone; a runner that gives up by itself has failed.
    if (isAbort(thrown) && signal.aborted) return { state: 'cancelled' }
    const failure = toAppError(thrown)
    if (failure.code === 'internal') logger.error({ failure, job: item.jobId, index: item.index }, 'a job item broke')
    return { state: 'failed', failure: toFailure(failure) }
  }
}
