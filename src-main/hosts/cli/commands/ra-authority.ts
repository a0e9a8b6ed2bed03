// groupwright ra status, create, csr, install, rollover, start-over, crl, chain: the authority itself and its files.
import { AppError } from '#main/base/index.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { readText } from './devices.ts'
import { algorithmOf, dayOf, rowOf, tellAuthority, tellFile } from './ra-shared.ts'
import { withSite } from './with-site.ts'

export async function showAuthority(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const row = rowOf(session)
    const active = row.authorities.find(({ state }) => state === 'active')
    context.output.value(
      row,
      [
        `authority     ${active === undefined ? row.state : `${active.subject} (${active.kind}, ${active.algorithm})`}`,
        ...(row.failure === null ? [] : [`              ${row.failure.message} (${row.failure.code})`, ...remedyOf(row.failure.code)]),
        `keys          ${row.protection ?? 'not open'}`,
        `ends          ${dayOf(active?.notAfter ?? null)}`,
        `CRL           ${active === undefined || active.crl === null ? '–' : `number ${active.crl.number}, next by ${dayOf(active.crl.nextUpdate)}`}`,
        `policy        ${row.policy.mode}, at most ${row.policy.perDevice} certificates for a device and ${row.policy.perRequester} for a requester`,
        `requests      ${row.pending} waiting`,
        `certificates  ${row.valid} valid, ${row.expiring} of them end soon, ${row.expired} over, ${row.revoked} revoked`,
        `devices       ${row.devicesEnrolled} with a certificate, ${row.preRegistered} expected`,
        ...(row.offers === 0 ? [] : [`news          ${row.offers} new roots of servers above wait for a decision: groupwright ra news`]),
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
  const { refresh = false, der = false } = context.options
  return withSite(context, async ({ session }) => tellFile(context, await session.call('ra.crl', { refresh, form: der ? 'der' : 'pem' })))
}

export async function showChain(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) =>
    tellFile(context, await session.call('ra.chain', { form: context.options.p7c === true ? 'p7c' : 'pem' })),
  )
}

/** Without the keys that another keyring has sealed; they are given up for good, so it wants to be told so. */
export async function startOver(context: CommandContext): Promise<number> {
  if (context.options.yes !== true) {
    throw new AppError('input.invalid', 'This gives up the keys of the authority for good: say --yes, or restore the keyring instead', {
      details: { option: '--yes' },
    })
  }
  return withSite(context, async ({ session }) => {
    await session.call('ra.startOver', {})
    context.output.value({ startedOver: true }, 'The old keys are given up. Make a new authority: groupwright ra create, or ra csr')
    return EXIT.ok
  })
}

/** What helps where the keys cannot be opened. */
function remedyOf(code: string): readonly string[] {
  if (code !== 'ra.vault-locked' && code !== 'security.locked') return []
  return [
    '              restore the keyring (keyring file and passphrase) that sealed this site, and open the site again;',
    ...(code === 'ra.vault-locked' ? ['              or, where it is gone for good: groupwright ra start-over --yes, then ra create'] : []),
  ]
}
