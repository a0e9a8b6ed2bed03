// groupwright plan, apply, verify, test: what reaches the devices.
import { once } from 'node:events'
import type { JobRow, TestRunRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { progressBar } from '../progress-bar.ts'
import type { Session } from '../session.ts'
import { findGroup } from './find.ts'
import { withSite } from './with-site.ts'

export async function showPlan(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const lines = session.rows('plan')
    if (context.options.requests !== true || lines.length === 0) {
      // What devices are told, and which of them then join a security group: applying does both.
      const columns = ['change', 'deviceName', 'groupName', 'uri', 'blocked']
      const joins = session.rows('securityPlan').map((line) => ({ ...line, groupName: line.securityGroupName, uri: null }))
      context.output.table([...lines, ...joins], columns)
      return EXIT.ok
    }
    const requests = await session.call('plan.requests', { lineIds: lines.map((line) => line.id) })
    context.output.value(requests, requests.flatMap((entry) => entry.requests).join('\n'))
    return EXIT.ok
  })
}

/** Exit code of a program that was interrupted by Ctrl-C. */
const INTERRUPTED = 130

export async function applyPlan(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => untilInterrupted(context, session, applyEverything(context, session)), { resumeJobs: true })
}

/** What is under way when Ctrl-C comes is paused, not given up. */
export async function untilInterrupted(context: CommandContext, session: Session, work: Promise<number>): Promise<number> {
  const exitCode = await Promise.race([work, once(process, 'SIGINT').then(() => INTERRUPTED)])
  if (exitCode === INTERRUPTED) {
    for (const job of session.rows('jobs').filter((row) => row.state === 'running')) await session.call('jobs.pause', { jobId: job.id })
    context.output.line('Paused; `apply` goes on with it.')
  }
  return exitCode
}

/** What an earlier run left unfinished comes first, then what else is to be done. */
async function applyEverything(context: CommandContext, session: Session): Promise<number> {
  const unfinished = session.rows('jobs').filter((job) => job.kind === 'apply' && (job.state === 'running' || job.state === 'paused'))
  for (const job of unfinished) {
    if (job.state === 'paused') await session.call('jobs.resume', { jobId: job.id })
    const exitCode = await finishJob(context, session, job.id, 'Resume')
    if (exitCode !== EXIT.ok || session.rows('plan').length + session.rows('securityPlan').length === 0) return exitCode
  }
  const { jobId } = await session.call('apply.start', {})
  return finishJob(context, session, jobId, 'Apply')
}

export async function verifyGroups(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const groups = names.length > 0 ? names.map((name) => findGroup(session, name)) : session.rows('applicationGroups')
    const { jobId } = await session.call('groups.verify', { groupIds: groups.map((group) => group.id) })
    return finishJob(context, session, jobId, 'Verify')
  })
}

export async function finishJob(context: CommandContext, session: Session, jobId: string, label: string): Promise<number> {
  const job = await followJob(session, jobId, label)
  const failed = session.rows('jobItems').filter((item) => item.jobId === jobId && item.state === 'failed')
  for (const item of failed) context.output.line(`failed: ${item.label}: ${item.failure?.code ?? ''} ${item.failure?.message ?? ''}`)
  context.output.value({ ...job, failed }, '')
  return job.state === 'done' && job.counts.failed === 0 ? EXIT.ok : EXIT.incomplete
}

/** Waits for a job with a progress bar. */
export async function followJob(session: Session, jobId: string, label: string): Promise<JobRow> {
  const bar = progressBar(label)
  const job = await session.job(jobId, (row) => bar.update(row.total - row.counts.pending - row.counts.running, row.total))
  const { ok, warning, failed, skipped } = job.counts
  bar.finish(`${ok + warning} of ${job.total} confirmed, ${failed} failed${skipped > 0 ? `, ${skipped} not needed or not tried` : ''}`)
  return job
}

export async function testGroup(context: CommandContext, group = '', action = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const run = await runTest(session, findGroup(session, group).id, action, context.options.repeats ?? 1)
    const names = new Map(session.rows('devices').map((device) => [device.id, device.name]))
    const members = run.members.map((member) => ({ ...member, device: names.get(member.deviceId) ?? member.deviceId }))
    if (context.output.json) context.output.value(run, '')
    else context.output.table(members, ['device', 'verdict', 'answerMs', 'code'])
    context.output.line(
      `${heardOf(run)} of ${run.members.length} accounted for, spread ${run.spreadMs === null ? '–' : `${Math.round(run.spreadMs)} ms`}`,
    )
    return heardOf(run) === run.members.length && run.failure === null ? EXIT.ok : EXIT.incomplete
  })
}

export async function runTest(session: Session, groupId: string, action: string, repeats: number): Promise<TestRunRow> {
  const { runId } = await session.call('test.run', { groupId, action, repeats })
  return session.testRun(runId)
}

/** Members that answered, or that changed without an answer. */
export function heardOf(run: TestRunRow): number {
  return run.members.filter((member) => member.verdict === 'heard' || member.verdict === 'silent-changed').length
}
