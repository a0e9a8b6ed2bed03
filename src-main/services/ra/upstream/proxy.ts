// The CoAP-to-HTTP reverse proxy for CMP (RFC 9482 §3, §4): preconfigured servers only, everything checked before it goes on, one connection for
// a transaction, and a queue with polling while a server cannot be reached.
import { AppError, sha256, toAppError, toHex, utf8ToText, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import { findOption, OptionNumber, type IncomingRequest } from '#main/wire/coap/index.ts'
import { checkProtection } from '../client/answers.ts'
import type { CmpTransport } from '../client/transport.ts'
import type { BodyType, PkiBody } from '../cmp/body.ts'
import { macKindOf } from '../cmp/mac.ts'
import { readMessage, type PkiMessage } from '../cmp/message.ts'
import { verifySignatureOf } from '../cmp/protection.ts'
import { Refusal, statusOf, toRefusal } from '../cmp/status.ts'
import { readEnrolment } from '../engine/requests.ts'
import type { RaAnswer, RegistrationAuthority } from '../engine/authority.ts'
import { audit } from '../engine/context.ts'
import type { Credential } from '../engine/credentials.ts'
import { REPLY_TYPES } from '../engine/enrolment.ts'
import type { CmpPath } from '../transfer/paths.ts'
import type { UpstreamRouter } from '../transfer/resources.ts'
import { Certificate } from '../x509/certificate.ts'
import { NULL_DN } from '../x509/names.ts'
import { PathValidator } from '../x509/path.ts'
import { CertificatePool } from '../x509/pool.ts'
import { brings, ENROLMENTS, FIRST, isLast, isUnreachable, readAnswer, requesterOf } from './messages.ts'
import { UpstreamQueue, type QueuedAnswer } from './queue.ts'
import { innerAnswer, nest, reprotect } from './rewrite.ts'
import { DEFAULT_UPSTREAM_LIMITS, type UpstreamLimits, type UpstreamServer } from './types.ts'

export interface CmpProxyOptions {
  readonly authority: RegistrationAuthority
  readonly servers: readonly UpstreamServer[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits?: Partial<UpstreamLimits>
}

interface Running {
  readonly server: UpstreamServer
  readonly transport: CmpTransport
  readonly operation: BodyType
  /** Whose it is: nobody else may go on with it. */
  readonly requester: string
  timer: Timer | undefined
  busy: boolean
}

export class CmpProxy implements UpstreamRouter {
  readonly profiles: readonly string[]
  readonly #options: CmpProxyOptions
  readonly #limits: UpstreamLimits
  readonly #running = new Map<string, Running>()
  readonly #validators = new Map<UpstreamServer, PathValidator>()
  readonly #pool = new CertificatePool()
  readonly #queue: UpstreamQueue

  constructor(options: CmpProxyOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_UPSTREAM_LIMITS, ...options.limits }
    for (const server of options.servers) {
      if (server.mode !== 'forward' && server.protector === undefined) {
        throw new AppError('input.invalid', 'A server that is given this authority’s protection needs a key for it', {
          details: { server: server.name },
        })
      }
    }
    this.profiles = options.servers.flatMap(({ select }) => (typeof select === 'object' && 'profile' in select ? [select.profile] : []))
    this.#queue = new UpstreamQueue({
      clock: options.clock,
      limits: this.#limits,
      onLapse: (entry) => this.#drop(entry.id),
    })
  }

  /** Transactions under way and requests that wait. */
  get holdings(): { readonly running: number; readonly queued: number } {
    return { running: this.#running.size, queued: this.#queue.size }
  }

  close(): void {
    for (const id of [...this.#running.keys()]) this.#drop(id)
    this.#queue.close()
  }

  route(payload: Uint8Array, path: CmpPath, request: IncomingRequest): Promise<RaAnswer> | undefined {
    const server = this.#select(path, request)
    return server === undefined ? undefined : this.#handle(server, payload, path)
  }

  #select({ profile }: CmpPath, request: IncomingRequest): UpstreamServer | undefined {
    const hostOption = findOption(request.options, OptionNumber.URI_HOST)
    const host = hostOption === undefined ? undefined : utf8ToText(hostOption.value)?.toLowerCase()
    const { servers } = this.#options
    return (
      servers.find(({ select }) => typeof select === 'object' && 'profile' in select && select.profile === profile) ??
      (profile === undefined
        ? servers.find(({ select }) => typeof select === 'object' && 'host' in select && select.host.toLowerCase() === host)
        : undefined) ??
      (profile === undefined ? servers.find(({ select }) => select === 'default') : undefined)
    )
  }

  async #handle(server: UpstreamServer, payload: Uint8Array, path: CmpPath): Promise<RaAnswer> {
    let message: PkiMessage | undefined
    let credential: Credential | undefined
    try {
      message = readMessage(payload)
      if (path.allowed?.includes(message.body.type) === false) throw new Refusal('badRequest', 'The message does not belong to this path')
      credential = await this.#check(server, message)
      const bytes = await this.#pass(server, message, credential)
      return { bytes, failInfo: undefined, isError: false }
    } catch (thrown) {
      return await this.#refuse(thrown, message, credential)
    }
  }

  /** Syntax and protection, before anything goes on (RFC 9482 §4). The credential where it is one that this authority knows. */
  async #check(server: UpstreamServer, message: PkiMessage): Promise<Credential | undefined> {
    const { header } = message
    const { clock, authority } = this.#options
    const { settings } = authority.context
    if (header.pvno !== 2 && header.pvno !== 3) throw new Refusal('unsupportedVersion', 'Versions 2 and 3 of CMP are spoken here')
    if (header.transactionID === undefined || header.transactionID.length === 0)
      throw new Refusal('badDataFormat', 'The message has no transaction identifier')
    if (header.senderNonce === undefined) throw new Refusal('badSenderNonce', 'The message has no nonce')
    if (header.messageTime !== undefined && Math.abs(header.messageTime - clock.now()) > settings.messageTimeWindowS * 1000) {
      throw new Refusal('badTime', 'The message was made at another time than this clock shows')
    }
    if (header.protectionAlg === undefined || message.protection === undefined)
      throw new Refusal('wrongIntegrity', 'The message is not protected')
    if (macKindOf(header.protectionAlg) !== undefined && server.passSecrets === true && server.mode === 'forward') return undefined
    const credential = await this.#authenticate(server, message)
    const { body } = message
    // A one-time secret serves one enrolment here as well; with a server that knows it itself, that is the server's to say.
    const isSpent = server.mode !== 'forward' && credential?.requester.kind === 'secret' && credential.preRegistration?.usedAt !== undefined
    if (isSpent && ENROLMENTS.includes(body.type)) throw new Refusal('notAuthorized', 'The secret has served its enrolment')
    if (body.type === 'ir' || body.type === 'cr' || body.type === 'kur' || body.type === 'p10cr') {
      // A request whose key nobody has is not worth the server's time; certificates of an authority elsewhere cannot be weighed here.
      readEnrolment(body, { header, mayVouch: credential?.requester.kind === 'ra', issuer: NULL_DN })
    }
    return credential
  }

  /** By what this authority knows, or by a certificate that the server's own authorities have issued. */
  async #authenticate(server: UpstreamServer, message: PkiMessage): Promise<Credential | undefined> {
    try {
      return await this.#options.authority.credentials.authenticate(message)
    } catch (thrown) {
      const isStranger = thrown instanceof Refusal && thrown.failInfo === 'signerNotTrusted'
      if (!isStranger) throw thrown
      const signer = verifySignatureOf(message, [], this.#pool.read)
      const others = message.extraCerts.slice(1).flatMap((bytes) => this.#pool.read(bytes) ?? [])
      const { ok } = await this.#validatorOf(server).validate(signer, others, this.#options.clock.now())
      if (!ok) throw thrown
      return undefined
    }
  }

  #validatorOf(server: UpstreamServer): PathValidator {
    const known = this.#validators.get(server) ?? new PathValidator(server.anchors.map((bytes) => new Certificate(bytes)))
    this.#validators.set(server, known)
    return known
  }

  async #pass(server: UpstreamServer, message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    const id = toHex(message.header.transactionID ?? new Uint8Array(0))
    const requester = requesterOf(message, credential)
    const queued = this.#queue.get(id)
    if (queued !== undefined) {
      if (queued.requester !== requester) throw new Refusal('notAuthorized', 'The message is not from whoever began the transaction')
      if (message.body.type === 'pollReq' || queued.requestHash === toHex(sha256(message.bytes)))
        return await this.#pollQueued(server, id, queued.state(), message, credential)
    }
    const running = this.#running.get(id)
    if (FIRST.includes(message.body.type)) {
      if (running !== undefined || queued !== undefined) throw new Refusal('transactionIdInUse', 'The transaction identifier is in use')
      return await this.#begin(server, message, credential, id, requester)
    }
    if (running === undefined) throw new Refusal('badRequest', 'There is no such transaction')
    if (running.requester !== requester || running.server !== server)
      throw new Refusal('notAuthorized', 'The message is not from whoever began the transaction')
    if (running.busy) throw new Refusal('systemUnavail', 'The transaction waits for an answer already')
    return await this.#exchange(running, id, message, credential)
  }

  async #begin(
    server: UpstreamServer,
    message: PkiMessage,
    credential: Credential | undefined,
    id: string,
    requester: string,
  ): Promise<Uint8Array> {
    if (this.#running.size >= this.#limits.transactions) throw new Refusal('systemUnavail', 'Too many transactions are under way')
    const running: Running = { server, transport: server.connect(), operation: message.body.type, requester, timer: undefined, busy: false }
    this.#running.set(id, running)
    try {
      return await this.#exchange(running, id, message, credential)
    } catch (thrown) {
      this.#drop(id)
      const { body } = message
      const canWait = body.type === 'ir' || body.type === 'cr' || body.type === 'kur' || body.type === 'p10cr'
      if (!isUnreachable(thrown) || !canWait) throw thrown
      return await this.#enqueue(server, message, credential, id, requester)
    }
  }

  async #exchange(running: Running, id: string, message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    running.timer?.cancel()
    running.busy = true
    try {
      const answer = await this.#ask(running.server, running.transport, running.operation, message, credential)
      if (isLast(answer)) this.#drop(id)
      else running.timer = this.#options.clock.setTimer(this.#limits.idleS * 1000, () => this.#drop(id))
      return await this.#toDevice(running.server, answer, credential)
    } catch (thrown) {
      this.#drop(id)
      throw thrown
    } finally {
      running.busy = false
    }
  }

  /** To the server and back. */
  async #ask(
    server: UpstreamServer,
    transport: CmpTransport,
    operation: BodyType,
    message: PkiMessage,
    credential: Credential | undefined,
  ): Promise<PkiMessage> {
    const { clock, random } = this.#options
    const { protector, mode } = server
    const sent =
      mode === 'forward' || protector === undefined
        ? message.bytes
        : mode === 'nest'
          ? await nest(message, protector, clock.now(), random)
          : await reprotect(message, protector, clock.now(), random, server.popo)
    const raw = readAnswer(await transport.exchange(sent, operation))
    audit(this.#options.authority.context, 'ra.forwarded', credential?.requester.name ?? 'device', {
      server: server.name,
      mode,
      body: message.body.type,
      answer: raw.body.type,
    })
    const answer = mode === 'nest' ? readAnswer(innerAnswer(raw)) : raw
    const sameTransaction =
      toHex(answer.header.transactionID ?? new Uint8Array(0)) === toHex(message.header.transactionID ?? new Uint8Array(0))
    if (!sameTransaction && answer.body.type !== 'error') throw new Refusal('systemFailure', 'The server answered for another transaction')
    await this.#checkAnswer(server, answer)
    if (mode !== 'forward' && brings(answer)) this.#consume(credential)
    return answer
  }

  async #checkAnswer(server: UpstreamServer, answer: PkiMessage): Promise<void> {
    const { mode, protector } = server
    // In the end the device checks it; where this authority puts its own name under it, it must believe it first.
    if (mode !== 'replace') return
    if (answer.protection === undefined && answer.body.type === 'error') return
    await checkProtection(answer, {
      paths: this.#validatorOf(server),
      pool: this.#pool,
      anySigner: false,
      nowMs: this.#options.clock.now(),
      ...(protector === undefined ? {} : { protector }),
    })
  }

  #consume(credential: Credential | undefined): void {
    const { store, clock } = this.#options.authority.context
    const reference = credential?.requester.kind === 'secret' ? credential.preRegistration?.reference : undefined
    const current = reference === undefined ? undefined : store.preRegistration(reference)
    if (current !== undefined) store.savePreRegistrations([{ ...current, usedAt: current.usedAt ?? clock.now() }])
  }

  /** As it came, or under this authority's own protection or the device's secret. `poll`: the poll that it answers after a delay. */
  #toDevice({ mode }: UpstreamServer, answer: PkiMessage, credential: Credential | undefined, poll?: PkiMessage): Promise<Uint8Array> {
    if (mode !== 'replace') return Promise.resolve(answer.bytes)
    const { authority, clock, random } = this.#options
    const { ca, settings } = authority.context
    const delayed = poll !== undefined && settings.delayedNonce === 'poll'
    const header = delayed ? { ...answer.header, recipNonce: poll.header.senderNonce } : answer.header
    return reprotect({ ...answer, header }, credential?.protector ?? ca.active.signer, clock.now(), random)
  }

  async #enqueue(
    server: UpstreamServer,
    message: PkiMessage,
    credential: Credential | undefined,
    id: string,
    requester: string,
  ): Promise<Uint8Array> {
    this.#queue.add({
      id,
      requester,
      requestHash: toHex(sha256(message.bytes)),
      bytes: message.bytes.length,
      attempt: async () => {
        const transport = server.connect()
        try {
          const answer = await this.#ask(server, transport, message.body.type, message, credential)
          if (isLast(answer)) transport.close()
          else this.#adopt(id, server, transport, message.body.type, requester)
          return answer.bytes
        } catch (thrown) {
          transport.close()
          throw thrown
        }
      },
    })
    return await this.#waiting(message, credential)
  }

  /** The connection on which the server answered is the one on which it goes on. */
  #adopt(id: string, server: UpstreamServer, transport: CmpTransport, operation: BodyType, requester: string): void {
    const running: Running = { server, transport, operation, requester, timer: undefined, busy: false }
    running.timer = this.#options.clock.setTimer(this.#limits.queueS * 1000, () => this.#drop(id))
    this.#running.set(id, running)
  }

  async #pollQueued(
    server: UpstreamServer,
    id: string,
    state: QueuedAnswer,
    message: PkiMessage,
    credential: Credential | undefined,
  ): Promise<Uint8Array> {
    if (state.kind === 'waiting')
      return message.body.type === 'pollReq' ? await this.#pollReply(message, credential) : await this.#waiting(message, credential)
    this.#queue.remove(id)
    if (state.kind === 'answered') return await this.#toDevice(server, readMessage(state.bytes), credential, message)
    throw state.refusal
  }

  async #waiting(message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    const { body } = message
    if (body.type !== 'ir' && body.type !== 'cr' && body.type !== 'kur' && body.type !== 'p10cr')
      throw new Refusal('badRequest', 'Only enrolments wait')
    const reply: PkiBody = {
      type: REPLY_TYPES[body.type],
      caPubs: [],
      responses: [{ certReqId: body.type === 'p10cr' ? -1 : 0, status: statusOf('waiting') }],
    }
    return (await this.#options.authority.context.replies.build(message.header, reply, credential?.protector)).bytes
  }

  async #pollReply(message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    if (message.body.type !== 'pollReq') throw new Refusal('badRequest', 'The transaction waits for its answer')
    const reply: PkiBody = {
      type: 'pollRep',
      replies: message.body.certReqIds.map((certReqId) => ({ certReqId, checkAfterS: this.#limits.checkAfterS, reason: [] })),
    }
    return (await this.#options.authority.context.replies.build(message.header, reply, credential?.protector)).bytes
  }

  async #refuse(thrown: unknown, message: PkiMessage | undefined, credential: Credential | undefined): Promise<RaAnswer> {
    const { context } = this.#options.authority
    const refusal =
      toRefusal(thrown) ??
      new Refusal(
        isUnreachable(thrown) ? 'systemUnavail' : 'systemFailure',
        `The request was not answered: ${toAppError(thrown).message}`,
        thrown,
      )
    audit(context, 'ra.refused', credential?.requester.name ?? 'device', {
      failInfo: refusal.failInfo,
      why: refusal.message,
      source: 'upstream',
      body: message?.body.type ?? null,
    })
    const body: PkiBody = {
      type: 'error',
      status: statusOf('rejection', refusal.message, refusal.failInfo),
      errorCode: undefined,
      errorDetails: [],
    }
    const { bytes } = await context.replies.build(message?.header, body, credential?.protector)
    return { bytes, failInfo: refusal.failInfo, isError: true }
  }

  #drop(id: string): void {
    const running = this.#running.get(id)
    this.#running.delete(id)
    running?.timer?.cancel()
    running?.transport.close()
  }
}
