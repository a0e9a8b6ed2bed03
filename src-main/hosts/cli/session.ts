// A command's way to the core: the same contract that the window uses, with failures thrown for the command line.
import type { Program } from '#main/ipc/index.ts'
import type { FeedName, FeedRow } from '#contract/feeds.ts'
import type { JobRow, TestRunRow } from '#contract/model.ts'
import type { OpInput, OpName, OpOutput } from '#contract/ops.ts'
import { AppError } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'

const CALLER = { actor: 'command line' }

export interface Session {
  call<Name extends OpName>(name: Name, input: OpInput<Name>): Promise<OpOutput<Name>>
  /** The rows of a feed as they are now. */
  rows<Name extends FeedName>(feed: Name): ReadonlyArray<FeedRow<Name>>
  /** Calls back with the changed rows until the returned function is called. */
  follow<Name extends FeedName>(feed: Name, listener: (rows: ReadonlyArray<FeedRow<Name>>) => void): () => void
  /** Resolves with the first row that satisfies the condition. */
  when<Name extends FeedName>(feed: Name, condition: (row: FeedRow<Name>) => boolean): Promise<FeedRow<Name>>
  /** Waits for a job, telling its progress. */
  job(jobId: string, progress?: (job: JobRow) => void): Promise<JobRow>
  testRun(runId: string): Promise<TestRunRow>
}

export function sessionOf(program: Program): Session {
  const follow = <Name extends FeedName>(feed: Name, listener: (rows: ReadonlyArray<FeedRow<Name>>) => void): (() => void) => {
    const end = program.service.subscribe(feed, (message) => {
      listener((message.kind === 'snapshot' ? message.rows : message.upsert) as ReadonlyArray<FeedRow<Name>>)
    })
    return end ?? (() => undefined)
  }
  const session: Session = {
    async call(name, input) {
      const reply = await program.service.call(name, input, CALLER)
      if (!reply.ok) {
        const { code, message, retryable, details } = reply.error
        throw new AppError(code as FailureCode, message, { retryable, details: details as AppError['details'] })
      }
      return reply.value as OpOutput<typeof name>
    },
    rows(feed) {
      let rows: ReadonlyArray<FeedRow<typeof feed>> = []
      follow(feed, (snapshot) => {
        rows = snapshot
      })()
      return rows
    },
    follow,
    when: (feed, condition) =>
      new Promise((resolve) => {
        // The snapshot comes before there is a way to end.
        const following: { end?: () => void; found: boolean } = { found: false }
        following.end = follow(feed, (rows) => {
          const row = rows.find(condition)
          if (row === undefined || following.found) return
          following.found = true
          following.end?.()
          resolve(row)
        })
        if (following.found) following.end()
      }),
    async job(jobId, progress) {
      return session.when('jobs', (row) => {
        if (row.id !== jobId) return false
        progress?.(row)
        return row.state === 'done' || row.state === 'cancelled'
      })
    },
    testRun: (runId) => session.when('testRuns', (row) => row.id === runId && (row.state === 'done' || row.state === 'failed')),
  }
  return session
}
