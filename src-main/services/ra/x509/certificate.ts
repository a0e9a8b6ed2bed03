// Certificates (RFC 5280 §4) as this room reads them: views into their DER, extensions by OID. Total: anything else is `der.invalid`.
import { hash, importVerifyingKey, verifyAs, type VerifyingKey } from '#main/base/index.ts'
import {
  bitStringBytes,
  booleanValue,
  contextPrimitive,
  DerFields,
  elementsOf,
  integerBytes,
  integerValue,
  invalidDer,
  namedBits,
  octets,
  Oid,
  oidText,
  readDer,
  Tag,
  timeValue,
  type Der,
} from '../der/index.ts'
import { readAlgorithm, schemeOf, type AlgorithmIdentifier } from './algorithms.ts'
import { readGeneralName, readName, sameName, type GeneralName } from './names.ts'

export interface Extension {
  readonly id: string
  readonly critical: boolean
  /** DER inside the OCTET STRING. */
  readonly value: Uint8Array
}

/** Bits of keyUsage (RFC 5280 §4.2.1.3). */
export const KeyUsage = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4, keyCertSign: 5, crlSign: 6 } as const

const MAX_CERTIFICATE_BYTES = 16_384
const MAX_EXTENSIONS = 64

/** One certificate; what it says is read once. */
export class Certificate {
  readonly bytes: Uint8Array
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** Content of the INTEGER. */
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
  #key: VerifyingKey | undefined
  #fingerprint: Uint8Array | undefined

  /** Throws `der.invalid`. */
  constructor(bytes: Uint8Array) {
    if (bytes.length > MAX_CERTIFICATE_BYTES) throw invalidDer('a certificate too large')
    const outer = new DerFields(readDer(bytes))
    const tbs = outer.field(Tag.SEQUENCE)
    this.bytes = bytes
    this.tbs = tbs.bytes
    this.signatureAlgorithm = readAlgorithm(outer.field(Tag.SEQUENCE))
    this.signature = bitStringBytes(outer.field(Tag.BIT_STRING))
    outer.end()
    const fields = new DerFields(tbs)
    const version = fields.explicit(0)
    if (version !== undefined && ![1, 2].includes(integerValue(version))) throw invalidDer('a certificate of an unknown version')
    this.serial = integerBytes(fields.field(Tag.INTEGER))
    if (readAlgorithm(fields.field(Tag.SEQUENCE)).algorithm !== this.signatureAlgorithm.algorithm)
      throw invalidDer('two signature algorithms')
    this.issuer = nameIn(fields)
    const validity = new DerFields(fields.field(Tag.SEQUENCE))
    this.notBefore = timeValue(validity.any())
    this.notAfter = timeValue(validity.any())
    validity.end()
    this.subject = nameIn(fields)
    this.spki = fields.field(Tag.SEQUENCE).bytes
    fields.optional(contextPrimitive(1))
    fields.optional(contextPrimitive(2))
    const extensions = fields.explicit(3)
    this.extensions = extensions === undefined ? [] : readExtensions(extensions)
    fields.end()
  }

  get isSelfIssued(): boolean {
    return sameName(this.subject, this.issuer)
  }

  /** Throws `crypto.*` where the key is none that is understood. */
  get key(): VerifyingKey {
    this.#key ??= importVerifyingKey(this.spki)
    return this.#key
  }

  extension(id: string): Extension | undefined {
    return this.extensions.find((extension) => extension.id === id)
  }

  get subjectKeyId(): Uint8Array | undefined {
    const found = this.extension(Oid.subjectKeyIdentifier)
    return found === undefined ? undefined : octets(readDer(found.value))
  }

  get authorityKeyId(): Uint8Array | undefined {
    const found = this.extension(Oid.authorityKeyIdentifier)
    return found === undefined ? undefined : new DerFields(readDer(found.value)).optional(contextPrimitive(0))?.content
  }

  /** The bits, or undefined where the certificate does not limit its key. */
  get keyUsage(): readonly number[] | undefined {
    const found = this.extension(Oid.keyUsage)
    return found === undefined ? undefined : namedBits(readDer(found.value))
  }

  allows(usage: number): boolean {
    return this.keyUsage?.includes(usage) ?? true
  }

  get extendedKeyUsage(): readonly string[] {
    const found = this.extension(Oid.extendedKeyUsage)
    return found === undefined ? [] : elementsOf(readDer(found.value)).map((purpose) => oidText(purpose))
  }

  get isAuthority(): boolean {
    const found = this.extension(Oid.basicConstraints)
    if (found === undefined) return false
    const flag = new DerFields(readDer(found.value)).optional(Tag.BOOLEAN)
    return flag !== undefined && booleanValue(flag)
  }

  /** How many authorities may be below this one; undefined for any number. */
  get pathLength(): number | undefined {
    const found = this.extension(Oid.basicConstraints)
    if (found === undefined) return undefined
    const fields = new DerFields(readDer(found.value))
    fields.optional(Tag.BOOLEAN)
    const length = fields.optional(Tag.INTEGER)
    return length === undefined ? undefined : integerValue(length)
  }

  get subjectAltNames(): readonly GeneralName[] {
    const found = this.extension(Oid.subjectAltName)
    return found === undefined ? [] : elementsOf(readDer(found.value)).map(readGeneralName)
  }

  isValidAt(nowMs: number): boolean {
    return nowMs >= this.notBefore && nowMs <= this.notAfter
  }

  /** Whether that certificate's key signed this one, and its name is the issuer's. */
  isIssuedBy(issuer: Certificate): boolean {
    const scheme = schemeOf(this.signatureAlgorithm)
    if (scheme === undefined || !sameName(this.issuer, issuer.subject)) return false
    try {
      return verifyAs(issuer.key, scheme, this.tbs, this.signature)
    } catch {
      // A key that cannot be read has signed nothing.
      return false
    }
  }

  fingerprint(): Uint8Array {
    this.#fingerprint ??= hash('sha256', this.bytes)
    return this.#fingerprint
  }
}

export function readExtensions(element: Der, tag: number = Tag.SEQUENCE): Extension[] {
  const elements = elementsOf(element, tag)
  if (elements.length > MAX_EXTENSIONS) throw invalidDer('too many extensions')
  const extensions = elements.map((one) => {
    const fields = new DerFields(one)
    const id = oidText(fields.field(Tag.OID))
    const flag = fields.optional(Tag.BOOLEAN)
    const critical = flag !== undefined && booleanValue(flag)
    const value = fields.field(Tag.OCTET_STRING).content
    fields.end()
    return { id, critical, value }
  })
  if (new Set(extensions.map(({ id }) => id)).size !== extensions.length) throw invalidDer('an extension twice')
  return extensions
}

function nameIn(fields: DerFields): Uint8Array {
  const { bytes } = fields.field(Tag.SEQUENCE)
  readName(bytes)
  return bytes
}

/** The certificate, or undefined where the bytes are none. */
export function tryCertificate(bytes: Uint8Array): Certificate | undefined {
  try {
    return new Certificate(bytes)
  } catch {
    return undefined
  }
}
