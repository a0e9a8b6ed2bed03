// groupwright ra preregister, withdraw, policy, profiles, anchors, upstream: who is expected, whom the authority trusts, and what it grants.
// Secrets come from a file, standard input or the environment, never from the command line.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { raPolicy, raProfile, raUpstream } from '#contract/model.ts'
import type { RaPreRegistrationRow } from '#contract/model.ts'
import type { OpInput } from '#contract/ops.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { secretOf } from '../secrets.ts'
import type { Session } from '../session.ts'
import { readText } from './devices.ts'
import { definedOnly, oneOf, PAGE, parseJson, rowOf } from './ra-shared.ts'
import { withSite } from './with-site.ts'

const entriesShape = z.array(
  z.object({
    reference: z.string(),
    secret: z.string().optional(),
    identities: z.array(z.string()).optional(),
    maker: z.string().optional(),
    names: z.array(z.string()).optional(),
    profile: z.string().optional(),
    expiresAt: z.number().optional(),
  }),
)

/** Without a reference and a file: what is expected. */
export async function preRegister(context: CommandContext, reference?: string): Promise<number> {
  const { file, identity = [], maker, names, profile, draw = false } = context.options
  const secret = secretOf(context.options)
  return withSite(context, async ({ session }) => {
    if (reference === undefined && file === undefined) {
      const rows = await allExpected(session)
      const shown = context.output.json
        ? rows
        : rows.map((row) => ({ ...row, secret: row.usedAt !== null ? 'used' : row.hasSecret ? 'yes' : 'no' }))
      context.output.table(shown, ['reference', 'identities', 'maker', 'names', 'secret', 'profile'])
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
              ...(maker === undefined ? {} : { maker: maker.toLowerCase() }),
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
  const { secrets, unlisted, perDevice, perRequester } = context.options
  return withSite(context, async ({ session }) => {
    const { policy } = rowOf(session)
    const next = {
      perDevice: perDevice ?? policy.perDevice,
      perRequester: perRequester ?? policy.perRequester,
      mode: mode === undefined ? policy.mode : oneOf(raPolicy.shape.mode, mode, 'policy'),
      secretsApprove:
        secrets === undefined
          ? policy.secretsApprove
          : { approve: true, wait: false, default: null }[oneOf(z.enum(['approve', 'wait', 'default']), secrets, '--secrets')],
      unlistedMayWait:
        unlisted === undefined ? policy.unlistedMayWait : oneOf(z.enum(['wait', 'refuse']), unlisted, '--unlisted') === 'wait',
    }
    const isChanged = [mode, secrets, unlisted, perDevice, perRequester].some((given) => given !== undefined)
    if (isChanged) await session.call('ra.setPolicy', next)
    const secretsWord = next.secretsApprove === null ? 'as the policy' : next.secretsApprove ? 'approve' : 'wait'
    context.output.value(
      next,
      `${next.mode}; secrets: ${secretsWord}; devices that are not listed: ${next.unlistedMayWait ? 'wait' : 'refused'}; certificates: ${next.perDevice} for a device, ${next.perRequester} for a requester`,
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
    const { upstreams } = rowOf(session)
    const shown = context.output.json ? upstreams : upstreams.map((row) => ({ ...row, listening: row.listening.state }))
    context.output.table(shown, ['name', 'url', 'mode', 'select', 'anchors', 'credentialUntil', 'listening'])
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

async function allExpected(session: Session): Promise<readonly RaPreRegistrationRow[]> {
  const all: RaPreRegistrationRow[] = []
  for (;;) {
    const { rows, total } = await session.call('ra.preRegistrations', { offset: all.length, limit: PAGE })
    all.push(...rows)
    if (all.length >= total || rows.length === 0) return all
  }
}
