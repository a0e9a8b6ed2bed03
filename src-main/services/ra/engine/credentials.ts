// Finds out who sent a message: a shared secret, a certificate of a manufacturer, one of this authority, or a trusted registration authority's.
import { equalBytes, toHex, utf8, utf8ToText, type Clock, type Random } from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import { macKindOf, sameMacAlgorithm, verifyMac, type MacLimits } from '../cmp/mac.ts'
import { protectedPart, type PkiMessage } from '../cmp/message.ts'
import { verifySignatureOf, type Protector } from '../cmp/protection.ts'
import { Refusal } from '../cmp/status.ts'
import type { SiteCa } from '../ca/site-ca.ts'
import type { CertificateRecord, KeyVault, PreRegistration, RaStore, Requester } from '../types.ts'
import { Certificate } from '../x509/certificate.ts'
import { attributeOf, nameText } from '../x509/names.ts'
import { PathValidator } from '../x509/path.ts'
import { CertificatePool } from '../x509/pool.ts'
import { identitiesOf, scopedIdentity } from './identities.ts'
import { Makers } from './makers.ts'

export interface Credential {
  readonly requester: Requester
  /** The record that the request belongs to. */
  readonly preRegistration: PreRegistration | undefined
  readonly certificate: Certificate | undefined
  /** Of a certificate that this authority issued. */
  readonly record: CertificateRecord | undefined
  /** With what the answer is protected, where it is not the authority's signature. */
  readonly protector: Protector | undefined
  /**
   * Whether the reservation may be that of another maker's device with the same number: several makers are trusted, it does not say whose,
   * and this device has had no certificate before. Then somebody has to look.
   */
  readonly isUncertain?: boolean
}

export interface CredentialOptions {
  readonly store: RaStore
  readonly ca: SiteCa
  readonly vault: KeyVault
  readonly clock: Clock
  readonly random: Random
  /** Roots or issuing authorities of manufacturers, in DER. */
  readonly manufacturerAnchors: readonly Uint8Array[]
  /** Certificates of registration authorities that may speak for others (id-kp-cmcRA), in DER. */
  readonly trustedRas: readonly Uint8Array[]
  readonly macLimits?: MacLimits
}

interface Expected {
  readonly found: PreRegistration | undefined
  readonly isUncertain: boolean
}

const NO_SECRET = new Uint8Array(16)

export class Credentials {
  readonly #options: CredentialOptions
  readonly #manufacturers: PathValidator
  readonly #ras: readonly Certificate[]
  readonly #makers: Makers
  readonly #pool = new CertificatePool()

  constructor(options: CredentialOptions) {
    this.#options = options
    this.#manufacturers = new PathValidator(options.manufacturerAnchors.map((bytes) => new Certificate(bytes)))
    this.#makers = new Makers(this.#manufacturers.anchors)
    this.#ras = options.trustedRas.map((bytes) => new Certificate(bytes))
  }

  /** Throws `Refusal`. */
  async authenticate(message: PkiMessage): Promise<Credential> {
    const { protectionAlg } = message.header
    if (protectionAlg === undefined || message.protection === undefined) {
      throw new Refusal('wrongIntegrity', 'The message is not protected')
    }
    return macKindOf(protectionAlg) === undefined ? this.#bySignature(message) : this.#byMac(message)
  }

  /** An unknown reference and a wrong secret look the same from outside. */
  async #byMac(message: PkiMessage): Promise<Credential> {
    const { header, protection } = message
    const { store, vault, random, clock } = this.#options
    const wrong = new Refusal('badMessageCheck', 'The reference or the secret is wrong')
    if (header.protectionAlg === undefined || protection === undefined) throw wrong
    const reference = referenceOf(message)
    const found = reference === undefined ? undefined : store.preRegistration(reference)
    const isKnown = found?.sealedSecret !== undefined && (found.expiresAt === undefined || found.expiresAt >= clock.now())
    // As long for a reference that is not there: how long it takes must not tell which are.
    const secret = isKnown ? await vault.open(secretPurpose(found.reference), found.sealedSecret) : NO_SECRET
    const fits = await verifyMac(header.protectionAlg, secret, protectedPart(message), protection, this.#options.macLimits)
    if (!isKnown || !fits) throw wrong
    const identities = [found.reference.toLowerCase(), ...found.identities]
    return {
      requester: { kind: 'secret', name: found.reference, key: `secret:${found.reference}`, identities },
      preRegistration: found,
      certificate: undefined,
      record: undefined,
      protector: {
        kind: 'mac',
        reference: header.senderKID ?? utf8(found.reference),
        secret,
        algorithm: sameMacAlgorithm(header.protectionAlg, random),
      },
    }
  }

  async #bySignature(message: PkiMessage): Promise<Credential> {
    const certificate = verifySignatureOf(message, [], this.#pool.read)
    const base = { certificate, protector: undefined }
    const key = `certificate:${toHex(certificate.fingerprint())}`
    const name = nameText(certificate.subject)
    if (this.#ras.some((ra) => equalBytes(ra.bytes, certificate.bytes))) {
      this.#requireValid(certificate)
      if (!certificate.extendedKeyUsage.includes(Oid.cmcRa))
        throw new Refusal('notAuthorized', 'The certificate is not that of a registration authority')
      return { ...base, requester: { kind: 'ra', name, key, identities: [] }, preRegistration: undefined, record: undefined }
    }
    const own = this.#options.store.certificate(toHex(certificate.serial))
    if (own !== undefined && equalBytes(own.der, certificate.bytes)) return { ...base, ...this.#owned(own, certificate, name, key) }
    return this.#ofManufacturer(message.extraCerts.slice(1), certificate, name, key)
  }

  /**
   * Of a device that has shown its chain, the end entity first, and has proven elsewhere, e.g. in a DTLS handshake, that it holds the
   * key. `admitted`: somebody has admitted the device, so that its maker need not be known. Throws `Refusal`, or `der.invalid`.
   */
  async ofChain(chain: readonly Uint8Array[], admitted: boolean): Promise<Credential> {
    const [bytes, ...others] = chain
    if (bytes === undefined) throw new Refusal('wrongIntegrity', 'The device has shown no certificate')
    const certificate = new Certificate(bytes)
    const key = `certificate:${toHex(certificate.fingerprint())}`
    const name = nameText(certificate.subject)
    const own = this.#options.store.certificate(toHex(certificate.serial))
    if (own !== undefined && equalBytes(own.der, bytes))
      return { certificate, protector: undefined, ...this.#owned(own, certificate, name, key) }
    if (!admitted) return this.#ofManufacturer(others, certificate, name, key)
    const { ok, path } = await this.#manufacturers.validate(certificate, this.#read(others), this.#options.clock.now())
    return this.#byIdevid(certificate, ok ? path.at(-1) : undefined, name, key)
  }

  #owned(
    record: CertificateRecord,
    certificate: Certificate,
    name: string,
    key: string,
  ): Pick<Credential, 'requester' | 'record' | 'preRegistration'> {
    this.#requireValid(certificate)
    if (record.state === 'revoked') throw new Refusal('certRevoked', 'The certificate of the request is revoked')
    if (record.state === 'unconfirmed') throw new Refusal('signerNotTrusted', 'The certificate of the request is not confirmed')
    const preRegistration = record.reference === undefined ? undefined : this.#options.store.preRegistration(record.reference)
    return { record, preRegistration, requester: { kind: 'own', name, key, identities: identitiesOf(certificate) } }
  }

  async #ofManufacturer(chain: readonly Uint8Array[], certificate: Certificate, name: string, key: string): Promise<Credential> {
    const { ok, why, path } = await this.#manufacturers.validate(certificate, this.#read(chain), this.#options.clock.now())
    if (!ok) throw new Refusal('signerNotTrusted', why)
    return this.#byIdevid(certificate, path.at(-1), name, key)
  }

  #read(chain: readonly Uint8Array[]): readonly Certificate[] {
    return chain.flatMap((bytes) => this.#pool.read(bytes) ?? [])
  }

  /** `anchor`: of the manufacturer; undefined where it is not known, and somebody has admitted the device nevertheless. */
  #byIdevid(certificate: Certificate, anchor: Certificate | undefined, name: string, key: string): Credential {
    const identities = identitiesOf(certificate)
    const maker = anchor === undefined ? undefined : nameText(anchor.subject)
    // Looked up by whoever asks: a confirmation or a poll does not.
    let expected: Expected | undefined
    const lookUp = (): Expected => (expected ??= this.#expected(identities, anchor, certificate, key))
    return {
      requester: { kind: 'idevid', name, key, identities, ...(maker === undefined ? {} : { maker }) },
      get preRegistration() {
        return lookUp().found
      },
      get isUncertain() {
        return lookUp().isUncertain
      },
      certificate,
      record: undefined,
      protector: undefined,
    }
  }

  #expected(identities: readonly string[], anchor: Certificate | undefined, certificate: Certificate, key: string): Expected {
    const { store, clock } = this.#options
    const now = clock.now()
    const find = (identity: string): PreRegistration | undefined =>
      store.preRegistrationsOf(identity).find(({ expiresAt }) => expiresAt === undefined || expiresAt >= now)
    const makers = anchor === undefined ? [] : this.#makers.namesOf(anchor)
    for (const identity of identities) {
      for (const maker of makers) {
        const found = find(scopedIdentity(maker, identity))
        if (found !== undefined) return { found, isUncertain: false }
      }
      const found = find(identity)
      if (found === undefined) continue
      const isItsOwn = identity === toHex(certificate.fingerprint())
      return { found, isUncertain: this.#makers.areSeveral && !isItsOwn && store.countIssued(key, 0) === 0 }
    }
    return { found: undefined, isUncertain: false }
  }

  #requireValid(certificate: Certificate): void {
    if (!certificate.isValidAt(this.#options.clock.now()))
      throw new Refusal('signerNotTrusted', 'The certificate of the request is not valid at this time')
  }
}

export function secretPurpose(reference: string): string {
  return `ra:secret:${reference}`
}

/** senderKID, or the common name of the sender where there is none; clients leave the sender empty (RFC 9483 §3.1 wants both). */
export function referenceOf({ header }: PkiMessage): string | undefined {
  if (header.senderKID !== undefined) return utf8ToText(header.senderKID)
  return header.sender.kind === 'directory' ? attributeOf(header.sender.name, Oid.commonName) : undefined
}
