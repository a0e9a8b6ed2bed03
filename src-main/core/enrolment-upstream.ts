// Servers above the site's authority as they are kept with the site, and the tool's own certificate at each of them (RFC 9482 §3, RFC 9483 §5.2).
import { AppError, exportSigningKey, generateSigningKey, importSigningKey, toHex, utf8, type Clock, type Random } from '#main/base/index.ts'
import {
  buildName,
  Certificate,
  CmpClient,
  createHttpTransport,
  nameText,
  parseNameText,
  tryCertificate,
  type KeyVault,
  type Protector,
  type UpstreamServer,
} from '#main/services/ra/index.ts'
import type { RaUpstreamRow } from '#contract/model.ts'
import { bytesOf, subjectOf, type EnrolmentSettings, type StoredUpstream } from './enrolment-settings.ts'

export interface UpstreamPorts {
  readonly vault: KeyVault
  readonly clock: Clock
  readonly random: Random
}

/** Servers that can be used as they are: one that is given this authority's protection needs a certificate for it first. */
export async function upstreamServers(stored: readonly StoredUpstream[], ports: UpstreamPorts): Promise<readonly UpstreamServer[]> {
  const servers: UpstreamServer[] = []
  for (const server of stored) {
    const protector = await protectorOf(server, ports.vault)
    if (server.mode !== 'forward' && protector === undefined) continue
    servers.push({
      name: server.name,
      connect: () => createHttpTransport({ url: server.url, clock: ports.clock, chunked: server.chunked }),
      select: selectOf(server),
      mode: server.mode,
      popo: server.popo,
      anchors: server.anchors.map(bytesOf),
      passSecrets: server.passSecrets && server.mode === 'forward',
      ...(protector === undefined ? {} : { protector }),
    })
  }
  return servers
}

/** Certificates at servers above whose keys cannot be opened any more are forgotten: they are to be had anew. */
export async function withoutLostCredentials(settings: EnrolmentSettings, vault: KeyVault): Promise<EnrolmentSettings> {
  const upstreams: StoredUpstream[] = []
  for (const server of settings.upstreams) {
    try {
      await protectorOf(server, vault)
      upstreams.push(server)
    } catch {
      upstreams.push({ ...server, credential: null })
    }
  }
  return { ...settings, upstreams }
}

/** Throws `input.invalid` for a URL that cannot be one of a CMP server. */
export function checkUpstream({ url, chunked }: Pick<StoredUpstream, 'url' | 'chunked'>, clock: Clock): void {
  createHttpTransport({ url, clock, chunked }).close()
}

/** Fails with `ra.rejected`, `ra.upstream-unreachable`, `input.invalid`. */
export async function enrolAt(
  server: StoredUpstream,
  wish: { readonly reference: string; readonly secret: string; readonly subject: string },
  { vault, clock, random }: UpstreamPorts,
): Promise<NonNullable<StoredUpstream['credential']>> {
  const attributes = parseNameText(wish.subject)
  if (attributes === undefined) throw new AppError('input.invalid', 'The subject is not a name', { details: { subject: wish.subject } })
  const transport = createHttpTransport({ url: server.url, clock, chunked: server.chunked })
  try {
    const client = new CmpClient({
      transport,
      clock,
      random,
      protector: { kind: 'mac', reference: utf8(wish.reference), secret: utf8(wish.secret) },
      anchors: server.anchors.map(bytesOf),
      maxWaitS: 60,
    })
    const key = generateSigningKey('P-256')
    const { certificate, others } = await client.enrol('ir', { key, subject: buildName(attributes) })
    return {
      sealedKey: toHex(await vault.seal(purposeOf(server.name), exportSigningKey(key))),
      certificate: toHex(certificate.bytes),
      chain: others.filter((other) => !other.isSelfIssued).map(({ bytes }) => toHex(bytes)),
    }
  } finally {
    transport.close()
  }
}

export function upstreamRow({ anchors, credential, ...server }: StoredUpstream): RaUpstreamRow {
  const certificate = credential === null ? undefined : tryCertificate(bytesOf(credential.certificate))
  return { ...server, anchors: anchors.map((der) => subjectOf(bytesOf(der))), credentialUntil: certificate?.notAfter ?? null }
}

export function credentialSummary({ certificate }: NonNullable<StoredUpstream['credential']>): {
  readonly subject: string
  readonly notAfter: number
} {
  const read = new Certificate(bytesOf(certificate))
  return { subject: nameText(read.subject), notAfter: read.notAfter }
}

async function protectorOf({ name, credential }: StoredUpstream, vault: KeyVault): Promise<Protector | undefined> {
  if (credential === null) return undefined
  const key = importSigningKey(await vault.open(purposeOf(name), bytesOf(credential.sealedKey)))
  return {
    kind: 'signature',
    key,
    certificate: new Certificate(bytesOf(credential.certificate)),
    chain: credential.chain.map(bytesOf),
  }
}

function selectOf({ select }: StoredUpstream): UpstreamServer['select'] {
  switch (select.by) {
    case 'profile':
      return { profile: select.profile }
    case 'host':
      return { host: select.host }
    case 'default':
      return 'default'
  }
}

function purposeOf(name: string): string {
  return `ra:upstream:${name}`
}
