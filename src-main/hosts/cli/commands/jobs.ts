// groupwright jobs: what was done to devices as jobs, and trying again what failed in one.
import type { Command } from 'commander'
import { AppError } from '#main/base/index.ts'
import type { JobRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { finishJob, untilInterrupted } from './effects.ts'
import { withSite } from './with-site.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

function newestFirst(session: Session): readonly JobRow[] {
  return session.rows('jobs').toSorted((a, b) => b.createdAt - a.createdAt)
}

async function listJobs(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const rows = newestFirst(session).map((job) => ({
      ...job,
      ok: job.counts.ok + job.counts.warning,
      failed: job.counts.failed,
      created: new Date(job.createdAt).toISOString(),
    }))
    context.output.table(context.output.json ? newestFirst(session) : rows, [
      'id',
      'kind',
      'title',
      'state',
      'total',
      'ok',
      'failed',
      'created',
    ])
    return Promise.resolve(EXIT.ok)
  })
}

/** Without an id the newest job in which something failed that nobody has tried again. */
async function retryJob(context: CommandContext, id?: string): Promise<number> {
  return withSite(context, async ({ session }) => {
    const failed = id ?? lastFailed(newestFirst(session))
    if (failed === undefined) throw new AppError('job.nothing-to-do', 'No job has failed items that were not tried again')
    const { jobId } = await session.call('jobs.retryFailed', { jobId: failed })
    return untilInterrupted(context, session, finishJob(context, session, jobId, 'Retry'))
  })
}

function lastFailed(jobs: readonly JobRow[]): string | undefined {
  const triedAgain = new Set(jobs.map(({ retryOf }) => retryOf))
  return jobs.find(({ id, finishedAt, counts }) => finishedAt !== null && counts.failed > 0 && !triedAgain.has(id))?.id
}

export function addJobCommands(program: Command, runs: Runs): void {
  const jobs = program.command('jobs').description('what was done to devices: applying, verifying, pushing, proving')
  jobs.command('ls').description('all jobs, newest first').action(runs(listJobs))
  jobs
    .command('retry [job]')
    .description('try again what failed in a job; without its id, in the newest with failed items')
    .action(runs(retryJob))
}
