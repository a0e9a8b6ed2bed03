// A CMP client (RFC 9810, RFC 9483 §4): enrols, updates, revokes and asks; checks every answer and every certificate before it takes them.
import { AppError, delay, equalBytes, hash, signAs, type Clock, type Random, type SigningKey } from '#main/base/index.ts'
import { elementsOf, integer, Oid, readDer, Tag } from '../der/index.ts'
import type { BodyType, CertResponse, EnrolType, PkiBody } from '../cmp/body.ts'
import { encodeCertId, encodeCertRequest, type CertTemplate } from '../cmp/crmf.ts'
import { certProfileInfo, hasImplicitConfirm, IMPLICIT_CONFIRM, type InfoTypeAndValue, type PkiHeader } from '../cmp/header.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { protectMessage, type Protector } from '../cmp/protection.ts'
import { failInfosOf, PkiStatus, statusOf, type StatusInfo } from '../cmp/status.ts'
import { certificateHashOf, hashAlgorithm, signatureAlgorithmOf } from '../x509/algorithms.ts'
import { Certificate, tryCertificate, type Extension } from '../x509/certificate.ts'
import { buildName, NULL_DN, type GeneralName } from '../x509/names.ts'
import { PathValidator } from '../x509/path.ts'
import { CertificatePool } from '../x509/pool.ts'
import { CrlReason, extensionOf, type CrlReasonName } from '../x509/write.ts'
import { type AnswerTrust, readAnswer } from './answers.ts'
import { provenRoot, type KeyUpdate } from './news.ts'
import type { CmpTransport } from './transport.ts'

export interface CmpClientOptions {
  readonly transport: CmpTransport
  readonly clock: Clock
  readonly random: Random
  readonly protector: Protector
  /** Roots in DER: who may sign answers, and who may issue. Empty: with a shared secret, the root comes with the answer (RFC 9483 §4.1.1). */
  readonly anchors: readonly Uint8Array[]
  /** Name of the authority in DER, where it is known. */
  readonly recipient?: Uint8Array
  /** Whether answers may come from any holder of a certificate of the anchors; by default only from authorities (id-kp-cmcRA, id-kp-cmcCA). */
  readonly anySigner?: boolean
  /** Whether a certificate that leads to a root counts for nothing all the same. */
  readonly isRevoked?: (certificate: Certificate) => boolean
  /** How long a delayed certificate is waited for; a day unless told. */
  readonly maxWaitS?: number
  /** How often a message is sent again that CoAP has given up on; 2 unless told. */
  readonly retries?: number
}

export interface EnrolmentWish {
  readonly key: SigningKey
  readonly subject: Uint8Array
  readonly altNames?: readonly GeneralName[]
  readonly profile?: string
  /** Asks for a certificate that needs no confirmation. */
  readonly implicitConfirm?: boolean
  /** Told when the request waits for a decision, with the time after which it is asked again. */
  readonly onWaiting?: (checkAfterS: number) => void
}

export interface Enrolled {
  readonly certificate: Certificate
  /** Further certificates of the answer: authorities up to the root. */
  readonly others: readonly Certificate[]
  /** Roots that an answer under a shared secret brought. */
  readonly anchors: readonly Certificate[]
  readonly modified: boolean
}

const NONCE_BYTES = 16
const DEFAULT_WAIT_S = 86_400
const DEFAULT_RETRIES = 2
const MIN_POLL_S = 1
const MAX_POLL_S = 3600

interface Exchange {
  readonly id: Uint8Array
  readonly operation: BodyType
  /** The server's newest nonce. */
  theirs: Uint8Array | undefined
  /** Ours, of the first message and of the newest. */
  first: Uint8Array | undefined
  newest: Uint8Array | undefined
}

export class CmpClient {
  readonly #options: CmpClientOptions
  readonly #paths: PathValidator
  readonly #pool = new CertificatePool()

  constructor(options: CmpClientOptions) {
    this.#options = options
    this.#paths = new PathValidator(options.anchors.map((bytes) => new Certificate(bytes)))
  }

  /** ir or cr, or kur for the certificate that protects this client's messages. Fails with `ra.rejected` where the authority refuses. */
  async enrol(kind: EnrolType, wish: EnrolmentWish, signal?: AbortSignal): Promise<Enrolled> {
    const { protector } = this.#options
    const extensions: Extension[] = (wish.altNames ?? []).length === 0 ? [] : [extensionOf.subjectAltName(wish.altNames ?? [])]
    const template: CertTemplate = { subject: wish.subject, publicKey: wish.key.spki, extensions }
    const old = kind === 'kur' && protector.kind === 'signature' ? protector.certificate : undefined
    const controls =
      old === undefined
        ? []
        : [
            {
              type: Oid.regCtrlOldCertId,
              value: encodeCertId({ issuer: { kind: 'directory', name: old.issuer }, serialNumber: old.serial }),
            },
          ]
    const requestBytes = encodeCertRequest(0, template, controls)
    const signature = signAs(wish.key, requestBytes)
    const popo = { kind: 'signature', algorithm: signatureAlgorithmOf(wish.key.algorithm), signature } as const
    const request = { requestBytes, certReqId: 0, template, controls, popo, regInfo: [] }
    return await this.#request({ type: kind, requests: [request] }, 0, wish, signal)
  }

  /** With a PKCS #10 request that somebody made. */
  async enrolPkcs10(request: Uint8Array, wish: Omit<EnrolmentWish, 'subject'>, signal?: AbortSignal): Promise<Enrolled> {
    return await this.#request({ type: 'p10cr', request }, -1, wish, signal)
  }

  async revoke(certificate: Certificate, reason: CrlReasonName, signal?: AbortSignal): Promise<void> {
    const exchange = this.#begin('rr')
    const template: CertTemplate = { serialNumber: certificate.serial, issuer: certificate.issuer }
    const extensions = [{ id: Oid.crlReason, critical: false, value: integer(CrlReason[reason], Tag.ENUMERATED) }]
    const { body } = await this.#send(exchange, { type: 'rr', details: [{ template, extensions }] }, [], signal)
    if (body.type !== 'rp') throw unexpected(body)
    const [status] = body.statuses
    if (status === undefined || status.status > PkiStatus.grantedWithMods) throw rejected(status)
  }

  /** One question, one answer (RFC 9483 §4.3); undefined where the authority has nothing to say. */
  async ask(type: string, value?: Uint8Array, signal?: AbortSignal): Promise<InfoTypeAndValue | undefined> {
    const exchange = this.#begin('genm')
    const { body } = await this.#send(exchange, { type: 'genm', infos: [value === undefined ? { type } : { type, value }] }, [], signal)
    if (body.type !== 'genp') throw unexpected(body)
    const [answer] = body.infos
    return answer?.value === undefined || answer.type === Oid.itUnsupportedOids ? undefined : answer
  }

  async authorityCertificates(signal?: AbortSignal): Promise<readonly Certificate[]> {
    const answer = await this.ask(Oid.itCaCerts, undefined, signal)
    return answer?.value === undefined ? [] : elementsOf(readDer(answer.value)).map(({ bytes }) => new Certificate(bytes))
  }

  /** The status of the authority without observing announcements (RFC 9482 §2.6): its current CRL. */
  async currentCrl(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return (await this.ask(Oid.itCurrentCrl, undefined, signal))?.value
  }

  /** What comes after a root (RFC 9483 §4.3.2); undefined where it is the newest. Throws `ra.rejected` where the old root's key does not vouch for it. */
  async rootUpdate(root: Certificate, signal?: AbortSignal): Promise<KeyUpdate | undefined> {
    const answer = await this.ask(Oid.itRootCaCert, root.bytes, signal)
    if (answer?.value === undefined || answer.type !== Oid.itRootCaKeyUpdate) return undefined
    return provenRoot(answer.value, { paths: new PathValidator([root]), nowMs: this.#options.clock.now() })
  }

  async #request(
    body: Extract<PkiBody, { type: EnrolType | 'p10cr' }>,
    certReqId: number,
    wish: Omit<EnrolmentWish, 'subject'>,
    signal: AbortSignal | undefined,
  ): Promise<Enrolled> {
    const exchange = this.#begin(body.type)
    const infos = [
      ...(wish.implicitConfirm === true ? [IMPLICIT_CONFIRM] : []),
      ...(wish.profile === undefined ? [] : [certProfileInfo(wish.profile)]),
    ]
    const first = await this.#send(exchange, body, infos, signal)
    const answer = await this.#untilDecided(exchange, first, certReqId, wish, signal)
    const { responses, caPubs } = repliesOf(answer.body)
    const response = responses.find((one) => one.certReqId === certReqId)
    if (response === undefined || response.status.status > PkiStatus.grantedWithMods || response.certificate === undefined)
      throw rejected(response?.status)
    const enrolled = await this.#examine(response, caPubs, answer, wish.key)
    const granted = wish.implicitConfirm === true && hasImplicitConfirm(answer.header)
    if (enrolled instanceof AppError) {
      // What is wrong with the certificate is what matters, whatever the authority says to that.
      if (!granted) await this.#confirm(exchange, response, certReqId, false, signal).catch(() => undefined)
      throw enrolled
    }
    if (!granted) await this.#confirm(exchange, response, certReqId, true, signal)
    return enrolled
  }

  async #untilDecided(
    exchange: Exchange,
    first: PkiMessage,
    certReqId: number,
    wish: Pick<EnrolmentWish, 'onWaiting'>,
    signal: AbortSignal | undefined,
  ): Promise<PkiMessage> {
    const { clock, maxWaitS = DEFAULT_WAIT_S } = this.#options
    const endMs = clock.monotonicMs() + maxWaitS * 1000
    let answer = first
    while (isWaiting(answer.body, certReqId)) {
      if (clock.monotonicMs() > endMs) throw new AppError('ra.rejected', 'Nobody has decided on the request in time', { retryable: true })
      answer = await this.#send(exchange, { type: 'pollReq', certReqIds: [certReqId] }, [], signal)
      if (answer.body.type !== 'pollRep') continue
      const asked = answer.body.replies.find((reply) => reply.certReqId === certReqId)?.checkAfterS ?? MIN_POLL_S
      const waitS = Math.min(Math.max(asked, MIN_POLL_S), MAX_POLL_S)
      wish.onWaiting?.(waitS)
      await delay(clock, waitS * 1000, signal)
    }
    return answer
  }

  /** The certificate where it is what was asked for, or why it is not. */
  async #examine(response: CertResponse, caPubs: readonly Uint8Array[], answer: PkiMessage, key: SigningKey): Promise<Enrolled | AppError> {
    const { clock, protector } = this.#options
    const certificate = response.certificate === undefined ? undefined : this.#pool.read(response.certificate)
    if (certificate === undefined || !equalBytes(certificate.spki, key.spki))
      return new AppError('ra.rejected', 'The certificate is for another key')
    const others = answer.extraCerts.flatMap((bytes) => this.#pool.read(bytes) ?? [])
    // Only a shared secret proves who hands over a root (RFC 9483 §4.1.1).
    const brought = protector.kind === 'mac' ? caPubs.flatMap((bytes) => tryCertificate(bytes) ?? []) : []
    const paths = this.#paths.anchors.length > 0 ? this.#paths : new PathValidator(brought)
    const { ok, why } = await paths.validate(certificate, others, clock.now())
    if (!ok) return new AppError('ra.rejected', `The certificate is not valid: ${why}`)
    return { certificate, others, anchors: brought, modified: response.status.status === PkiStatus.grantedWithMods }
  }

  async #confirm(
    exchange: Exchange,
    response: CertResponse,
    certReqId: number,
    accept: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const der = response.certificate ?? new Uint8Array(0)
    const certificate = this.#pool.read(der)
    const name = certificate === undefined ? undefined : certificateHashOf(certificate.signatureAlgorithm)
    const named = certificate?.signatureAlgorithm.algorithm === Oid.ed25519 ? hashAlgorithm('sha512') : undefined
    const statusInfo = accept ? statusOf('accepted') : statusOf('rejection', 'The certificate is not acceptable', 'incorrectData')
    const body: PkiBody = { type: 'certConf', statuses: [{ certHash: hash(name ?? 'sha256', der), certReqId, statusInfo, hashAlg: named }] }
    const answer = await this.#send(exchange, body, [], signal)
    if (answer.body.type !== 'pkiconf') throw unexpected(answer.body)
  }

  #begin(operation: BodyType): Exchange {
    return { id: this.#options.random.bytes(NONCE_BYTES), operation, theirs: undefined, first: undefined, newest: undefined }
  }

  async #send(
    exchange: Exchange,
    body: PkiBody,
    generalInfo: readonly InfoTypeAndValue[],
    signal: AbortSignal | undefined,
  ): Promise<PkiMessage> {
    const { protector, random, clock, recipient } = this.#options
    const senderNonce = random.bytes(NONCE_BYTES)
    const usesHashAlg = body.type === 'certConf' && body.statuses.some(({ hashAlg }) => hashAlg !== undefined)
    const header: Omit<PkiHeader, 'protectionAlg' | 'senderKID'> = {
      pvno: usesHashAlg ? 3 : 2,
      sender: { kind: 'directory', name: senderName(protector) },
      recipient: { kind: 'directory', name: recipient ?? NULL_DN },
      messageTime: clock.now(),
      recipKID: undefined,
      transactionID: exchange.id,
      senderNonce,
      recipNonce: exchange.theirs,
      freeText: [],
      generalInfo,
    }
    exchange.first ??= senderNonce
    exchange.newest = senderNonce
    const message = await protectMessage(header, body, protector, random)
    const answer = await readAnswer(await this.#carry(message, exchange.operation, signal), exchange, this.#trust())
    exchange.theirs = answer.header.senderNonce
    if (answer.body.type === 'error') throw rejected(answer.body.status)
    return answer
  }

  /** The very same message again where no answer came: a server that has answered answers the same (RFC 9483 §3.5). */
  async #carry(message: Uint8Array, operation: BodyType, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { transport, retries = DEFAULT_RETRIES } = this.#options
    for (let left = retries; ; left--) {
      try {
        return await transport.exchange(message, operation, signal)
      } catch (thrown) {
        if (left <= 0 || !(thrown instanceof AppError) || thrown.code !== 'coap.timeout') throw thrown
      }
    }
  }

  #trust(): AnswerTrust {
    const { anySigner = false, protector, clock, isRevoked } = this.#options
    const trust = { paths: this.#paths, pool: this.#pool, anySigner, protector, nowMs: clock.now() }
    return isRevoked === undefined ? trust : { ...trust, isRevoked }
  }
}

function senderName(protector: Protector): Uint8Array {
  if (protector.kind === 'signature') return protector.certificate.subject
  return buildName([{ type: Oid.commonName, value: new TextDecoder().decode(protector.reference) }])
}

function repliesOf(body: PkiBody): { readonly responses: readonly CertResponse[]; readonly caPubs: readonly Uint8Array[] } {
  if (body.type !== 'ip' && body.type !== 'cp' && body.type !== 'kup') throw unexpected(body)
  return body
}

function isWaiting(body: PkiBody, certReqId: number): boolean {
  if (body.type === 'pollRep') return true
  if (body.type !== 'ip' && body.type !== 'cp' && body.type !== 'kup') return false
  return body.responses.find((response) => response.certReqId === certReqId)?.status.status === PkiStatus.waiting
}

function unexpected(body: PkiBody): AppError {
  return new AppError('ra.rejected', `The authority answered with ${body.type}, which does not fit`)
}

function rejected(status: StatusInfo | undefined): AppError {
  const why = status === undefined ? 'no status' : [...status.text, ...failInfosOf(status)].join('; ')
  return new AppError('ra.rejected', `The authority refuses: ${why}`, {
    details: { failInfo: status === undefined ? [] : [...failInfosOf(status)] },
  })
}
