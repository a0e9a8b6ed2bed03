// What the reverse proxy checks before a message goes on, and before this authority puts its own name under an answer (RFC 9482 §4).
import { equalBytes, toHex, type Clock } from '#main/base/index.ts'
import { checkProtection } from '../client/answers.ts'
import { macKindOf } from '../cmp/mac.ts'
import type { PkiBody } from '../cmp/body.ts'
import { oldCertIdOf } from '../cmp/crmf.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { verifySignatureOf } from '../cmp/protection.ts'
import { Refusal } from '../cmp/status.ts'
import type { RegistrationAuthority } from '../engine/authority.ts'
import type { Credential } from '../engine/credentials.ts'
import { identitiesOf, plainIdentity } from '../engine/identities.ts'
import { readEnrolment, type EnrolmentRequest } from '../engine/requests.ts'
import { requireOwnNames } from '../ca/profiles.ts'
import { Certificate } from '../x509/certificate.ts'
import { NULL_DN, nameText, sameName } from '../x509/names.ts'
import { PathValidator } from '../x509/path.ts'
import { CertificatePool } from '../x509/pool.ts'
import type { UpstreamServer } from './types.ts'

const NONCE_MIN_BYTES = 16

export class UpstreamChecks {
  readonly #authority: RegistrationAuthority
  readonly #clock: Clock
  readonly #validators = new Map<UpstreamServer, PathValidator>()
  readonly #pool = new CertificatePool()

  constructor(authority: RegistrationAuthority, clock: Clock) {
    this.#authority = authority
    this.#clock = clock
  }

  /** Syntax and protection. The credential where it is one that this authority knows. Throws `Refusal`. */
  async request(server: UpstreamServer, message: PkiMessage, profile: string | undefined): Promise<Credential | undefined> {
    const { header, body } = message
    const { settings } = this.#authority.context
    if (header.pvno !== 2 && header.pvno !== 3) throw new Refusal('unsupportedVersion', 'Versions 2 and 3 of CMP are spoken here')
    if (header.transactionID === undefined || header.transactionID.length === 0)
      throw new Refusal('badDataFormat', 'The message has no transaction identifier')
    if (header.senderNonce === undefined || header.senderNonce.length < NONCE_MIN_BYTES)
      throw new Refusal('badSenderNonce', 'The message has no nonce of 128 bits')
    if (header.messageTime === undefined) {
      if (settings.requireMessageTime) throw new Refusal('badTime', 'The message does not say when it was made')
    } else if (Math.abs(header.messageTime - this.#clock.now()) > settings.messageTimeWindowS * 1000) {
      throw new Refusal('badTime', 'The message was made at another time than this clock shows')
    }
    const credential = await this.credential(server, message)
    if (credential !== undefined && (body.type === 'ir' || body.type === 'cr' || body.type === 'kur' || body.type === 'p10cr')) {
      // A request whose key nobody has is not worth the server's time; certificates of an authority elsewhere cannot be weighed here.
      const request = readEnrolment(body, { header, mayVouch: credential.requester.kind === 'ra', issuer: NULL_DN })
      if (server.mode !== 'forward') this.#admit(server, credential, request, profile)
    }
    if (credential !== undefined && server.mode === 'replace') requireOwnCertificate(body, credential)
    return credential
  }

  /**
   * Who has sent it, at this moment: also of a request that was kept, whose sender may have lost its right since. Undefined where only
   * the server can tell. Throws `Refusal`.
   */
  async credential(server: UpstreamServer, message: PkiMessage): Promise<Credential | undefined> {
    if (message.header.protectionAlg === undefined || message.protection === undefined)
      throw new Refusal('wrongIntegrity', 'The message is not protected')
    if (this.#passes(server, message)) return undefined
    try {
      return await this.#authority.credentials.authenticate(message)
    } catch (thrown) {
      const isStranger = thrown instanceof Refusal && thrown.failInfo === 'signerNotTrusted'
      if (!isStranger) throw thrown
      const signer = verifySignatureOf(message, [], this.#pool.read)
      const others = message.extraCerts.slice(1).flatMap((bytes) => this.#pool.read(bytes) ?? [])
      const { ok } = await this.#validatorOf(server).validate(signer, others, this.#clock.now())
      if (!ok) throw thrown
      if (server.isRevoked?.(signer) === true) throw new Refusal('certRevoked', 'The certificate of the request is revoked')
      const name = nameText(signer.subject)
      const key = `certificate:${toHex(signer.fingerprint())}`
      return {
        requester: { kind: 'own', name, key, identities: identitiesOf(signer) },
        preRegistration: undefined,
        certificate: signer,
        record: undefined,
        protector: undefined,
      }
    }
  }

  /** What goes on under this authority's own name is what this site admits; whether anybody has to decide is the server's to say. */
  #admit({ mode }: UpstreamServer, credential: Credential, request: EnrolmentRequest, profile: string | undefined): void {
    const { policy } = this.#authority.context.settings
    const { requester, certificate } = credential
    // Nobody here decides whose reservation it is: one that may be another maker's is none.
    const preRegistration = credential.isUncertain === true ? undefined : credential.preRegistration
    if (requester.kind !== 'own' && policy.mode === 'deny') throw new Refusal('notAuthorized', 'No devices are admitted at present')
    if (requester.kind === 'idevid' && preRegistration === undefined && policy.unlistedMayWait === false)
      throw new Refusal('notAuthorized', 'The device is not expected here')
    if (preRegistration?.profile !== undefined && preRegistration.profile !== profile)
      throw new Refusal('notAuthorized', 'The device is expected under another profile')
    // Where the device's own protection goes along, the server sees whose names they are.
    if (mode !== 'replace' || requester.kind === 'ra') return
    const names = [...(preRegistration?.names ?? []), ...(preRegistration?.identities ?? []).map(plainIdentity)]
    const own = certificate === undefined || requester.kind !== 'own' ? undefined : certificate
    requireOwnNames(request.wish, { requester, reference: preRegistration?.reference, names, vouched: false }, own)
  }

  /** In the end the device checks it; where this authority puts its own name under it, it must believe it first. */
  async answer(server: UpstreamServer, answer: PkiMessage): Promise<void> {
    const { mode, protector, isRevoked } = server
    if (mode !== 'replace') return
    if (answer.protection === undefined && answer.body.type === 'error') return
    await checkProtection(answer, {
      paths: this.#validatorOf(server),
      pool: this.#pool,
      anySigner: false,
      nowMs: this.#clock.now(),
      ...(protector === undefined ? {} : { protector }),
      ...(isRevoked === undefined ? {} : { isRevoked }),
    })
  }

  #passes({ passSecrets, mode }: UpstreamServer, { header }: PkiMessage): boolean {
    const isMac = header.protectionAlg !== undefined && macKindOf(header.protectionAlg) !== undefined
    return isMac && passSecrets === true && mode === 'forward'
  }

  #validatorOf(server: UpstreamServer): PathValidator {
    const known = this.#validators.get(server) ?? new PathValidator(server.anchors.map((bytes) => new Certificate(bytes)))
    this.#validators.set(server, known)
    return known
  }
}

/** Under this authority's name a server revokes and renews whatever it is asked to: so a device may name its own certificate alone. */
function requireOwnCertificate(body: PkiBody, { requester, certificate }: Credential): void {
  if (requester.kind === 'ra' || (body.type !== 'rr' && body.type !== 'kur')) return
  const named =
    body.type === 'rr'
      ? body.details.map(({ template: { issuer, serialNumber } }) => ({ issuer, serialNumber }))
      : body.requests.map((request) => {
          const old = oldCertIdOf(request)
          return { issuer: old?.issuer.kind === 'directory' ? old.issuer.name : undefined, serialNumber: old?.serialNumber }
        })
  const isOwn = ({
    issuer,
    serialNumber,
  }: {
    readonly issuer: Uint8Array | undefined
    readonly serialNumber: Uint8Array | undefined
  }): boolean =>
    certificate !== undefined &&
    issuer !== undefined &&
    serialNumber !== undefined &&
    equalBytes(serialNumber, certificate.serial) &&
    sameName(issuer, certificate.issuer)
  if (requester.kind !== 'own' || !named.every(isOwn))
    throw new Refusal('notAuthorized', 'Only a device’s own certificate can be revoked or renewed by request')
}
