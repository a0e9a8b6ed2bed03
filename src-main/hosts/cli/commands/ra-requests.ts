// groupwright ra pending, approve, deny, certificates, show, revoke: who asks for certificates, and who has one.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { raReason } from '#contract/model.ts'
import type { RaCertificateRow, RaRequestRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { dayOf, oneOf, PAGE } from './ra-shared.ts'
import { withSite } from './with-site.ts'

export async function listPending(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const rows = await allPending(session)
    const shown = context.output.json
      ? rows
      : rows.map((row) => ({
          ...row,
          requester: row.requester.name,
          device: row.deviceName,
          key: `${row.keyType} ${row.keyFingerprint.slice(0, 16)}`,
        }))
    context.output.table(shown, ['id', 'subject', 'requester', 'device', 'profile', 'key'])
    return EXIT.ok
  })
}

export async function approve(context: CommandContext, ...ids: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) =>
    tellDecisions(context, await session.call('ra.approve', { ids: await chosen(context, session, ids) })),
  )
}

export async function deny(context: CommandContext, ...ids: readonly string[]): Promise<number> {
  const { reason = '' } = context.options
  return withSite(context, async ({ session }) =>
    tellDecisions(context, await session.call('ra.deny', { ids: await chosen(context, session, ids), reason })),
  )
}

export async function listCertificates(context: CommandContext, ...words: readonly string[]): Promise<number> {
  const { state, expiring } = context.options
  const wanted = state === undefined ? {} : { state: oneOf(z.enum(['unconfirmed', 'valid', 'revoked']), state, '--state') }
  return withSite(context, async ({ session }) => {
    const all: RaCertificateRow[] = []
    for (;;) {
      const rows = await session.call('ra.certificates', {
        offset: all.length,
        limit: PAGE,
        search: words.join(' '),
        ...wanted,
        ...(expiring === undefined ? {} : { endsWithinDays: expiring }),
      })
      all.push(...rows)
      if (rows.length < PAGE) break
    }
    const shown = context.output.json ? all : all.map((row) => ({ ...row, device: row.deviceName, until: dayOf(row.notAfter) }))
    context.output.table(shown, ['serial', 'subject', 'device', 'state', 'until', 'profile'])
    return EXIT.ok
  })
}

export async function showCertificate(context: CommandContext, serial = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const found = await session.call('ra.certificate', { serial })
    const lines = [
      `${found.subject} (${found.state}), ${found.keyType}, profile ${found.profile}`,
      `  from ${dayOf(found.notBefore)} to ${dayOf(found.notAfter)}, by ${found.issuer}`,
      ...found.altNames.map((name) => `  also ${name}`),
      `  SHA-256 ${found.fingerprint}`,
      ...found.history.map(
        ({ at, event, actor, remark }) => `  ${new Date(at).toISOString()} ${event} by ${actor}${remark === '' ? '' : `: ${remark}`}`,
      ),
      found.pem,
    ]
    context.output.value(found, lines.join('\n'))
    return EXIT.ok
  })
}

export async function revoke(context: CommandContext, serial = ''): Promise<number> {
  const reason = oneOf(raReason, context.options.reason ?? 'unspecified', '--reason')
  return withSite(context, async ({ session }) => {
    await session.call('ra.revoke', { serial, reason })
    context.output.value({ revoked: serial, reason }, `${serial} revoked: ${reason}`)
    return EXIT.ok
  })
}

function tellDecisions(
  { output }: CommandContext,
  outcomes: ReadonlyArray<{ readonly id: string; readonly ok: boolean; readonly why: string }>,
): number {
  output.table(outcomes, ['id', 'ok', 'serial', 'why'])
  return outcomes.every(({ ok }) => ok) ? EXIT.ok : EXIT.incomplete
}

async function chosen({ options }: CommandContext, session: Session, ids: readonly string[]): Promise<string[]> {
  if (options.all !== true && ids.length === 0)
    throw new AppError('input.invalid', 'Name the requests, or say --all', { details: { option: 'ids' } })
  const all = await allPending(session)
  if (options.all === true) {
    if (all.length === 0) throw new AppError('ra.not-found', 'No request waits')
    return all.map(({ id }) => id)
  }
  // What is typed off a list may be cut short.
  return ids.map((typed) => {
    const found = all.filter(({ id }) => id.startsWith(typed))
    return found.length === 1 && found[0] !== undefined ? found[0].id : typed
  })
}

async function allPending(session: Session): Promise<readonly RaRequestRow[]> {
  const all: RaRequestRow[] = []
  for (;;) {
    const { rows, total } = await session.call('ra.pending', { offset: all.length, limit: PAGE })
    all.push(...rows)
    if (all.length >= total || rows.length === 0) return all
  }
}
