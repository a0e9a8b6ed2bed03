// What certification requests carry besides a name and a key: the binding to the DTLS session (RFC 9148 §3, RFC 7030 §3.5) and how a key that is
// made here is to be wrapped (RFC 7030 §4.4.1). Reads and writes them, and the attributes that a server asks for (RFC 7030 §4.5.2).
import { signAs, type SigningAlgorithm, type SigningKey } from '#main/base/index.ts'
import { asn1, encodeAlgorithm, signatureAlgorithmOf, type Extension } from '#main/services/ra/index.ts'

export const CsrAttribute = {
  challengePassword: '1.2.840.113549.1.9.7',
  extensionRequest: '1.2.840.113549.1.9.14',
  smimeCapabilities: '1.2.840.113549.1.9.15',
  decryptKeyIdentifier: '1.2.840.113549.1.9.16.2.37',
  asymmetricDecryptKeyIdentifier: '1.2.840.113549.1.9.16.2.54',
} as const

export interface RequestAttributes {
  readonly challengePassword: string | undefined
  /** Whether the private key is wanted wrapped. */
  readonly wantsWrapping: boolean
  /** Algorithms that the device can unwrap with, by OID. */
  readonly capabilities: readonly string[]
  /** The key to wrap with: a certificate's subjectKeyIdentifier. */
  readonly asymmetricKeyId: Uint8Array | undefined
  readonly symmetricKeyId: Uint8Array | undefined
}

const MAX_ATTRIBUTES = 32

/** Of a PKCS #10 request in DER. Throws `der.invalid`. */
export function readRequestAttributes(request: Uint8Array): RequestAttributes {
  const { DerFields, readDer, Tag, context, elementsOf, oidText, textValue, octets } = asn1
  const info = new DerFields(new DerFields(readDer(request)).field(Tag.SEQUENCE))
  info.field(Tag.INTEGER)
  info.field(Tag.SEQUENCE)
  info.field(Tag.SEQUENCE)
  const attributes = info.optional(context(0))
  const found = new Map<string, asn1.Der>()
  const list = attributes === undefined ? [] : elementsOf(attributes, context(0))
  if (list.length > MAX_ATTRIBUTES) throw asn1.invalidDer('too many attributes')
  for (const attribute of list) {
    const parts = new DerFields(attribute)
    const id = oidText(parts.field(Tag.OID))
    const [first] = elementsOf(parts.field(Tag.SET), Tag.SET)
    parts.end()
    if (found.has(id)) throw asn1.invalidDer('an attribute twice')
    if (first !== undefined) found.set(id, first)
  }
  const octetsOf = (id: string): Uint8Array | undefined => {
    const value = found.get(id)
    return value === undefined ? undefined : octets(value)
  }
  const challenge = found.get(CsrAttribute.challengePassword)
  return {
    challengePassword: challenge === undefined ? undefined : textValue(challenge),
    wantsWrapping:
      found.has(CsrAttribute.smimeCapabilities) ||
      found.has(CsrAttribute.decryptKeyIdentifier) ||
      found.has(CsrAttribute.asymmetricDecryptKeyIdentifier),
    capabilities: capabilitiesIn(found.get(CsrAttribute.smimeCapabilities)),
    asymmetricKeyId: octetsOf(CsrAttribute.asymmetricDecryptKeyIdentifier),
    symmetricKeyId: octetsOf(CsrAttribute.decryptKeyIdentifier),
  }
}

/** SMIMECapabilities (RFC 8551 §2.5.2). */
function capabilitiesIn(value: asn1.Der | undefined): readonly string[] {
  if (value === undefined) return []
  return asn1
    .elementsOf(value)
    .slice(0, MAX_ATTRIBUTES)
    .map((capability) => asn1.oidText(new asn1.DerFields(capability).field(asn1.Tag.OID)))
}

export interface RequestPlan {
  /** In DER. */
  readonly subject: Uint8Array
  readonly extensions?: readonly Extension[]
  /** Binds the request to a session. */
  readonly challengePassword?: string
  /** Asks for the generated key wrapped for the certificate with that subjectKeyIdentifier. */
  readonly wrapFor?: Uint8Array
}

/** AES-128-CBC, and key agreement by ECDH with SHA-256 and AES key wrap (RFC 5753 §7.1.4, RFC 3565 §4.1). */
const WRAPPING_CAPABILITIES: readonly string[] = ['2.16.840.1.101.3.4.1.2', '2.16.840.1.101.3.4.1.5']

/** PKCS #10 in DER (RFC 2986 §4). */
export function writeRequest(plan: RequestPlan, key: SigningKey): Uint8Array {
  const { sequence, setOf, oid, integer, implicit, bitString, boolean, octetString, utf8String, der, Tag } = asn1
  const attribute = (id: string, value: Uint8Array): Uint8Array => sequence(oid(id), setOf(value))
  const { extensions = [], challengePassword, wrapFor } = plan
  const attributes: Uint8Array[] = []
  if (challengePassword !== undefined) attributes.push(attribute(CsrAttribute.challengePassword, utf8String(challengePassword)))
  if (extensions.length > 0) {
    const encoded = extensions.map(({ id, critical, value }) => sequence(oid(id), critical ? boolean(true) : undefined, octetString(value)))
    attributes.push(attribute(CsrAttribute.extensionRequest, sequence(...encoded)))
  }
  if (wrapFor !== undefined) {
    const capabilities = WRAPPING_CAPABILITIES.map((id) => sequence(oid(id)))
    attributes.push(attribute(CsrAttribute.smimeCapabilities, sequence(...capabilities)))
    attributes.push(attribute(CsrAttribute.asymmetricDecryptKeyIdentifier, octetString(wrapFor)))
  }
  const all = attributes.length === 0 ? der(Tag.SET) : setOf(...attributes)
  const info = sequence(integer(0), plan.subject, key.spki, implicit(0, all))
  return sequence(info, encodeAlgorithm(signatureAlgorithmOf(key.algorithm)), bitString(signAs(key, info)))
}

const CURVES: Readonly<Record<SigningAlgorithm, string | undefined>> = {
  'P-256': asn1.Oid.prime256v1,
  'P-384': asn1.Oid.secp384r1,
  Ed25519: undefined,
}

export interface WantedAttributes {
  readonly keyType: SigningAlgorithm
  /** Whether the request has to be bound to its session (RFC 7030 §4.5.2). */
  readonly isBound: boolean
}

/** CsrAttrs: which key and signature, and whether a challenge password. */
export function writeCsrAttributes({ keyType, isBound }: WantedAttributes): Uint8Array {
  const { sequence, setOf, oid, Oid } = asn1
  const curve = CURVES[keyType]
  return sequence(
    ...(isBound ? [oid(CsrAttribute.challengePassword)] : []),
    ...(curve === undefined ? [] : [sequence(oid(Oid.ecPublicKey), setOf(oid(curve)))]),
    oid(signatureAlgorithmOf(keyType).algorithm),
  )
}

/** What a server asks for, as far as it is understood; anything else is ignored (RFC 7030 §4.5.2). Throws `der.invalid`. */
export function readCsrAttributes(bytes: Uint8Array): { readonly keyType: SigningAlgorithm | undefined; readonly isBound: boolean } {
  const { DerFields, readDer, Tag, elementsOf, oidText, Oid } = asn1
  let isBound = false
  let keyType: SigningAlgorithm | undefined
  for (const item of elementsOf(readDer(bytes)).slice(0, 2 * MAX_ATTRIBUTES)) {
    if (item.tag === Tag.OID) {
      const id = oidText(item)
      if (id === CsrAttribute.challengePassword) isBound = true
      if (id === Oid.ed25519) keyType ??= 'Ed25519'
      continue
    }
    const fields = new DerFields(item)
    const id = oidText(fields.field(Tag.OID))
    const values = elementsOf(fields.field(Tag.SET), Tag.SET)
    fields.end()
    if (id !== Oid.ecPublicKey) continue
    const curve = values.find(({ tag }) => tag === Tag.OID)
    const named = curve === undefined ? undefined : oidText(curve)
    if (named === Oid.prime256v1) keyType ??= 'P-256'
    if (named === Oid.secp384r1) keyType ??= 'P-384'
  }
  return { keyType, isBound }
}
