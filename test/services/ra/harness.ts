// A site's authority on a virtual clock with its real store in memory, and a manufacturer whose devices want certificates.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import {
  generateSigningKey,
  seededRandom,
  silentLogger,
  utf8,
  type Clock,
  type Logger,
  type SigningAlgorithm,
  type SigningKey,
} from '#main/base/index.ts'
import {
  Certificate,
  CmpClient,
  RaDesk,
  RegistrationAuthority,
  SiteCa,
  type KeyVault,
  type CmpClientOptions,
  type CmpTransport,
  type Protector,
  type RaAuditEvent,
  type RaOptions,
  type RaStore,
  type SiteCaOptions,
} from '#main/services/ra/index.ts'
import { createRaStore, createSerialStore } from '#main/store/index.ts'
import { migrations } from '../../../src-main/store/migrations/index.ts'
import { readMessage, type PkiMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { buildName, parseNameText, type GeneralName } from '../../../src-main/services/ra/x509/names.ts'
import { extensionOf, keyIdOf, writeCertificate } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { vaultOfKey } from './vault.ts'

export const VECTORS = join(import.meta.dirname, '../../vectors/cmp')

export function vector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(VECTORS, name)))
}

export function vectorCertificate(name: string): Certificate {
  return new Certificate(fromPem(readFileSync(join(VECTORS, 'keys', name), 'utf8')))
}

export function fromPem(text: string): Uint8Array {
  const [, body = ''] = /-----BEGIN [^-]+-----([^-]+)-----END/.exec(text) ?? []
  return new Uint8Array(Buffer.from(body.replace(/\s/g, ''), 'base64'))
}

export function toPem(label: string, der: Uint8Array): string {
  const body = (
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`
}

export function memoryDatabase(): BetterSqlite3.Database {
  const database = new BetterSqlite3(':memory:')
  database.pragma('foreign_keys = ON')
  for (const step of migrations) database.exec(step)
  return database
}

export function memoryVault(seed = 5): KeyVault {
  return vaultOfKey(seededRandom(seed).bytes(32), seededRandom(seed + 1), 'memory')
}

export interface Site {
  readonly clock: Clock
  readonly store: RaStore
  readonly ca: SiteCa
  readonly authority: RegistrationAuthority
  readonly desk: RaDesk
  readonly audit: RaAuditEvent[]
}

export interface SiteOptions {
  readonly clock?: Clock
  readonly algorithm?: SigningAlgorithm
  readonly ra?: Partial<RaOptions>
  readonly ca?: Partial<SiteCaOptions>
  readonly database?: BetterSqlite3.Database
  readonly seed?: number
}

/** A defect is written where the test's output shows it. */
const strictLogger: Logger = {
  ...silentLogger,
  error: (fields, message) => console.error(message, fields.err),
}

/** With a root authority `CN=Site CA, O=Blue Quay` unless told otherwise. */
export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const { clock = new VirtualClock(), algorithm = 'P-256', database = memoryDatabase(), seed = 7 } = options
  const audit: RaAuditEvent[] = []
  const store = createRaStore(database)
  const ports = { store, vault: memoryVault(), clock, random: seededRandom(seed), audit: (event: RaAuditEvent) => void audit.push(event) }
  const ca = await SiteCa.open({ ...ports, serials: createSerialStore(database), ...options.ca })
  if (!ca.exists) await ca.createRoot({ subject: 'CN=Site CA, O=Blue Quay', algorithm }, 'test')
  const authority = new RegistrationAuthority({ ...ports, ca, logger: strictLogger, ...options.ra })
  return { clock, store, ca, authority, desk: new RaDesk(authority), audit }
}

export interface Issued {
  readonly key: SigningKey
  readonly certificate: Certificate
  /** What goes with it in extraCerts. */
  readonly chain: readonly Uint8Array[]
}

export interface Manufacturer {
  readonly root: Issued
  readonly issuing: Issued
  device(subject: string, altNames?: readonly GeneralName[], algorithm?: SigningAlgorithm, purposes?: readonly string[]): Issued
}

let manufacturerSerial = 0

/** A root, an authority below it, and devices with certificates from that. */
export function createManufacturer(nowMs: number, name = 'Lumen Works'): Manufacturer {
  const notBefore = nowMs - 86_400_000
  const notAfter = nowMs + 20 * 365 * 86_400_000
  const make = (
    subject: string,
    issuer: Issued | undefined,
    authority: boolean,
    altNames: readonly GeneralName[],
    algorithm: SigningAlgorithm,
    purposes: readonly string[] = [],
  ): Issued => {
    const key = generateSigningKey(algorithm)
    const subjectName = buildName(parseNameText(subject)!)
    const issuerKey = issuer?.key ?? key
    const der = writeCertificate(
      {
        serial: Uint8Array.of(1, ++manufacturerSerial >> 8, manufacturerSerial & 255),
        issuer: issuer?.certificate.subject ?? subjectName,
        subject: subjectName,
        notBefore,
        notAfter,
        spki: key.spki,
        extensions: [
          extensionOf.basicConstraints(authority),
          extensionOf.keyUsage(authority ? [5, 6] : [0]),
          extensionOf.subjectKeyId(key.spki),
          extensionOf.authorityKeyId(keyIdOf(issuerKey.spki)),
          ...(purposes.length === 0 ? [] : [extensionOf.extendedKeyUsage(purposes)]),
          ...(altNames.length === 0 ? [] : [extensionOf.subjectAltName(altNames)]),
        ],
      },
      issuerKey,
    )
    const chain = issuer === undefined || issuer.certificate.isSelfIssued ? [] : [issuer.certificate.bytes]
    return { key, certificate: new Certificate(der), chain }
  }
  const root = make(`O=${name}, CN=${name} Root`, undefined, true, [], 'P-256')
  const issuing = make(`O=${name}, CN=${name} CA 1`, root, true, [], 'P-256')
  return {
    root,
    issuing,
    device: (subject, altNames = [], algorithm = 'P-256', purposes = []) => make(subject, issuing, false, altNames, algorithm, purposes),
  }
}

export const SECRET = 's3cr3t-0001'
export { utf8 }

/** Straight into the authority, without a network; `seen` are the messages in order, request and answer. */
export function direct(site: Site, seen: Uint8Array[] = [], profile?: string): CmpTransport {
  return {
    exchange: async (message) => {
      const { bytes } = await site.authority.handle(message, { source: 'test', ...(profile === undefined ? {} : { profile }) })
      seen.push(message, bytes)
      return bytes
    },
    close: () => undefined,
  }
}

export function signedBy({ key, certificate, chain }: Issued): Protector {
  return { kind: 'signature', key, certificate, chain }
}

export function bySecret(reference: string, secret = SECRET): Protector {
  return { kind: 'mac', reference: utf8(reference), secret: utf8(secret) }
}

export function nameOf(text: string): Uint8Array {
  return buildName(parseNameText(text)!)
}

export function clientOf(site: Site, protector: Protector, options: Partial<CmpClientOptions> = {}): CmpClient {
  return new CmpClient({
    transport: direct(site),
    clock: site.clock,
    random: seededRandom(++clientSeed),
    protector,
    anchors: [site.ca.active.certificate.bytes],
    ...options,
  })
}

let clientSeed = 1000

/** What the authority says to the bytes. */
export async function answerTo(
  site: Site,
  bytes: Uint8Array,
): Promise<{ readonly message: PkiMessage; readonly failInfo: string | undefined }> {
  const { bytes: answer, failInfo } = await site.authority.handle(bytes, { source: 'test' })
  return { message: readMessage(answer), failInfo }
}
