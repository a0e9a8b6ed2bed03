// Certificate profiles: which names, keys, purposes and times a certificate gets (RFC 5280 §4.2, RFC 9483 §4.1.3).
import { AppError, importVerifyingKey } from '#main/base/index.ts'
import { elementsOf, Oid, readDer } from '../der/index.ts'
import { keyTypeOf } from '../x509/algorithms.ts'
import { KeyUsage, type Extension } from '../x509/certificate.ts'
import {
  buildName,
  generalNameText,
  isNullName,
  nameKey,
  parseNameText,
  readGeneralName,
  readName,
  type GeneralName,
} from '../x509/names.ts'
import { extensionOf } from '../x509/write.ts'
import { Refusal } from '../cmp/status.ts'
import type { CertificateProfile, Requester } from '../types.ts'

const DAY_S = 86_400

/** For devices of a building: a year, renewed in its last third. */
export const DEVICE_PROFILE: CertificateProfile = {
  name: 'device',
  keyTypes: ['P-256', 'P-384', 'Ed25519'],
  lifetimeS: 365 * DAY_S,
  keyUsage: ['digitalSignature', 'keyAgreement'],
  extendedKeyUsage: [Oid.clientAuth, Oid.serverAuth],
  subject: 'requested',
  assignedSubject: 'CN={name}',
  assignedAltNames: [],
  policies: [],
  implicitConfirm: true,
  newKeyOnUpdate: true,
  revokeReplaced: true,
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/

/** Throws `input.invalid` for a profile that no certificate can be made by. */
export function checkProfile(profile: CertificateProfile): CertificateProfile {
  const problem = !NAME.test(profile.name)
    ? 'its name'
    : profile.keyTypes.length === 0
      ? 'its kinds of keys'
      : !(profile.lifetimeS >= 60 && profile.lifetimeS <= 100 * 365 * DAY_S)
        ? 'its lifetime'
        : parseNameText(profile.assignedSubject) === undefined
          ? 'its subject'
          : undefined
  if (problem !== undefined)
    throw new AppError('input.invalid', `The profile cannot be used: ${problem}`, { details: { profile: profile.name } })
  return profile
}

/** Who a certificate is for, as the policy has found. */
export interface NamedDevice {
  readonly requester: Requester
  readonly reference: string | undefined
  /** Further names that it may have. */
  readonly names: readonly string[]
  /** Whether somebody who may has checked the names of the request. */
  readonly vouched: boolean
}

export interface Wish {
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly notBefore: number | undefined
  readonly notAfter: number | undefined
  readonly extensions: readonly Extension[]
}

export interface Grant {
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  /** Without those that identify keys. */
  readonly extensions: readonly Extension[]
  /** Whether something differs from what was asked for (grantedWithMods). */
  readonly modified: boolean
}

/** Clocks of devices lag: a certificate that begins now would not be valid yet for some. */
const BACKDATED_MS = 300_000
/** Nobody lays in certificates for later. */
const MAX_POSTDATED_MS = 7 * DAY_S * 1000
const MIN_RSA_BITS = 2048
const MAX_ALT_NAMES = 16
/** Extensions that may be asked for; others make the request fail (RFC 9483 §4.1.3: unacceptable templates are refused). */
const ASKABLE: readonly string[] = [
  Oid.subjectAltName,
  Oid.keyUsage,
  Oid.extendedKeyUsage,
  Oid.basicConstraints,
  Oid.subjectKeyIdentifier,
  Oid.certificatePolicies,
]

/** What the profile grants of a wish. `own` are names that need no further proof, as those of a certificate that is updated. Throws `Refusal`. */
export function grantOf(
  profile: CertificateProfile,
  wish: Wish,
  device: NamedDevice,
  nowMs: number,
  issuerNotAfter: number,
  own?: { readonly subject: Uint8Array; readonly altNames: readonly GeneralName[] },
): Grant {
  requireKey(profile, wish.spki)
  const unknown = wish.extensions.find(({ id }) => !ASKABLE.includes(id))
  if (unknown !== undefined) throw new Refusal('badCertTemplate', `The extension ${unknown.id} is not granted`)
  if (asksForAuthority(wish)) throw new Refusal('notAuthorized', 'A certificate of an authority is not granted to devices')
  const owned = ownedNames(device)
  const subject = subjectOf(profile, wish, device, owned, own)
  const altNames = altNamesOf(profile, wish, device, owned, own)
  if (isNullName(subject) && altNames.length === 0) throw new Refusal('badCertTemplate', 'The request has no name')
  const notBefore = Math.max(wish.notBefore ?? 0, nowMs - BACKDATED_MS)
  if (notBefore > nowMs + MAX_POSTDATED_MS) throw new Refusal('badCertTemplate', 'Certificates are not made for a time far ahead')
  const notAfter = Math.min(wish.notAfter ?? Number.POSITIVE_INFINITY, notBefore + profile.lifetimeS * 1000, issuerNotAfter)
  if (notAfter <= Math.max(notBefore, nowMs))
    throw new Refusal('badCertTemplate', 'The validity that is asked for is over or cannot be granted')
  const modified = nameKey(subject) !== nameKey(wish.subject) || (wish.notAfter !== undefined && Math.abs(notAfter - wish.notAfter) > 1000)
  const usages = profile.keyUsage.filter((usage) => usage !== 'keyAgreement' || keyTypeOf(wish.spki) !== 'Ed25519')
  return {
    subject,
    spki: wish.spki,
    notBefore,
    notAfter,
    modified,
    extensions: [
      extensionOf.basicConstraints(false),
      extensionOf.keyUsage(usages.map((usage) => KeyUsage[usage])),
      ...(profile.extendedKeyUsage.length === 0 ? [] : [extensionOf.extendedKeyUsage(profile.extendedKeyUsage)]),
      ...(altNames.length === 0 ? [] : [extensionOf.subjectAltName(altNames, isNullName(subject))]),
      ...(profile.policies.length === 0 ? [] : [extensionOf.policies(profile.policies)]),
    ],
  }
}

function requireKey(profile: CertificateProfile, spki: Uint8Array): void {
  const type = keyTypeOf(spki)
  if (!profile.keyTypes.some((known) => known === type)) throw new Refusal('badAlg', `The profile takes no key of the kind ${type}`)
  // By what the library reads: the length of the whole says nothing, for a long exponent fills it up.
  if (type === 'RSA' && importVerifyingKey(spki).bits < MIN_RSA_BITS) throw new Refusal('badAlg', 'The RSA key is too short')
}

function asksForAuthority({ extensions }: Wish): boolean {
  const constraints = extensions.find(({ id }) => id === Oid.basicConstraints)
  if (constraints === undefined) return false
  return elementsOf(readDer(constraints.value)).length > 0
}

/** For requests that somebody else grants: that every name belongs to the requester, and that no authority is asked for. Throws `Refusal`. */
export function requireOwnNames(
  wish: Wish,
  device: NamedDevice,
  own?: { readonly subject: Uint8Array; readonly subjectAltNames: readonly GeneralName[] },
): void {
  if (asksForAuthority(wish)) throw new Refusal('notAuthorized', 'A certificate of an authority is not granted to devices')
  const kept = own === undefined ? undefined : { subject: own.subject, altNames: own.subjectAltNames }
  const requested = { ...DEVICE_PROFILE, assignedAltNames: [] }
  const subject = subjectOf(requested, wish, device, ownedNames(device), kept)
  const altNames = altNamesOf(requested, wish, device, ownedNames(device), kept)
  if (isNullName(subject) && altNames.length === 0) throw new Refusal('badCertTemplate', 'The request has no name')
}

/** In lower case; what the credential and its pre-registration say the device is called. */
function ownedNames({ requester, reference, names }: NamedDevice): ReadonlySet<string> {
  return new Set([...requester.identities, ...(reference === undefined ? [] : [reference]), ...names].map((name) => name.toLowerCase()))
}

function subjectOf(
  profile: CertificateProfile,
  wish: Wish,
  device: NamedDevice,
  owned: ReadonlySet<string>,
  own: { readonly subject: Uint8Array } | undefined,
): Uint8Array {
  if (own !== undefined) {
    if (!isNullName(wish.subject) && nameKey(wish.subject) !== nameKey(own.subject)) {
      throw new Refusal('notAuthorized', 'A key update keeps the subject of its certificate')
    }
    return own.subject
  }
  if (profile.subject === 'assigned') return assigned(profile.assignedSubject, device)
  if (isNullName(wish.subject)) return wish.subject
  const foreign = device.vouched
    ? undefined
    : readName(wish.subject).find(
        ({ type, value }) => (type === Oid.commonName || type === Oid.serialNumber) && !owned.has(value.toLowerCase()),
      )
  if (foreign !== undefined) throw new Refusal('notAuthorized', `The name ${foreign.value} does not belong to the requester`)
  const naming = readName(wish.subject).some(({ type }) => type === Oid.commonName || type === Oid.serialNumber)
  if (!naming) throw new Refusal('badCertTemplate', 'The subject names no device')
  return wish.subject
}

function altNamesOf(
  profile: CertificateProfile,
  wish: Wish,
  device: NamedDevice,
  owned: ReadonlySet<string>,
  own: { readonly altNames: readonly GeneralName[] } | undefined,
): GeneralName[] {
  const extension = wish.extensions.find(({ id }) => id === Oid.subjectAltName)
  const asked = extension === undefined ? [] : elementsOf(readDer(extension.value)).map(readGeneralName)
  if (asked.length > MAX_ALT_NAMES) throw new Refusal('badCertTemplate', 'Too many alternative names')
  const kept = own === undefined ? [] : own.altNames
  const keptTexts = new Set(kept.map((name) => generalNameText(name).toLowerCase()))
  for (const name of asked) {
    const text = generalNameText(name)
    if (!device.vouched && !keptTexts.has(text.toLowerCase()) && !isOwned(name, owned)) {
      throw new Refusal('notAuthorized', `The name ${text} does not belong to the requester`)
    }
  }
  const added =
    own === undefined ? profile.assignedAltNames.map((template) => altNameOf(template, device)).filter((name) => name !== undefined) : []
  const all = [...(asked.length > 0 ? asked : kept), ...added]
  return all.filter((name, index) => all.findIndex((other) => generalNameText(other) === generalNameText(name)) === index)
}

function isOwned(name: GeneralName, owned: ReadonlySet<string>): boolean {
  if (name.kind === 'hardware') return owned.has(name.serial.toLowerCase())
  if (name.kind !== 'dns' && name.kind !== 'uri') return false
  const value = name.value.toLowerCase()
  return owned.has(value) || (name.kind === 'uri' && [...owned].some((text) => text.length >= 8 && value === `urn:dev:mac:${text}`))
}

function fill(template: string, device: NamedDevice): string | undefined {
  const { requester, reference, names } = device
  const eui64 = [...requester.identities, ...names].find((text) => /^[0-9a-f]{16}$/.test(text))
  const values: Readonly<Record<string, string | undefined>> = {
    name: names[0] ?? reference ?? requester.identities[0],
    serial: requester.identities[0],
    eui64,
    reference,
  }
  const wanted = [...template.matchAll(/\{(\w+)\}/g)].map(([, key = '']) => key)
  if (wanted.some((key) => values[key] === undefined)) return undefined
  return template.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? '')
}

function assigned(template: string, device: NamedDevice): Uint8Array {
  const attributes = parseNameText(template)?.map(({ type, value }) => ({ type, value: fill(value, device) }))
  const whole = (attributes ?? []).flatMap(({ type, value }) => (value === undefined ? [] : [{ type, value }]))
  if (attributes === undefined || whole.length < attributes.length) {
    throw new Refusal('notAuthorized', 'The credential does not say what the profile’s subject needs')
  }
  return buildName(whole)
}

function altNameOf(template: string, device: NamedDevice): GeneralName | undefined {
  const filled = fill(template, device)
  const [, kind, value] = /^(dns|uri):(.+)$/.exec(filled ?? '') ?? []
  if (value === undefined || (kind !== 'dns' && kind !== 'uri')) return undefined
  return { kind, value }
}
