// groupwright ra …: the registration authority. Secrets come from a file, standard input or the environment, never from the command line.
import { writeFileSync } from 'node:fs'
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { raAlgorithm, raPolicy, raProfile, raReason, raUpstream } from '#contract/model.ts'
import type { RaCertificateRow, RaFile, RaPreRegistrationRow, RaRequestRow, RaRow } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import type { Session } from '../session.ts'
import { readText } from './devices.ts'
import { withSite } from './with-site.ts'

const PAGE = 1000

export async function showAuthority(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const row = rowOf(session)
    const active = row.authorities.find(({ state }) => state === 'active')
    context.output.value(
      row,
      [
        `authority     ${active === undefined ? row.state : `${active.subject} (${active.kind}, ${active.algorithm})`}`,
        ...(row.failure === null ? [] : [`              ${row.failure.message} (${row.failure.code})`]),
        `keys          ${row.protection ?? 'not open'}`,
        `ends          ${dayOf(active?.notAfter ?? null)}`,
        `CRL           ${active === undefined || active.crl === null ? '–' : `number ${active.crl.number}, next by ${dayOf(active.crl.nextUpdate)}`}`,
        `policy        ${row.policy.mode}`,
        `requests      ${row.pending} waiting`,
        `certificates  ${row.valid} valid, ${row.expiring} of them end soon, ${row.expired} over, ${row.revoked} revoked`,
        `devices       ${row.devicesEnrolled} with a certificate, ${row.preRegistered} expected`,
        ...row.uris.map((uri) => `reached at    ${uri}`),
      ].join('\n'),
    )
    return Promise.resolve(EXIT.ok)
  })
}

export async function createAuthority(context: CommandContext): Promise<number> {
  const { subject = '', days } = context.options
  const algorithm = algorithmOf(context)
  return withSite(context, async ({ session }) => {
    await session.call('ra.createRoot', { subject, algorithm, ...(days === undefined ? {} : { lifetimeDays: days }) })
    return tellAuthority(context, session)
  })
}

/** With a subject: a new key and its request; without: the request that waits. */
export async function certificateRequest(context: CommandContext): Promise<number> {
  const { subject } = context.options
  const algorithm = algorithmOf(context)
  return withSite(context, async ({ session }) =>
    tellFile(
      context,
      subject === undefined ? await session.call('ra.request', {}) : await session.call('ra.createSubordinate', { subject, algorithm }),
    ),
  )
}

export async function installCertificate(context: CommandContext, file = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('ra.install', { text: readText(file) })
    return tellAuthority(context, session)
  })
}

export async function rollOver(context: CommandContext): Promise<number> {
  const { days } = context.options
  const algorithm = algorithmOf(context)
  return withSite(context, async ({ session }) => {
    await session.call('ra.rollOver', { algorithm, ...(days === undefined ? {} : { lifetimeDays: days }) })
    return tellAuthority(context, session)
  })
}

export async function showCrl(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) =>
    tellFile(context, await session.call('ra.crl', { refresh: context.options.refresh ?? false })),
  )
}

export async function showChain(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => tellFile(context, await session.call('ra.chain', {})))
}

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

const entriesShape = z.array(
  z.object({
    reference: z.string(),
    secret: z.string().optional(),
    identities: z.array(z.string()).optional(),
    names: z.array(z.string()).optional(),
    profile: z.string().optional(),
    expiresAt: z.number().optional(),
  }),
)

/** Without a reference and a file: what is expected. */
export async function preRegister(context: CommandContext, reference?: string): Promise<number> {
  const { file, identity = [], names, profile, draw = false } = context.options
  const secret = secretOf(context.options)
  return withSite(context, async ({ session }) => {
    if (reference === undefined && file === undefined) {
      const rows = await allExpected(session)
      const shown = context.output.json
        ? rows
        : rows.map((row) => ({ ...row, secret: row.usedAt !== null ? 'used' : row.hasSecret ? 'yes' : 'no' }))
      context.output.table(shown, ['reference', 'identities', 'names', 'secret', 'profile'])
      return EXIT.ok
    }
    const entries =
      file === undefined
        ? [
            {
              reference: reference ?? '',
              identities: [...identity],
              names: [...(names ?? [])],
              ...(secret === undefined ? {} : { secret }),
              ...(profile === undefined ? {} : { profile }),
            },
          ]
        : parseJson(entriesShape, readText(file), file)
    const { count, secrets } = await session.call('ra.preRegister', { entries: entries.map(definedOnly), draw })
    const told = secrets.map((each) => `${each.reference}\t${each.secret}`)
    context.output.value(
      { count, secrets },
      [`${count} expected${told.length === 0 ? '' : '; the secrets are told this once:'}`, ...told].join('\n'),
    )
    return EXIT.ok
  })
}

export async function withdraw(context: CommandContext, ...references: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('ra.withdraw', { references: [...references] })
    context.output.value({ withdrawn: references }, `${references.length} expected no longer`)
    return EXIT.ok
  })
}

export async function admissionPolicy(context: CommandContext, mode?: string): Promise<number> {
  const { secrets, unlisted } = context.options
  return withSite(context, async ({ session }) => {
    const { policy } = rowOf(session)
    const next = {
      mode: mode === undefined ? policy.mode : oneOf(raPolicy.shape.mode, mode, 'policy'),
      secretsApprove:
        secrets === undefined
          ? policy.secretsApprove
          : { approve: true, wait: false, default: null }[oneOf(z.enum(['approve', 'wait', 'default']), secrets, '--secrets')],
      unlistedMayWait:
        unlisted === undefined ? policy.unlistedMayWait : oneOf(z.enum(['wait', 'refuse']), unlisted, '--unlisted') === 'wait',
    }
    if (JSON.stringify(next) !== JSON.stringify(policy)) await session.call('ra.setPolicy', next)
    const secretsWord = next.secretsApprove === null ? 'as the policy' : next.secretsApprove ? 'approve' : 'wait'
    context.output.value(
      next,
      `${next.mode}; secrets: ${secretsWord}; devices that are not listed: ${next.unlistedMayWait ? 'wait' : 'refused'}`,
    )
    return EXIT.ok
  })
}

export async function certificateProfiles(context: CommandContext): Promise<number> {
  const { set } = context.options
  return withSite(context, async ({ session }) => {
    if (set !== undefined) await session.call('ra.setProfiles', { profiles: parseJson(z.array(raProfile), readText(set), set) })
    context.output.table(rowOf(session).profiles, ['name', 'lifetimeDays', 'keyTypes', 'keyUsage', 'subject', 'implicitConfirm'])
    return EXIT.ok
  })
}

export async function trustAnchors(context: CommandContext, action?: string, what = ''): Promise<number> {
  const wanted = action === undefined ? undefined : oneOf(z.enum(['add', 'rm']), action, 'action')
  const kind = oneOf(z.enum(['manufacturer', 'authority']), context.options.kind ?? 'manufacturer', '--kind')
  return withSite(context, async ({ session }) => {
    if (wanted === 'add') await session.call('ra.trust', { kind, text: readText(what) })
    if (wanted === 'rm') await session.call('ra.distrust', { fingerprint: what.toLowerCase() })
    context.output.table(rowOf(session).anchors, ['fingerprint', 'kind', 'subject', 'fixed'])
    return EXIT.ok
  })
}

export async function upstreamServers(context: CommandContext, action?: string, name = ''): Promise<number> {
  const wanted = action === undefined ? undefined : oneOf(z.enum(['set', 'rm', 'enrol']), action, 'action')
  const { anchors, reference = '', subject = '' } = context.options
  const server = wanted === 'set' ? serverOf(context, name) : undefined
  const secret = wanted === 'enrol' ? secretOf(context.options) : undefined
  if (wanted === 'enrol' && secret === undefined)
    throw new AppError('input.invalid', 'Give the secret with --secret-file, or in GROUPWRIGHT_SECRET', {
      details: { option: '--secret-file' },
    })
  return withSite(context, async ({ session }) => {
    if (server !== undefined)
      await session.call('ra.setUpstream', { server, ...(anchors === undefined ? {} : { anchors: readText(anchors) }) })
    if (wanted === 'rm') await session.call('ra.removeUpstream', { name })
    if (secret !== undefined) await session.call('ra.enrolUpstream', { name, reference, subject, secret })
    context.output.table(rowOf(session).upstreams, ['name', 'url', 'mode', 'select', 'anchors', 'credentialUntil'])
    return EXIT.ok
  })
}

function serverOf({ options }: CommandContext, name: string): OpInput<'ra.setUpstream'>['server'] {
  const { url = '', forProfile, forHost, mode = 'forward', vouch = false, passSecrets = false, chunked = true } = options
  const select =
    forProfile !== undefined
      ? { by: 'profile' as const, profile: forProfile }
      : forHost !== undefined
        ? { by: 'host' as const, host: forHost }
        : { by: 'default' as const }
  return {
    name,
    url,
    select,
    mode: oneOf(raUpstream.shape.mode, mode, '--mode'),
    popo: vouch ? 'raVerified' : 'keep',
    passSecrets,
    chunked,
  }
}

// ---- What several share --------------------------------------------------------------------------------------------

function rowOf(session: Session): RaRow {
  const [row] = session.rows('ra')
  if (row === undefined) throw new AppError('site.none-open', 'No site is open')
  return row
}

function tellAuthority({ output }: CommandContext, session: Session): number {
  const row = rowOf(session)
  const active = row.authorities.findLast(({ state }) => state === 'active')
  const keys = row.protection === 'unprotected' ? '; its key is protected by file permissions alone' : ''
  output.value(
    active ?? null,
    active === undefined ? row.state : `${active.subject} until ${dayOf(active.notAfter)}, SHA-256 ${active.fingerprint ?? ''}${keys}`,
  )
  return EXIT.ok
}

function tellFile({ options, output }: CommandContext, file: RaFile): number {
  if (options.out !== undefined) {
    try {
      writeFileSync(options.out, file.text)
    } catch (cause) {
      throw new AppError('export.failed', `Cannot write ${options.out}`, { cause, details: { file: options.out } })
    }
    output.value({ file: options.out }, options.out)
  } else output.value(file, file.text.trimEnd())
  return EXIT.ok
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

async function allExpected(session: Session): Promise<readonly RaPreRegistrationRow[]> {
  const all: RaPreRegistrationRow[] = []
  for (;;) {
    const { rows, total } = await session.call('ra.preRegistrations', { offset: all.length, limit: PAGE })
    all.push(...rows)
    if (all.length >= total || rows.length === 0) return all
  }
}

function algorithmOf({ options }: CommandContext): z.infer<typeof raAlgorithm> {
  return oneOf(raAlgorithm, options.algorithm ?? 'P-256', '--algorithm')
}

function dayOf(at: number | null): string {
  return at === null ? '–' : new Date(at).toISOString().slice(0, 10)
}

function definedOnly<Value extends object>(value: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof Value]: Exclude<Value[Key], undefined>
  }
}

function parseJson<Value>(shape: z.ZodType<Value>, text: string, file: string): Value {
  try {
    return shape.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('input.invalid', `${file} does not hold what is wanted here`, { cause, details: { file } })
  }
}

function oneOf<Value extends string>(
  choice: z.ZodType<Value> & { readonly options: readonly Value[] },
  text: string,
  option: string,
): Value {
  const parsed = choice.safeParse(text)
  if (!parsed.success) throw new AppError('input.invalid', `Choose one of ${choice.options.join(', ')}`, { details: { option } })
  return parsed.data
}
