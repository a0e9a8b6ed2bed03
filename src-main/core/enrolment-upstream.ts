// Servers above the site's authority as they are kept with the site, and the tool's own certificate at each of them (RFC 9482 §3, RFC 9483 §5.2).
import { AppError, exportSigningKey, generateSigningKey, importSigningKey, toHex, utf8, type Clock, type Random } from '#main/base/index.ts'
import {
  buildName,
  Certificate,
  CmpClient,
  createCoapTransport,
  createHttpTransport,
  discoverCmp,
  nameText,
  parseCmpUri,
  parseNameText,
  tryCertificate,
  type AuthorityWatchOptions,
  type CmpServerAddress,
  type CmpTransport,
  type KeyVault,
  type Protector,
  type UpstreamServer,
} from '#main/services/ra/index.ts'
import type { ObservingClient } from '#main/wire/coap/index.ts'
import type { RaUpstreamRow } from '#contract/model.ts'
import { bytesOf, subjectOf, type EnrolmentSettings, type StoredUpstream } from './enrolment-settings.ts'

export interface UpstreamPorts {
  readonly vault: KeyVault
  /** Who asks a server over CoAP; undefined while the site has no network. */
  readonly coapClient: () => ObservingClient | undefined
  /** Whether the server's authority has revoked a certificate. */
  readonly isRevoked?: (server: string, certificate: Certificate) => boolean
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
      connect: () => transportTo(server, ports),
      select: selectOf(server),
      mode: server.mode,
      popo: server.popo,
      anchors: server.anchors.map(bytesOf),
      passSecrets: server.passSecrets && server.mode === 'forward',
      isRevoked: (certificate) => ports.isRevoked?.(server.name, certificate) ?? false,
      ...(protector === undefined ? {} : { protector }),
    })
  }
  return servers
}

/**
 * How news of its authority are to be had: announcements over CoAP, and its status by this program's certificate there. Undefined where
 * there is neither.
 */
export async function waysTo(
  server: StoredUpstream,
  ports: UpstreamPorts,
): Promise<(Pick<AuthorityWatchOptions, 'announcements' | 'poll'> & { close(): void }) | undefined> {
  const { clock, random, vault, coapClient } = ports
  const client = isCoap(server.url) ? coapClient() : undefined
  const announcements =
    client === undefined ? undefined : { client, to: coapServerOf(server.url).at, path: await pathOf(server.url, client) }
  const protector = await protectorOf(server, vault)
  if (announcements === undefined && protector === undefined) return undefined
  const transport = transportTo(server, ports)
  const anchors = server.anchors.map(bytesOf)
  const poll = protector === undefined ? undefined : new CmpClient({ transport, clock, random, protector, anchors })
  return { announcements, poll, close: () => transport.close() }
}

/** The path of the URL, or where the server says that it listens. */
async function pathOf(url: string, client: ObservingClient): Promise<readonly string[]> {
  const { at, path } = coapServerOf(url)
  if (new URL(url).pathname.length > 1) return path
  const [found] = await discoverCmp(client, at)
  return found ?? path
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
  if (isCoap(url)) coapServerOf(url)
  else createHttpTransport({ url, clock, chunked }).close()
}

function isCoap(url: string): boolean {
  return /^coaps?:/i.test(url)
}

function coapServerOf(url: string): CmpServerAddress {
  const server = parseCmpUri(url)
  if (server.scheme === 'coaps')
    throw new AppError('input.invalid', 'Servers above are reached by coap, http or https: the messages protect themselves', {
      details: { url },
    })
  return server
}

/** By HTTP (RFC 9811), or by CoAP (RFC 9482): at the path of the URL, or where the server says that it listens. */
function transportTo({ url, chunked }: Pick<StoredUpstream, 'url' | 'chunked'>, { clock, coapClient }: UpstreamPorts): CmpTransport {
  if (!isCoap(url)) return createHttpTransport({ url, clock, chunked })
  const { at } = coapServerOf(url)
  let found: Promise<CmpTransport> | undefined
  const open = async (): Promise<CmpTransport> => {
    const client = coapClient()
    if (client === undefined) throw new AppError('network.down', 'The site has no network', { retryable: true })
    return createCoapTransport({ client, to: at, path: await pathOf(url, client) })
  }
  return {
    exchange: async (message, operation, signal) => {
      found ??= open()
      // Who could not be reached may be there the next time.
      const transport = await found.catch((thrown: unknown) => {
        found = undefined
        throw thrown
      })
      return transport.exchange(message, operation, signal)
    },
    close: () => undefined,
  }
}

/** Fails with `ra.rejected`, `ra.upstream-unreachable`, `input.invalid`. */
export async function enrolAt(
  server: StoredUpstream,
  wish: { readonly reference: string; readonly secret: string; readonly subject: string },
  ports: UpstreamPorts,
): Promise<NonNullable<StoredUpstream['credential']>> {
  const attributes = parseNameText(wish.subject)
  if (attributes === undefined) throw new AppError('input.invalid', 'The subject is not a name', { details: { subject: wish.subject } })
  const { vault, clock, random } = ports
  const transport = transportTo(server, ports)
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

export function upstreamRow({ anchors, credential, ...server }: StoredUpstream, listening: RaUpstreamRow['listening']): RaUpstreamRow {
  const certificate = credential === null ? undefined : tryCertificate(bytesOf(credential.certificate))
  return { ...server, anchors: anchors.map((der) => subjectOf(bytesOf(der))), credentialUntil: certificate?.notAfter ?? null, listening }
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
