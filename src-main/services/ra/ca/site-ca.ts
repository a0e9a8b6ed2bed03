// The site's certification authority: made here as a root or as a subordinate, rolled over, its certificates issued and revoked, its CRLs kept current.
import {
  AppError,
  equalBytes,
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  toHex,
  type Clock,
  type Random,
  type SigningAlgorithm,
  type SigningKey,
  type Timer,
} from '#main/base/index.ts'
import type { AuditSink, AuthorityRecord, CertificateRecord, CrlReasonName, CrlRecord, KeyVault, RaStore, SerialStore } from '../types.ts'
import { Certificate } from '../x509/certificate.ts'
import { nameText } from '../x509/names.ts'
import { extensionOf, keyIdOf, writeCertificate, writeCertificationRequest, writeCrl } from '../x509/write.ts'
import {
  authorityExtensions,
  BACKDATED_MS,
  keyPurpose,
  makeSigner,
  openAuthority,
  signerEndsSoon,
  writeRootCertificate,
  type Authority,
} from './authority-keys.ts'
import { fromSerial, signerSubject, subjectOf, subordinateFault } from './authority-names.ts'
import type { Grant } from './profiles.ts'
import { SerialNumbers } from './serials.ts'

export interface SiteCaOptions {
  readonly store: RaStore
  readonly serials: SerialStore
  readonly vault: KeyVault
  readonly clock: Clock
  readonly random: Random
  readonly audit?: AuditSink
  /** URIs at which certificates say that the CRL is (RFC 5280 §4.2.1.13). */
  readonly crlUris?: readonly string[]
  /** How long a CRL is good for; 30 days unless told. A new one is made after half of it, and at each revocation. */
  readonly crlLifetimeS?: number
}

export interface NewAuthority {
  /** `CN=Site CA, O=Blue Quay`. */
  readonly subject: string
  readonly algorithm: SigningAlgorithm
  readonly lifetimeS?: number
}

/** What is shown of an authority. */
export interface AuthorityInfo {
  readonly id: string
  readonly generation: number
  readonly state: AuthorityRecord['state']
  readonly kind: AuthorityRecord['kind']
  readonly subject: string
  readonly algorithm: SigningAlgorithm
  readonly protection: KeyVault['protection']
  readonly notAfter: number | undefined
  readonly certificate: Uint8Array | undefined
  readonly chain: readonly Uint8Array[]
  readonly request: Uint8Array | undefined
}

export type SiteCaEvent =
  | { readonly kind: 'crl'; readonly crl: CrlRecord }
  | { readonly kind: 'rolled-over'; readonly authority: Authority; readonly previous: Authority }
  | { readonly kind: 'revoked'; readonly certificate: CertificateRecord }

const DEFAULT_LIFETIME_S = 20 * 365 * 86_400
const DEFAULT_CRL_LIFETIME_S = 30 * 86_400

export class SiteCa {
  readonly #options: SiteCaOptions
  readonly #serials: SerialNumbers
  readonly #listeners = new Set<(event: SiteCaEvent) => void>()
  #authorities: readonly Authority[] = []
  #crlTimer: Timer | undefined
  #closed = false

  private constructor(options: SiteCaOptions) {
    this.#options = options
    this.#serials = new SerialNumbers(options.serials, options.random)
  }

  /** Takes up what the store holds. Fails as the vault does. */
  static async open(options: SiteCaOptions): Promise<SiteCa> {
    const ca = new SiteCa(options)
    for (const record of options.store.authorities()) await ca.#renewSigner(record)
    await ca.#load()
    ca.#keepCrl()
    return ca
  }

  /** Every revocation, CRL and roll-over. */
  subscribe(listener: (event: SiteCaEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#closed = true
    this.#crlTimer?.cancel()
  }

  /** The authority that issues; throws `ra.no-authority` where there is none yet. */
  get active(): Authority {
    const found = this.#authorities.findLast(({ record }) => record.state === 'active')
    if (found === undefined) throw new AppError('ra.no-authority', 'The site has no certification authority yet')
    return found
  }

  get exists(): boolean {
    return this.#authorities.some(({ record }) => record.state === 'active')
  }

  /** All generations whose certificates may still be in use, oldest first. */
  get authorities(): readonly Authority[] {
    return this.#authorities
  }

  describe(): readonly AuthorityInfo[] {
    return this.#options.store.authorities().map((record) => ({
      id: record.id,
      generation: record.generation,
      state: record.state,
      kind: record.kind,
      subject: nameText(record.subject),
      algorithm: record.algorithm,
      protection: this.#options.vault.protection,
      notAfter: record.certificate === undefined ? undefined : new Certificate(record.certificate).notAfter,
      certificate: record.certificate,
      chain: record.chain,
      request: record.request,
    }))
  }

  /** A self-signed root. Throws `ra.state-invalid` where there is an authority already. */
  async createRoot(wish: NewAuthority, actor: string): Promise<void> {
    if (this.exists) throw new AppError('ra.state-invalid', 'The site has a certification authority already')
    const { clock } = this.#options
    const subject = subjectOf(wish.subject)
    const key = generateSigningKey(wish.algorithm)
    const now = clock.now()
    const notAfter = now + (wish.lifetimeS ?? DEFAULT_LIFETIME_S) * 1000
    const certificate = new Certificate(
      writeRootCertificate({
        serial: this.#serials.take(),
        subject,
        spki: key.spki,
        issuerKey: key,
        notBefore: now - BACKDATED_MS,
        notAfter,
      }),
    )
    await this.#save('root', wish.algorithm, subject, key, certificate, [], undefined)
    this.#audit('ra.authority-created', actor, { subject: nameText(subject), algorithm: wish.algorithm, kind: 'root' })
    await this.#load()
    this.refreshCrl()
  }

  /** A key and the PKCS #10 request for it, for a certificate of the customer's authority. */
  async createSubordinate(wish: NewAuthority, actor: string): Promise<Uint8Array> {
    const subject = subjectOf(wish.subject)
    const key = generateSigningKey(wish.algorithm)
    const request = writeCertificationRequest({ subject, extensions: authorityExtensions(key.spki, 0) }, key)
    await this.#save('subordinate', wish.algorithm, subject, key, undefined, [], request)
    this.#audit('ra.authority-created', actor, { subject: nameText(subject), algorithm: wish.algorithm, kind: 'subordinate' })
    return request
  }

  /** Takes the certificate of a subordinate up, with those above it, the root last. Throws `input.invalid` with the reason. */
  async installCertificate(certificate: Uint8Array, chain: readonly Uint8Array[], actor: string): Promise<void> {
    const { store, vault, clock } = this.#options
    const own = new Certificate(certificate)
    const above = chain.map((bytes) => new Certificate(bytes))
    for (const record of store.authorities().filter(({ state }) => state === 'awaiting-certificate')) {
      const key = importSigningKey(await vault.open(keyPurpose(record.id, 'authority'), record.sealedKey))
      if (!equalBytes(key.spki, own.spki)) continue
      const fault = subordinateFault(own, above, clock.now())
      if (fault !== undefined) throw new AppError('input.invalid', fault)
      const signer = await makeSigner(
        { id: record.id, certificate: own, key, algorithm: record.algorithm },
        signerSubject(own.subject),
        this.#serials.take(),
        clock.now(),
        vault,
      )
      store.transaction(() => {
        for (const other of store.authorities()) if (other.state === 'active') store.saveAuthority({ ...other, state: 'retired' })
        store.saveAuthority({ ...record, state: 'active', subject: own.subject, certificate, chain, request: undefined, signer })
      })
      this.#audit('ra.authority-activated', actor, { subject: nameText(own.subject) })
      await this.#load()
      this.refreshCrl()
      return
    }
    throw new AppError('input.invalid', 'The certificate is for none of the keys that wait for one')
  }

  /** A new key for a root under the same name, linked to the old one both ways (RFC 9810 §4.4.1). The old one keeps its CRL. */
  async rollOver(wish: Pick<NewAuthority, 'algorithm' | 'lifetimeS'>, actor: string): Promise<void> {
    const { clock } = this.#options
    const previous = this.active
    if (previous.record.kind !== 'root') throw new AppError('ra.state-invalid', 'A subordinate is rolled over with a new request')
    const { subject } = previous.record
    const key = generateSigningKey(wish.algorithm)
    const now = clock.now()
    const notBefore = now - BACKDATED_MS
    const notAfter = now + (wish.lifetimeS ?? DEFAULT_LIFETIME_S) * 1000
    const write = (spki: Uint8Array, issuerKey: SigningKey, end: number): Uint8Array =>
      writeRootCertificate({ serial: this.#serials.take(), subject, spki, issuerKey, notBefore, notAfter: end })
    const newWithNew = new Certificate(write(key.spki, key, notAfter))
    const links = {
      newWithOld: write(key.spki, previous.key, Math.min(notAfter, previous.certificate.notAfter)),
      oldWithNew: write(previous.certificate.spki, key, Math.min(notAfter, previous.certificate.notAfter)),
    }
    await this.#save('root', wish.algorithm, subject, key, newWithNew, [], undefined, links, previous.record)
    this.#audit('ra.rolled-over', actor, { subject: nameText(subject), algorithm: wish.algorithm })
    await this.#load()
    this.refreshCrl()
    this.#tell({ kind: 'rolled-over', authority: this.active, previous })
  }

  /** Signs a certificate. The caller saves it within the transaction in which it answers. */
  issue(grant: Grant): { readonly der: Uint8Array; readonly serial: string; readonly authorityId: string } {
    const { key, certificate, record } = this.active
    const serial = this.#serials.take()
    const der = writeCertificate(
      {
        ...grant,
        serial,
        issuer: certificate.subject,
        extensions: [
          ...grant.extensions,
          extensionOf.subjectKeyId(grant.spki),
          extensionOf.authorityKeyId(certificate.subjectKeyId ?? keyIdOf(certificate.spki)),
          ...((this.#options.crlUris ?? []).length === 0 ? [] : [extensionOf.crlDistribution(this.#options.crlUris ?? [])]),
        ],
      },
      key,
    )
    return { der, serial: toHex(serial), authorityId: record.id }
  }

  /** Revokes and makes a new CRL. Throws `ra.not-found`, or `ra.state-invalid` where it is revoked already. */
  revoke(serial: string, reason: CrlReasonName, actor: string, remark = ''): CertificateRecord {
    const { store, clock } = this.#options
    const revoked = store.transaction(() => {
      const record = store.certificate(serial)
      if (record === undefined) throw new AppError('ra.not-found', 'There is no certificate of that serial number')
      if (record.state === 'revoked') throw new AppError('ra.state-invalid', 'The certificate is revoked already')
      const next: CertificateRecord = { ...record, state: 'revoked', revokedAt: clock.now(), reason }
      store.saveCertificate(next)
      store.addHistory({ serial, at: clock.now(), event: 'revoked', actor, remark: remark === '' ? reason : `${reason}: ${remark}` })
      return next
    })
    this.#audit('ra.revoked', actor, { serial, subject: revoked.subject, reason })
    this.#tell({ kind: 'revoked', certificate: revoked })
    // A list of an authority whose key is lost is never signed again; here the certificate counts for nothing all the same.
    if (this.#authorities.some(({ record }) => record.id === revoked.authorityId)) this.refreshCrl(revoked.authorityId)
    return revoked
  }

  /** The newest CRL of an authority, of the active one unless told. */
  crl(authorityId = this.active.record.id): CrlRecord | undefined {
    return this.#options.store.crl(authorityId)
  }

  /** Makes a new CRL now. */
  refreshCrl(authorityId = this.active.record.id): CrlRecord {
    const { store, clock, crlLifetimeS = DEFAULT_CRL_LIFETIME_S } = this.#options
    const authority = this.#authorities.find(({ record }) => record.id === authorityId)
    if (authority === undefined) throw new AppError('ra.not-found', 'There is no such authority')
    const now = clock.now()
    const record = store.transaction(() => {
      const number = (store.crl(authorityId)?.number ?? 0) + 1
      const nextUpdate = now + crlLifetimeS * 1000
      const revoked = store.revoked(authorityId, now).map(({ serial, revokedAt, reason }) => ({
        serial: fromSerial(serial),
        revokedAt: revokedAt ?? now,
        reason: reason ?? 'unspecified',
      }))
      const issuerKeyId = authority.certificate.subjectKeyId ?? keyIdOf(authority.certificate.spki)
      const der = writeCrl(
        { issuer: authority.certificate.subject, issuerKeyId, number, thisUpdate: now, nextUpdate, revoked },
        authority.key,
      )
      const made: CrlRecord = { authorityId, number, der, thisUpdate: now, nextUpdate }
      store.saveCrl(made)
      return made
    })
    this.#audit('ra.crl-issued', 'groupwright', { number: record.number })
    this.#tell({ kind: 'crl', crl: record })
    this.#keepCrl()
    return record
  }

  #keepCrl(): void {
    this.#crlTimer?.cancel()
    if (this.#closed || this.#authorities.length === 0) return
    const { store, clock, crlLifetimeS = DEFAULT_CRL_LIFETIME_S } = this.#options
    const due = this.#authorities.map(({ record }) => ({
      id: record.id,
      at: (store.crl(record.id)?.thisUpdate ?? Number.NEGATIVE_INFINITY) + (crlLifetimeS * 1000) / 2,
    }))
    const next = due.reduce((first, other) => (other.at < first.at ? other : first))
    this.#crlTimer = clock.setTimer(Math.max(0, Math.min(next.at - clock.now(), 86_400_000)), () => {
      if (next.at <= clock.now()) this.refreshCrl(next.id)
      else this.#keepCrl()
    })
  }

  async #save(
    kind: AuthorityRecord['kind'],
    algorithm: SigningAlgorithm,
    subject: Uint8Array,
    key: SigningKey,
    certificate: Certificate | undefined,
    chain: readonly Uint8Array[],
    request: Uint8Array | undefined,
    links?: AuthorityRecord['links'],
    retired?: AuthorityRecord,
  ): Promise<void> {
    const { store, vault, clock, random } = this.#options
    const id = toHex(random.bytes(8))
    const sealedKey = await vault.seal(keyPurpose(id, 'authority'), exportSigningKey(key))
    const signer =
      certificate === undefined
        ? undefined
        : await makeSigner({ id, certificate, key, algorithm }, signerSubject(subject), this.#serials.take(), clock.now(), vault)
    store.transaction(() => {
      const generation = Math.max(0, ...store.authorities().map((other) => other.generation)) + 1
      if (retired !== undefined) store.saveAuthority({ ...retired, state: 'retired' })
      store.saveAuthority({
        id,
        generation,
        state: certificate === undefined ? 'awaiting-certificate' : 'active',
        kind,
        subject,
        algorithm,
        sealedKey,
        certificate: certificate?.bytes,
        chain,
        request,
        signer,
        links,
        createdAt: clock.now(),
      })
    })
  }

  async #load(): Promise<void> {
    const opened: Authority[] = []
    for (const record of this.#options.store.authorities()) {
      const authority = await openAuthority(record, this.#options.vault)
      if (authority !== undefined) opened.push(authority)
    }
    this.#authorities = opened
  }

  async #renewSigner(record: AuthorityRecord): Promise<void> {
    const { store, vault, clock } = this.#options
    if (record.state !== 'active' || record.signer === undefined) return
    if (!signerEndsSoon(new Certificate(record.signer.certificate), clock.now())) return
    const authority = await openAuthority(record, vault)
    if (authority === undefined) return
    const { certificate, key } = authority
    const about = { id: record.id, certificate, key, algorithm: record.algorithm }
    const signer = await makeSigner(about, signerSubject(certificate.subject), this.#serials.take(), clock.now(), vault)
    store.saveAuthority({ ...record, signer })
  }

  #tell(event: SiteCaEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  #audit(action: Parameters<AuditSink>[0]['action'], actor: string, details: Parameters<AuditSink>[0]['details']): void {
    this.#options.audit?.({ action, actor, details })
  }
}
