// What a certificate says its device is called: the texts by which requests are matched with the imported device list.
import { toHex } from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import type { Certificate } from '../x509/certificate.ts'
import { readName } from '../x509/names.ts'

const known = new WeakMap<Certificate, readonly string[]>()

/** Serial number first, then hardware serial, EUI-64, common name, names and the fingerprint; in lower case, each once. */
export function identitiesOf(certificate: Certificate): readonly string[] {
  const found = known.get(certificate) ?? readIdentities(certificate)
  known.set(certificate, found)
  return found
}

function readIdentities(certificate: Certificate): readonly string[] {
  const attributes = readName(certificate.subject)
  const values = (type: string): string[] => attributes.filter((attribute) => attribute.type === type).map(({ value }) => value)
  const altNames = certificate.subjectAltNames
  const texts = [
    ...values(Oid.serialNumber),
    ...altNames.flatMap((name) => (name.kind === 'hardware' ? [name.serial] : [])),
    ...altNames.flatMap((name) => (name.kind === 'uri' ? eui64Of(name.value) : [])),
    ...values(Oid.commonName),
    ...altNames.flatMap((name) => (name.kind === 'dns' || name.kind === 'uri' ? [name.value] : [])),
    toHex(certificate.fingerprint()),
  ]
  return [...new Set(texts.map((text) => text.toLowerCase()))]
}

/** `urn:dev:mac:0024befffe804ff1` (RFC 9039 §4.1). */
function eui64Of(uri: string): string[] {
  const match = /^urn:dev:mac:([0-9a-f]{16})$/i.exec(uri)
  return match?.[1] === undefined ? [] : [match[1]]
}

/** An identity that counts only from devices of one maker, whose authority's certificate has that SHA-256, hex. */
export function scopedIdentity(maker: string, identity: string): string {
  return `${maker}/${identity}`
}

const SCOPED = /^([0-9a-f]{64})\/(.+)$/

/** The identity without its maker. */
export function plainIdentity(identity: string): string {
  return SCOPED.exec(identity)?.[2] ?? identity
}

/** Whose it is; undefined for any maker's. */
export function makerOf(identity: string): string | undefined {
  return SCOPED.exec(identity)?.[1]
}

/** An identity as it is typed or imported: lower case, an EUI-64 without separators. */
export function normaliseIdentity(text: string): string {
  const lower = text.trim().toLowerCase()
  const scoped = SCOPED.exec(lower)
  if (scoped !== null) return scopedIdentity(scoped[1] ?? '', normaliseIdentity(scoped[2] ?? ''))
  const bare = lower.replace(/[:-]/g, '')
  return /^[0-9a-f]{16}$/.test(bare) ? bare : lower
}
