// The registration authority: takes a CMP message, answers with one. Checks in the order of RFC 9483 §3.5; what people decide comes in by `RaDesk`.
import { AppError, equalBytes, silentLogger, toAppError, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import type { SiteCa } from '../ca/site-ca.ts'
import type { BodyType, PkiBody } from '../cmp/body.ts'
import { checkConfirmation, type PkiHeader } from '../cmp/header.ts'
import { readMessage, type PkiMessage } from '../cmp/message.ts'
import type { MacLimits } from '../cmp/mac.ts'
import { Refusal, statusOf, toRefusal, type FailInfo } from '../cmp/status.ts'
import { DEVICE_PROFILE, checkProfile } from '../ca/profiles.ts'
import type { AuditSink, KeyVault, RaStore } from '../types.ts'
import { CommitQueue } from './commits.ts'
import { confirm, lapseOverdue, poll, rejectByError } from './confirmation.ts'
import { audit, type RaContext, type RaSettings } from './context.ts'
import { Credentials, type Credential } from './credentials.ts'
import { enrol, REPLY_TYPES } from './enrolment.ts'
import { RefusalLog } from './refusals.ts'
import { CMP_2000, CMP_2021, Replies } from './replies.ts'
import { revokeByRequest } from './revocation.ts'
import { answerInfos } from './support.ts'

export const DEFAULT_SETTINGS: RaSettings = {
  policy: { mode: 'automatic' },
  profiles: [DEVICE_PROFILE],
  confirmWaitS: 300,
  approvalWaitS: 14 * 86_400,
  checkAfterS: 60,
  messageTimeWindowS: 600,
  requireMessageTime: false,
  maxWaiting: 1000,
  rememberedTransactions: 100_000,
  delayedNonce: 'poll',
}

export interface RaOptions {
  readonly store: RaStore
  readonly ca: SiteCa
  readonly vault: KeyVault
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  readonly audit?: AuditSink
  readonly settings?: Partial<RaSettings>
  /** Certificates of manufacturers' authorities, in DER: whose devices may enrol by their IDevIDs. */
  readonly manufacturerAnchors?: readonly Uint8Array[]
  /** Certificates of registration authorities that may speak for others, in DER. */
  readonly trustedRas?: readonly Uint8Array[]
  readonly macLimits?: MacLimits
  /** Whether requests that come together share a durable write; each then takes a turn of the event loop longer. */
  readonly groupCommits?: boolean
  /** Told when something changed that people look at. */
  readonly onChange?: () => void
}

export interface RequestOrigin {
  /** From the path. */
  readonly profile?: string
  /** Who sent it, for the audit. */
  readonly source: string
  /** Bodies that the path stands for; any by default. */
  readonly allowed?: readonly BodyType[]
}

export interface RaAnswer {
  /** A PKIMessage in DER. */
  readonly bytes: Uint8Array
  /** Why the message was refused; undefined where it was not. */
  readonly failInfo: FailInfo | undefined
  /** Whether the refusal stands in an error message, not in a response of the request's own kind. */
  readonly isError: boolean
}

const NONCE_MIN_BYTES = 16
/** Of what goes into the audit and back to the sender: parts of it may be the sender's own words. */
const MAX_REASON = 300
/** Messages of a batch: each is as much work as one by itself. */
const MAX_NESTED = 32
const LOOK_EVERY_MS = 3_600_000
const FIRST_BODIES: readonly BodyType[] = ['ir', 'cr', 'kur', 'p10cr', 'rr', 'genm']

export class RegistrationAuthority {
  readonly context: RaContext
  #credentials: Credentials
  readonly #options: RaOptions
  readonly #commits: CommitQueue | undefined
  /** Tells the audit what was refused, whatever carried it here. */
  readonly refusals: RefusalLog
  #timer: Timer | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #closed = false

  constructor(options: RaOptions) {
    const { store, ca, vault, clock, random } = options
    this.#options = options
    this.#commits = options.groupCommits === true ? new CommitQueue(store, clock) : undefined
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    settings.profiles.forEach(checkProfile)
    this.context = {
      store,
      ca,
      vault,
      clock,
      random,
      logger: options.logger ?? silentLogger,
      replies: new Replies(ca, clock, random),
      commit: (work) => (this.#commits === undefined ? Promise.resolve().then(() => store.transaction(work)) : this.#commits.add(work)),
      audit: options.audit ?? (() => undefined),
      settings,
      expire: (atMs) => this.#arm(atMs),
      changed: options.onChange ?? (() => undefined),
    }
    this.#credentials = this.#makeCredentials(options.manufacturerAnchors ?? [], options.trustedRas ?? [])
    this.refusals = new RefusalLog(clock, (actor, details) => audit(this.context, 'ra.refused', actor, details))
    this.#lapse()
  }

  get credentials(): Credentials {
    return this.#credentials
  }

  /** From now on; open transactions stay. */
  configure(settings: Partial<RaSettings>): void {
    const next = { ...this.context.settings, ...settings }
    next.profiles.forEach(checkProfile)
    this.context.settings = next
    this.context.changed()
  }

  /** Whose devices and whose registration authorities are trusted from now on. Throws `der.invalid`. */
  trust(manufacturerAnchors: readonly Uint8Array[], trustedRas: readonly Uint8Array[]): void {
    this.#credentials = this.#makeCredentials(manufacturerAnchors, trustedRas)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#commits?.flush()
  }

  /** Answers any bytes. Throws only for defects of this program and of its store. */
  async handle(bytes: Uint8Array, origin: RequestOrigin): Promise<RaAnswer> {
    let message: PkiMessage | undefined
    let credential: Credential | undefined
    try {
      message = readMessage(bytes)
      if (!this.context.ca.exists) throw new Refusal('systemUnavail', 'The authority is not set up yet')
      this.#checkHeader(message.header, message.body)
      if (origin.allowed?.includes(message.body.type) === false) throw new Refusal('badRequest', 'The message does not belong to this path')
      credential = await this.#credentials.authenticate(message)
      return { bytes: await this.#answer(message, credential, origin), failInfo: undefined, isError: false }
    } catch (thrown) {
      return await this.#refuse(thrown, message, credential, origin)
    }
  }

  async #answer(message: PkiMessage, credential: Credential, origin: RequestOrigin): Promise<Uint8Array> {
    const { body, header } = message
    const { context } = this
    switch (body.type) {
      case 'ir':
      case 'cr':
      case 'kur':
      case 'p10cr':
        return await enrol(context, { message, body, credential, profilePath: origin.profile })
      case 'certConf':
        return await confirm(context, message, body, credential)
      case 'pollReq':
        return await poll(context, message, body, credential)
      case 'rr':
        return await revokeByRequest(context, message, body, credential)
      case 'error':
        return await rejectByError(context, message, credential)
      case 'genm': {
        const infos = answerInfos(context, body.infos, header, origin.profile)
        return (await context.replies.build(header, { type: 'genp', infos }, credential.protector)).bytes
      }
      case 'nested':
        return await this.#unwrap(message, body.messages, credential, origin)
      case 'ip':
      case 'cp':
      case 'kup':
      case 'rp':
      case 'genp':
      case 'pkiconf':
      case 'pollRep':
      case 'popdecc':
      case 'popdecr':
      case 'krr':
      case 'krp':
      case 'ccr':
      case 'ccp':
      case 'ckuann':
      case 'cann':
      case 'rann':
      case 'crlann':
        throw new Refusal('badRequest', `A message of the kind ${body.type} is not taken here`)
    }
  }

  /** Added protection (RFC 9483 §5.2.2): one message is answered as if it had come by itself, several in a batch together. */
  async #unwrap(message: PkiMessage, inner: readonly Uint8Array[], credential: Credential, origin: RequestOrigin): Promise<Uint8Array> {
    if (credential.requester.kind !== 'ra') throw new Refusal('notAuthorized', 'Only a registration authority may wrap messages')
    if (inner.length === 0) throw new Refusal('badRequest', 'The nested message is empty')
    if (inner.length === 1) checkAdded(message, inner[0])
    if (inner.length > MAX_NESTED) throw new Refusal('badRequest', 'The nested message holds too many messages')
    const answers: Uint8Array[] = []
    for (const bytes of inner) answers.push(await this.#handleInner(bytes, origin))
    const [only] = answers
    if (answers.length === 1 && only !== undefined) return only
    return (await this.context.replies.build(message.header, { type: 'nested', messages: answers }, credential.protector)).bytes
  }

  async #handleInner(bytes: Uint8Array, origin: RequestOrigin): Promise<Uint8Array> {
    let message: PkiMessage | undefined
    let credential: Credential | undefined
    try {
      message = readMessage(bytes)
      if (message.body.type === 'nested') throw new Refusal('badRequest', 'Messages are wrapped once')
      this.#checkHeader(message.header, message.body)
      credential = await this.#credentials.authenticate(message)
      return await this.#answer(message, credential, origin)
    } catch (thrown) {
      return (await this.#refuse(thrown, message, credential, origin)).bytes
    }
  }

  #checkHeader(header: PkiHeader, body: PkiBody): void {
    const { settings, clock } = this.context
    if (header.pvno !== CMP_2000 && header.pvno !== CMP_2021)
      throw new Refusal('unsupportedVersion', 'Versions 2 and 3 of CMP are spoken here')
    if (header.transactionID === undefined || header.transactionID.length === 0)
      throw new Refusal('badDataFormat', 'The message has no transaction identifier')
    if (header.senderNonce === undefined || header.senderNonce.length < NONCE_MIN_BYTES) {
      throw new Refusal('badSenderNonce', 'The message has no nonce of 128 bits')
    }
    if (FIRST_BODIES.includes(body.type) && header.recipNonce !== undefined) {
      throw new Refusal('badRecipientNonce', 'The first message of a transaction answers none')
    }
    checkConfirmation(header)
    if (header.messageTime === undefined) {
      if (settings.requireMessageTime) throw new Refusal('badTime', 'The message does not say when it was made')
    } else if (Math.abs(header.messageTime - clock.now()) > settings.messageTimeWindowS * 1000) {
      throw new Refusal('badTime', 'The message was made at another time than this clock shows')
    }
  }

  async #refuse(
    thrown: unknown,
    message: PkiMessage | undefined,
    credential: Credential | undefined,
    origin: RequestOrigin,
  ): Promise<RaAnswer> {
    const refusal = toRefusal(thrown) ?? this.#failure(thrown)
    const { failInfo } = refusal
    this.refusals.tell(credential?.requester.name ?? origin.source, {
      failInfo,
      why: refusal.message.slice(0, MAX_REASON),
      source: origin.source,
      body: message?.body.type ?? null,
    })
    const status = statusOf('rejection', refusal.message.slice(0, MAX_REASON), failInfo)
    const own =
      credential === undefined || message === undefined || failInfo === 'transactionIdInUse'
        ? undefined
        : rejectionBody(message.body, status)
    const body: PkiBody = own ?? { type: 'error', status, errorCode: undefined, errorDetails: [] }
    const { bytes } = await this.context.replies.build(message?.header, body, credential?.protector)
    return { bytes, failInfo, isError: own === undefined }
  }

  #failure(thrown: unknown): Refusal {
    const error = toAppError(thrown)
    this.context.logger.error({ err: error }, 'a CMP message could not be handled')
    if (error.code === 'ra.vault-locked' || error.code === 'ra.no-authority')
      return new Refusal('systemUnavail', 'The authority is not available', error)
    return new Refusal('systemFailure', 'The request could not be handled', error)
  }

  #makeCredentials(manufacturerAnchors: readonly Uint8Array[], trustedRas: readonly Uint8Array[]): Credentials {
    const { store, ca, vault, clock, random, macLimits } = this.#options
    const base = { store, ca, vault, clock, random, manufacturerAnchors, trustedRas }
    return new Credentials(macLimits === undefined ? base : { ...base, macLimits })
  }

  #lapse(): void {
    if (this.#closed) return
    try {
      lapseOverdue(this.context)
      const { store, settings, clock } = this.context
      store.pruneTransactions(clock.now(), clock.now() - settings.approvalWaitS * 2000, settings.rememberedTransactions)
    } catch (thrown) {
      this.context.logger.error(
        { err: thrown instanceof AppError ? thrown : toAppError(thrown) },
        'overdue transactions could not be closed',
      )
    }
    const { store, clock } = this.context
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#arm(Math.min(clock.now() + LOOK_EVERY_MS, ...store.openTransactions().map(({ deadlineAt }) => deadlineAt)))
  }

  /** One timer for the next deadline; it looks once in a while in any case, for the wall clock may be set. */
  #arm(atMs: number): void {
    if (this.#closed || atMs >= this.#dueAt) return
    this.#dueAt = atMs
    this.#timer?.cancel()
    this.#timer = this.context.clock.setTimer(Math.max(atMs - this.context.clock.now(), 0), () => this.#lapse())
  }
}

/** A message that is wrapped alone gives its identifier and its nonce to what wraps it (RFC 9483 §5.2.2.1). */
function checkAdded({ header }: PkiMessage, inner: Uint8Array | undefined): void {
  if (inner === undefined) return
  const { transactionID, senderNonce } = readMessage(inner).header
  const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean => a !== undefined && b !== undefined && equalBytes(a, b)
  if (!same(transactionID, header.transactionID)) throw new Refusal('badRequest', 'The wrapped message belongs to another transaction')
  if (!same(senderNonce, header.senderNonce)) throw new Refusal('badSenderNonce', 'The wrapped message has another nonce')
}

/** A rejection in the response that the request has; undefined where there is none of that kind. */
function rejectionBody(body: PkiBody, status: ReturnType<typeof statusOf>): PkiBody | undefined {
  if (body.type === 'ir' || body.type === 'cr' || body.type === 'kur' || body.type === 'p10cr') {
    return { type: REPLY_TYPES[body.type], caPubs: [], responses: [{ certReqId: body.type === 'p10cr' ? -1 : 0, status }] }
  }
  return body.type === 'rr' ? { type: 'rp', statuses: [status], revCerts: [], crls: [] } : undefined
}
