// groupwright survey …, groupwright drift …: what is there already, what has drifted, and what another export has.
import { z } from 'zod'
import type { DriftRow, FoundGroup } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import { AppError } from '#main/base/index.ts'
import type { CommandContext } from '../context.ts'
import type { Opened } from '../open.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { readText } from './devices.ts'
import { followJob } from './effects.ts'
import { findDevice, findGroup } from './find.ts'
import { settledRows } from './link.ts'
import { withSite } from './with-site.ts'

const PAGE = 1000

// ---- What is there -----------------------------------------------------------------------------------------------

export async function readSurvey(context: CommandContext): Promise<number> {
  return withSite(context, async (opened) => {
    const { groups, failures } = await readNow(context, opened)
    if (context.output.json) context.output.value({ groups, failures }, '')
    else context.output.table(groups.map(lineOf), ['name', 'address', 'port', 'members', 'sources', 'verdict', 'here', 'security'])
    return failures.length === 0 ? EXIT.ok : EXIT.incomplete
  })
}

/** Reads, then adopts the named groups, or everything that has no conflict. */
export async function adoptSurvey(context: CommandContext, ...names: readonly string[]): Promise<number> {
  const as = z.enum(['found', 'project']).safeParse(context.options.keep ?? 'found')
  if (!as.success) throw new AppError('input.invalid', 'Which address stays: found or project', { details: { option: '--keep' } })
  return withSite(context, async (opened) => {
    const { groups } = await readNow(context, opened)
    const input: OpInput<'survey.adopt'> =
      names.length === 0 ? {} : { choices: names.map((name) => ({ key: onlyNamed(groups, name).key, as: as.data })) }
    const done = await opened.session.call('survey.adopt', input)
    context.output.value(
      done,
      `${done.groups} groups and ${done.memberships} memberships adopted, ${done.planned} of them to be written; ${done.strangers} members are not in the inventory`,
    )
    return EXIT.ok
  })
}

async function readNow(
  context: CommandContext,
  opened: Opened,
): Promise<{ readonly groups: readonly FoundGroup[]; readonly failures: ReadonlyArray<{ readonly about: string }> }> {
  const { session } = opened
  await settledRows(opened, context)
  const { servers, ownDirectory, tables, directory = [], types = [] } = context.options
  await session.call('survey.read', {
    servers: servers ?? true,
    directory: ownDirectory ?? true,
    tables: tables ?? true,
    directories: [...directory],
    types: [...types],
  })
  const { reading } = await session.when('survey', (row) => row.reading.state === 'idle' && row.reading.finishedAt !== null)
  for (const { about, failure } of reading.failures) context.output.line(`${about}: ${failure.code} ${failure.message}`)
  const groups: FoundGroup[] = []
  for (;;) {
    const { rows, total } = await session.call('survey.found', { offset: groups.length, limit: PAGE })
    groups.push(...rows)
    if (rows.length === 0 || groups.length >= total) break
  }
  return { groups, failures: reading.failures }
}

function lineOf(group: FoundGroup): Record<string, unknown> {
  return {
    name: group.name,
    address: group.address,
    port: group.port,
    members: group.strangers > 0 ? `${group.memberCount} (${group.strangers} unknown)` : group.memberCount,
    sources: group.sources.join(','),
    verdict: group.verdict,
    here: group.here === null ? null : `${group.here.address} ${group.here.port}`,
    security: group.securityGroups.join(','),
  }
}

/** By key or by name. Throws `group.not-found`, also where several have the name. */
function onlyNamed(groups: readonly FoundGroup[], text: string): FoundGroup {
  const matches = groups.filter(({ key, name }) => key === text || name === text)
  const [only] = matches
  if (only === undefined || matches.length > 1) {
    throw new AppError('group.not-found', matches.length > 1 ? `${text} was found at several addresses` : `No group ${text} was found`, {
      details: { group: text, keys: matches.map(({ key }) => key) },
    })
  }
  return only
}

// ---- Another export ----------------------------------------------------------------------------------------------

export async function diffSurvey(context: CommandContext, file = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const found = await session.call('survey.diff', { text: readText(file) })
    const lines = found.differences.map(({ fields, ...row }) => ({
      ...row,
      what: fields.map(({ field, here, there }) => `${field}: ${here} → ${there}`).join('; '),
    }))
    if (context.output.json) context.output.value(found, '')
    else context.output.table(lines, ['id', 'change', 'kind', 'name', 'what'])
    return EXIT.ok
  })
}

export async function takeSurvey(context: CommandContext, file = '', ...ids: readonly string[]): Promise<number> {
  const text = readText(file)
  return withSite(context, async ({ session }) => {
    const every = context.options.all === true ? (await session.call('survey.diff', { text })).differences.map(({ id }) => id) : ids
    if (every.length === 0) throw new AppError('input.invalid', 'Name the differences to take, or --all', { details: { option: '--all' } })
    const done = await session.call('survey.take', { text, ids: [...every] })
    for (const { id, code, message } of done.left) context.output.line(`left: ${id}: ${code} ${message}`)
    context.output.value(done, `${done.taken} taken over, ${done.left.length} left`)
    return done.left.length === 0 ? EXIT.ok : EXIT.incomplete
  })
}

// ---- Drift -------------------------------------------------------------------------------------------------------

export async function watchDrift(context: CommandContext, wanted?: string): Promise<number> {
  const on = wanted === undefined ? undefined : z.enum(['on', 'off']).safeParse(wanted)
  if (on?.success === false) throw new AppError('input.invalid', 'The watch is on or off', { details: { option: 'on-or-off' } })
  const { reads, observations } = context.options
  return withSite(context, async ({ session }) => {
    const change = {
      ...(on === undefined ? {} : { on: on.data === 'on' }),
      ...(reads === undefined ? {} : { readsPerMinute: reads }),
      ...(observations === undefined ? {} : { observations }),
    }
    if (Object.keys(change).length > 0) await session.call('drift.watch', change)
    const [row] = session.rows('survey')
    const { watch } = row ?? {}
    context.output.value(
      watch,
      watch?.on === true
        ? `on while the site is served: at most ${watch.readsPerMinute} devices a minute, ${watch.observations} observed`
        : 'off',
    )
    return EXIT.ok
  })
}

export async function listDrift(context: CommandContext): Promise<number> {
  return withSite(context, async (opened) => {
    const { session } = opened
    if (context.options.refresh === true) {
      await settledRows(opened, context)
      const { jobId } = await session.call('drift.read', {})
      await followJob(session, jobId, 'Read')
    }
    const names = new Map(session.rows('devices').map(({ id, name }) => [id, name]))
    const rows = session.rows('drift').filter((row) => context.options.all === true || row.state !== 'as-applied')
    if (context.output.json) context.output.value(rows, '')
    else
      context.output.table(
        rows.map((row) => driftLine(row, names)),
        ['device', 'state', 'read', 'means', 'findings'],
      )
    return rows.some(({ findings }) => findings.length > 0) ? EXIT.incomplete : EXIT.ok
  })
}

function driftLine(row: DriftRow, names: ReadonlyMap<string, string>): Record<string, unknown> {
  return {
    device: names.get(row.deviceId) ?? row.deviceId,
    state: row.state,
    read: row.readAt === null ? null : new Date(row.readAt).toISOString(),
    means: row.means,
    findings:
      row.findings.map(({ kind, groupName }) => `${kind} ${groupName}`.trim()).join('; ') + (row.more > 0 ? ` and ${row.more} more` : ''),
  }
}

export async function repairDrift(context: CommandContext, ...devices: readonly string[]): Promise<number> {
  return withSite(context, async (opened) => {
    const { session } = opened
    await settledRows(opened, context)
    const { group } = context.options
    const { jobId } = await session.call('drift.repair', {
      ...(devices.length === 0 ? {} : { deviceIds: devices.map((name) => findDevice(session, name).id) }),
      ...(group === undefined ? {} : { groupIds: [findGroup(session, group).id] }),
    })
    return finished(context, session, jobId, 'Repair')
  })
}

export async function adoptDrift(context: CommandContext, device = '', ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const done = await session.call('drift.adopt', { entries: entriesOf(session, device, names) })
    context.output.value(done, `${done.memberships} memberships adopted, ${done.groups} of their groups are new`)
    return EXIT.ok
  })
}

export async function removeDrift(context: CommandContext, device = '', ...names: readonly string[]): Promise<number> {
  return withSite(context, async (opened) => {
    const { session } = opened
    await settledRows(opened, context)
    const { jobId } = await session.call('drift.remove', { entries: entriesOf(session, device, names) })
    return finished(context, session, jobId, 'Remove')
  })
}

function entriesOf(session: Session, device: string, names: readonly string[]): Array<{ deviceId: string; name: string }> {
  const { id } = findDevice(session, device)
  return names.map((name) => ({ deviceId: id, name }))
}

async function finished(context: CommandContext, session: Session, jobId: string, label: string): Promise<number> {
  const job = await followJob(session, jobId, label)
  context.output.value(job, '')
  return job.state === 'done' && job.counts.failed === 0 ? EXIT.ok : EXIT.incomplete
}
