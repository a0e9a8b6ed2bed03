// The CoAP-to-HTTP reverse proxy for CMP (RFC 9482 §3, §4): preconfigured servers only, everything checked before it goes on, one connection for
// a transaction, and a queue with polling while a server cannot be reached. What is under way survives a restart.
import { AppError, toAppError, toHex, utf8ToText, type Clock, type Logger, type Random } from '#main/base/index.ts'
import { findOption, OptionNumber, type IncomingRequest } from '#main/wire/coap/index.ts'
import type { CmpTransport } from '../client/transport.ts'
import { BODY_TYPES, type BodyType, type PkiBody } from '../cmp/body.ts'
import { readMessage, type PkiMessage } from '../cmp/message.ts'
import { FAIL_INFOS, Refusal, statusOf, toRefusal } from '../cmp/status.ts'
import type { RaAnswer, RegistrationAuthority } from '../engine/authority.ts'
import { audit } from '../engine/context.ts'
import type { Credential } from '../engine/credentials.ts'
import { RefusalLog } from '../engine/refusals.ts'
import { requestHash } from '../engine/replies.ts'
import type { CmpPath } from '../transfer/paths.ts'
import type { UpstreamRouter } from '../transfer/resources.ts'
import { UpstreamChecks } from './checks.ts'
import { UpstreamKeeper, type Kept } from './keeper.ts'
import { brings, ENROLMENTS, FIRST, isLast, isUnreachable, readAnswer, requesterOf, UNKNOWN } from './messages.ts'
import { UpstreamQueue, type NewEntry, type QueuedAnswer } from './queue.ts'
import { innerAnswer, nest, reprotect } from './rewrite.ts'
import { SentMessages } from './sent.ts'
import { UpstreamTransactions, type Running } from './transactions.ts'
import { pollAgain, toldToWait } from './waiting.ts'
import { DEFAULT_UPSTREAM_LIMITS, type UpstreamLimits, type UpstreamServer, type UpstreamStore } from './types.ts'

export interface CmpProxyOptions {
  readonly authority: RegistrationAuthority
  readonly servers: readonly UpstreamServer[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits?: Partial<UpstreamLimits>
  /** Where what is under way is kept over restarts; without one it is not. */
  readonly store?: UpstreamStore
}

/** Of what goes into the audit and back to the sender: parts of it may be the server's own words. */
const MAX_REASON = 300
/** Transactions of one requester at a time. */
const MOST_OF_ONE = 8

export class CmpProxy implements UpstreamRouter {
  readonly profiles: readonly string[]
  readonly #options: CmpProxyOptions
  readonly #limits: UpstreamLimits
  readonly #checks: UpstreamChecks
  readonly #keeper: UpstreamKeeper
  readonly #transactions: UpstreamTransactions
  readonly #queue: UpstreamQueue
  readonly #sent: SentMessages
  readonly #refusals: RefusalLog

  constructor(options: CmpProxyOptions) {
    const { clock, logger, authority, store } = options
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
    this.#checks = new UpstreamChecks(authority, clock)
    this.#refusals = new RefusalLog(clock, (actor, details) => audit(authority.context, 'ra.refused', actor, details))
    this.#keeper = new UpstreamKeeper({ store, vault: authority.context.vault, logger })
    this.#sent = new SentMessages(clock, this.#keeper)
    this.#transactions = new UpstreamTransactions({ clock, limits: this.#limits, keeper: this.#keeper })
    this.#queue = new UpstreamQueue({
      clock,
      limits: this.#limits,
      keeper: this.#keeper,
      onLapse: (entry) => this.#transactions.drop(entry.id),
    })
  }

  /** Transactions under way and requests that wait. */
  get holdings(): { readonly running: number; readonly queued: number } {
    return { running: this.#transactions.size, queued: this.#queue.size }
  }

  /** Takes up what was under way when this was closed, or killed; before anything is routed here. */
  async takeUp(): Promise<void> {
    for (const kept of await this.#keeper.restore(this.#options.clock.now())) {
      const server = this.#options.servers.find(({ name }) => name === kept.record.server)
      if (server === undefined || !this.#takeUpOne(server, kept)) this.#keeper.remove(kept.record.id)
    }
  }

  /** Hangs up; what is kept stays kept. */
  close(): void {
    this.#transactions.close()
    this.#queue.close()
    this.#sent.close()
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
      credential = await this.#checks.request(server, message, path.profile)
      const bytes = await this.#pass(server, message, credential)
      return { bytes, failInfo: undefined, isError: false }
    } catch (thrown) {
      return await this.#refuse(thrown, message, credential)
    }
  }

  async #pass(server: UpstreamServer, message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    const id = toHex(message.header.transactionID ?? new Uint8Array(0))
    const requester = requesterOf(message, credential)
    const hash = requestHash(message.bytes)
    const isFirst = FIRST.includes(message.body.type)
    const queued = this.#queue.get(id)
    const running = this.#transactions.get(id)
    const isTheirs = [queued?.requester, running?.requester].every((whose) => whose === undefined || whose === requester)
    if (!isTheirs || (running !== undefined && running.server !== server)) {
      if (isFirst) throw new Refusal('transactionIdInUse', 'The transaction identifier is in use')
      throw new Refusal('notAuthorized', 'The message is not from whoever began the transaction')
    }
    if (queued !== undefined && (message.body.type === 'pollReq' || queued.requestHash === hash))
      return await this.#pollQueued(server, id, queued.state(), message, credential)
    // The same message again has lost its answer (RFC 9483 §3.5); the server is not asked twice.
    if (running?.last?.requestHash === hash) return running.last.bytes
    if (running?.pending?.requestHash === hash) return await running.pending.answer
    if (isFirst) {
      if (running !== undefined || queued !== undefined) throw new Refusal('transactionIdInUse', 'The transaction identifier is in use')
      return await this.#begin(server, message, credential, { id, requester, hash })
    }
    if (running === undefined || running.done) throw new Refusal('badRequest', 'There is no such transaction')
    if (running.pending !== undefined) throw new Refusal('systemUnavail', 'The transaction waits for an answer already')
    // It goes on: the answer that was waited for has arrived.
    this.#queue.forget(id)
    try {
      return await this.#exchange(running, hash, message, credential)
    } catch (thrown) {
      // Where the server cannot be reached just now, the device may say the same again later.
      if (isUnreachable(thrown)) this.#transactions.hangUp(running)
      else this.#transactions.drop(id)
      throw thrown
    }
  }

  async #begin(
    server: UpstreamServer,
    message: PkiMessage,
    credential: Credential | undefined,
    { id, requester, hash }: { readonly id: string; readonly requester: string; readonly hash: string },
  ): Promise<Uint8Array> {
    this.#requireUnspent(server, message, credential)
    if (
      credential?.requester.kind === 'secret' &&
      server.mode !== 'forward' &&
      this.#transactions.countOf((whose) => whose === requester) > 0
    )
      throw new Refusal('systemUnavail', 'The secret serves another enrolment at this moment')
    this.#requireShare(requester)
    const operation = message.body.type
    const running = this.#transactions.open({ id, server, operation, requester, transport: server.connect() })
    try {
      return await this.#exchange(running, hash, message, credential)
    } catch (thrown) {
      this.#transactions.drop(id)
      if (!isUnreachable(thrown) || !ENROLMENTS.includes(operation)) throw thrown
      if (credential !== undefined) this.#queue.removeWaitingOf(requester)
      await this.#queue.add(this.#entryOf(server, message, { id, requester, hash }))
      return await toldToWait(this.#options.authority.context.replies, message, credential)
    }
  }

  /** One requester, and all together whom nobody here knows, leave room for others. */
  #requireShare(requester: string): void {
    const isUnknown = requester.startsWith(UNKNOWN)
    const isTheirs = (whose: string): boolean => (isUnknown ? whose.startsWith(UNKNOWN) : whose === requester)
    const most = isUnknown ? this.#limits.transactions / 2 : Math.min(MOST_OF_ONE, this.#limits.transactions)
    if (this.#transactions.countOf(isTheirs) >= most || (isUnknown && this.#queue.countOf(isTheirs) >= this.#limits.queued / 2))
      throw new Refusal('systemUnavail', 'Too many transactions of this requester are under way')
  }

  /** A one-time secret serves one enrolment here as well; with a server that knows it itself, that is the server's to say. */
  #requireUnspent({ mode }: UpstreamServer, { body }: PkiMessage, credential: Credential | undefined): void {
    const isSpent = mode !== 'forward' && credential?.requester.kind === 'secret' && credential.preRegistration?.usedAt !== undefined
    if (isSpent && ENROLMENTS.includes(body.type)) throw new Refusal('notAuthorized', 'The secret has served its enrolment')
  }

  async #exchange(running: Running, hash: string, message: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
    const { server, operation } = running
    const work = async (): Promise<Uint8Array> => {
      running.transport ??= server.connect()
      const answer = await this.#ask(server, running.transport, operation, message, credential)
      const bytes = await this.#toDevice(server, answer, credential)
      await this.#transactions.answered(running, hash, bytes, isLast(answer))
      return bytes
    }
    const answer = work()
    running.pending = { requestHash: hash, answer }
    try {
      return await answer
    } finally {
      running.pending = undefined
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
          : await this.#sent.of(
              { server: server.name, operation, requester: requesterOf(message, credential), requestHash: requestHash(message.bytes) },
              () => reprotect(message, protector, clock.now(), random, server.popo),
            )
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
    await this.#checks.answer(server, answer)
    if (mode !== 'forward' && brings(answer)) this.#consume(credential)
    return answer
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

  /** A request that waits. Who sent it is looked at anew at each attempt: it may have lost its right meanwhile, or its secret its use. */
  #entryOf(
    server: UpstreamServer,
    message: PkiMessage,
    { id, requester, hash }: { readonly id: string; readonly requester: string; readonly hash: string },
  ): NewEntry {
    const operation = message.body.type
    const attempt = async (): Promise<Uint8Array> => {
      const credential = await this.#checks.credential(server, message)
      this.#requireUnspent(server, message, credential)
      const transport = server.connect()
      try {
        const answer = await this.#ask(server, transport, operation, message, credential)
        // The connection on which the server answered is the one on which it goes on.
        if (isLast(answer)) transport.close()
        else this.#transactions.adopt({ id, server, operation, requester, transport }, this.#limits.queueS)
        return answer.bytes
      } catch (thrown) {
        transport.close()
        throw thrown
      }
    }
    return { id, server: server.name, operation, requester, requestHash: hash, request: message.bytes, attempt }
  }

  /** Whether there is anything to go on with. */
  #takeUpOne(server: UpstreamServer, { record, bytes }: Kept): boolean {
    const { id, requester, requestHash: hash, state } = record
    const { clock } = this.#options
    const operation = BODY_TYPES.find((known) => known === record.operation)
    if (operation === undefined) return false
    const leftMs = record.untilAt - clock.now()
    const transaction = { id, server, operation, requester, transport: undefined }
    const message = bytes === undefined ? undefined : readMessage(bytes)
    const nothing = new Uint8Array(0)
    const over = {
      id,
      server: server.name,
      operation,
      requester,
      requestHash: hash,
      request: nothing,
      attempt: () => Promise.resolve(nothing),
    }
    switch (state) {
      case 'sent':
        this.#sent.takeUp({ record, bytes })
        return bytes !== undefined
      case 'queued':
        if (message === undefined) return false
        this.#queue.takeUp(this.#entryOf(server, message, { id, requester, hash }), { kind: 'waiting' }, leftMs)
        return true
      case 'answered':
        if (message === undefined || bytes === undefined) return false
        this.#queue.takeUp(over, { kind: 'answered', bytes }, leftMs)
        if (!isLast(message)) this.#transactions.adopt(transaction, leftMs / 1000)
        return true
      case 'failed':
        this.#queue.takeUp(
          over,
          { kind: 'failed', refusal: new Refusal(FAIL_INFOS.find((known) => known === record.failInfo) ?? 'systemFailure', record.why) },
          leftMs,
        )
        return true
      case 'running':
      case 'done': {
        if (bytes === undefined) return false
        const running = this.#transactions.adopt(transaction, leftMs / 1000)
        running.last = { requestHash: hash, bytes }
        running.done = state === 'done'
        return true
      }
    }
  }

  async #pollQueued(
    server: UpstreamServer,
    id: string,
    state: QueuedAnswer,
    message: PkiMessage,
    credential: Credential | undefined,
  ): Promise<Uint8Array> {
    const { replies } = this.#options.authority.context
    if (state.kind === 'waiting')
      return message.body.type === 'pollReq'
        ? await pollAgain(replies, message, credential, this.#limits.checkAfterS)
        : await toldToWait(replies, message, credential)
    // It stays until its device goes on: a poll that somebody has recorded and sent again must not take the answer away.
    if (state.kind === 'failed') {
      this.#queue.delivered(id)
      throw state.refusal
    }
    const answer = readMessage(state.bytes)
    if (isLast(answer)) this.#queue.delivered(id)
    return await this.#toDevice(server, answer, credential, message)
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
    this.#refusals.tell(credential?.requester.name ?? 'device', {
      failInfo: refusal.failInfo,
      why: refusal.message.slice(0, MAX_REASON),
      source: 'upstream',
      body: message?.body.type ?? null,
    })
    const body: PkiBody = {
      type: 'error',
      status: statusOf('rejection', refusal.message.slice(0, MAX_REASON), refusal.failInfo),
      errorCode: undefined,
      errorDetails: [],
    }
    const { bytes } = await context.replies.build(message?.header, body, credential?.protector)
    return { bytes, failInfo: refusal.failInfo, isError: true }
  }
}
