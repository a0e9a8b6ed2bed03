// Transactions with an NCP over a byte stream: transaction ids, repeats, time-outs, refusals, unsolicited updates and resets
// (draft-rquattle-spinel-unified §3.5.3, §4). Frames are lost without notice on a serial line, so every question has a deadline.
import { AppError, type Clock, type Logger, type Timer } from '#main/base/index.ts'
import { encodeHdlc, HdlcDecoder } from '../hdlc.ts'
import { RoundTrip } from '../round-trip.ts'
import type { SerialLine } from '../types.ts'
import {
  COMMAND,
  decodeSpinelFrame,
  encodeSpinelFrame,
  propertyFrame,
  readPropertyFrame,
  type HostVerb,
  type NcpVerb,
  type PropertyMessage,
  type SpinelFrame,
} from './frame.ts'
import { pack, packedUint, unpack } from './pack.ts'
import { PROP, propertyName, type SpinelProperty, type SpinelTable } from './properties.ts'
import { isResetStatus, STATUS, statusError, statusName } from './status.ts'

export interface SessionOptions {
  readonly line: SerialLine
  readonly clock: Clock
  readonly logger: Logger
  /** How long an answer may take; 2 s. */
  readonly timeoutMs?: number
  /** The transaction id to begin with; 1. */
  readonly firstTid?: number
}

export type SessionEvent =
  /** What the NCP told by itself, or in answer to a GET or SET. */
  | { readonly kind: 'update'; readonly verb: NcpVerb; readonly property: number; readonly value: Uint8Array }
  /** The dongle has started anew: whatever was open has failed, whatever was set and is volatile is gone. */
  | { readonly kind: 'reset'; readonly status: number }
  /** Nothing came for long though something was asked. Told once. */
  | { readonly kind: 'silent'; readonly error: AppError }
  | { readonly kind: 'closed'; readonly error: AppError }

export interface AskOptions {
  /** How often it is sent at most; 3, for everything but datagrams may be repeated. */
  readonly attempts?: number
  readonly timeoutMs?: number
}

type Question = { readonly verb: HostVerb; readonly property: number; readonly value: Uint8Array } | { readonly command: number }

interface Transaction {
  readonly question: Question
  readonly timeoutMs: number
  attemptsLeft: number
  sentAtMs: number
  timer: Timer | undefined
  readonly resolve: (value: Uint8Array) => void
  readonly reject: (error: AppError) => void
}

/** The NCP's own queue of answers is short. */
const MOST_OPEN = 4
const MOST_WAITING = 256
const LAST_TID = 15
const TIMEOUT_MS = 2_000
const ATTEMPTS = 3
/** A transaction id that timed out rests for so long, lest a late answer be taken for the next one's. */
const REST_MS = 10_000
/** Nothing heard for so long while something was asked: the dongle is gone. */
const SILENT_MS = 6_000
const RESET_WAIT_MS = 2_000
const NOTHING = new Uint8Array(0)

const answerVerbs: Readonly<Record<HostVerb, NcpVerb>> = { get: 'is', set: 'is', insert: 'inserted', remove: 'removed' }

export class SpinelSession {
  readonly #line: SerialLine
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #timeoutMs: number
  readonly #decoder = new HdlcDecoder()
  readonly #open = new Map<number, Transaction>()
  readonly #listeners = new Set<(event: SessionEvent) => void>()
  readonly #restsUntilMs = new Float64Array(LAST_TID + 1)
  readonly #roundTrip = new RoundTrip()
  readonly #unsubscribe: () => void
  #waiting: Transaction[] = []
  #nextTid: number
  #busySinceMs = 0
  #heardAtMs = 0
  #framesOut = 0
  #strayFrames = 0
  #retries = 0
  #awaitsReset: (() => void) | undefined
  #ended: AppError | undefined
  #toldSilent = false

  constructor(options: SessionOptions) {
    this.#line = options.line
    this.#clock = options.clock
    this.#logger = options.logger
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#nextTid = options.firstTid ?? 1
    this.#unsubscribe = options.line.subscribe((event) => {
      if (event.kind === 'bytes') for (const frame of this.#decoder.push(event.bytes)) this.#frame(frame)
      else this.#end(event.error ?? new AppError('link.closed', 'The line to the dongle was closed', { retryable: true }))
    })
  }

  subscribe(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  counters(): {
    readonly framesIn: number
    readonly framesOut: number
    readonly damagedFrames: number
    readonly strayFrames: number
    readonly retries: number
    readonly roundTripMs: { readonly latest: number; readonly smoothed: number } | undefined
  } {
    const { frames, damaged, tooLong } = this.#decoder.counters()
    return {
      framesIn: frames,
      framesOut: this.#framesOut,
      damagedFrames: damaged + tooLong,
      strayFrames: this.#strayFrames,
      retries: this.#retries,
      roundTripMs: this.#roundTrip.value,
    }
  }

  async get<Value>(property: SpinelProperty<Value>, options?: AskOptions): Promise<Value> {
    return unpack(property.type, await this.ask({ verb: 'get', property: property.number, value: NOTHING }, options))
  }

  /** Resolves when the NCP has taken the value. */
  async set<Value>(property: SpinelProperty<Value>, value: Value, options?: AskOptions): Promise<void> {
    await this.ask({ verb: 'set', property: property.number, value: pack(property.type, value) }, options)
  }

  async insert<Entry>(property: SpinelTable<unknown, Entry, unknown>, entry: Entry, options?: AskOptions): Promise<void> {
    await this.ask({ verb: 'insert', property: property.number, value: pack(property.entry, entry) }, options)
  }

  async remove<Name>(property: SpinelTable<unknown, unknown, Name>, name: Name, options?: AskOptions): Promise<void> {
    await this.ask({ verb: 'remove', property: property.number, value: pack(property.entryName, name) }, options)
  }

  /** A command without a property, e.g. NOOP or NET_CLEAR. */
  async command(command: number, options?: AskOptions): Promise<void> {
    await this.ask({ command }, options)
  }

  /** Resolves with the value in the answer; a status of OK has none. Fails with `link.refused`, `link.no-answer`, `link.was-reset`, `link.closed`, `link.queue-full`. */
  ask(question: Question, options: AskOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended)
        return
      }
      if (this.#waiting.length >= MOST_WAITING) {
        reject(new AppError('link.queue-full', 'Too many questions wait for the dongle', { retryable: true }))
        return
      }
      const { attempts = ATTEMPTS, timeoutMs = this.#timeoutMs } = options
      if (this.#open.size === 0 && this.#waiting.length === 0) this.#busySinceMs = this.#clock.monotonicMs()
      this.#waiting.push({ question, timeoutMs, attemptsLeft: attempts, sentAtMs: 0, timer: undefined, resolve, reject })
      this.#pump()
    })
  }

  /** Restarts the dongle; false when it did not tell that it has. Where the port vanishes instead, `closed` follows. */
  async reset(): Promise<boolean> {
    this.#failAll(new AppError('link.was-reset', 'The dongle is being restarted', { retryable: true }))
    let heard = false
    for (let attempt = 0; attempt < 2 && !heard; attempt++) {
      heard = await this.#resetOnce()
      if (this.#ended !== undefined) throw this.#ended
    }
    this.#pump()
    return heard
  }

  async #resetOnce(): Promise<boolean> {
    const heard = await new Promise<boolean>((resolve) => {
      const timer = this.#clock.setTimer(RESET_WAIT_MS, () => resolve(false))
      this.#awaitsReset = () => {
        timer.cancel()
        resolve(true)
      }
      this.#send({ iid: 0, tid: 0, command: COMMAND.RESET, payload: NOTHING })
    })
    this.#awaitsReset = undefined
    return heard
  }

  /** Lets go of the line; what is open fails. */
  close(): void {
    this.#unsubscribe()
    this.#listeners.clear()
    this.#end(new AppError('link.closed', 'The link to the dongle was closed'))
  }

  #pump(): void {
    while (this.#awaitsReset === undefined && this.#open.size < MOST_OPEN) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      const tid = this.#freeTid()
      const now = this.#clock.monotonicMs()
      next.sentAtMs = now
      next.attemptsLeft--
      this.#open.set(tid, next)
      // The line holds bytes back where they are written faster than it carries them: the deadline begins when they can have left.
      next.timer = this.#clock.setTimer(next.timeoutMs, () => this.#timedOut(tid, next))
      this.#send(frameOf(tid, next.question))
    }
  }

  #freeTid(): number {
    const now = this.#clock.monotonicMs()
    let fallback = 0
    for (let tries = 0; tries < LAST_TID; tries++) {
      const tid = this.#nextTid
      this.#nextTid = (tid % LAST_TID) + 1
      if (this.#open.has(tid)) continue
      if ((this.#restsUntilMs[tid] ?? 0) <= now) return tid
      if (fallback === 0) fallback = tid
    }
    return fallback
  }

  #send(frame: SpinelFrame): void {
    this.#framesOut++
    this.#line.write(encodeHdlc(encodeSpinelFrame(frame)))
  }

  #timedOut(tid: number, transaction: Transaction): void {
    const now = this.#clock.monotonicMs()
    if (this.#line.queuedBytes > 0) {
      transaction.timer = this.#clock.setTimer(transaction.timeoutMs, () => this.#timedOut(tid, transaction))
      return
    }
    this.#open.delete(tid)
    this.#restsUntilMs[tid] = now + REST_MS
    if (transaction.attemptsLeft > 0) {
      this.#retries++
      this.#waiting.unshift(transaction)
    } else transaction.reject(noAnswer(transaction.question))
    this.#pump()
    if (this.#toldSilent || now - Math.max(this.#heardAtMs, this.#busySinceMs) < SILENT_MS) return
    this.#toldSilent = true
    this.#emit({ kind: 'silent', error: noAnswer(transaction.question) })
  }

  #frame(bytes: Uint8Array): void {
    try {
      const frame = decodeSpinelFrame(bytes)
      const message = readPropertyFrame(frame)
      this.#heardAtMs = this.#clock.monotonicMs()
      this.#toldSilent = false
      if (message === undefined || frame.iid !== 0) this.#strayFrames++
      else if (frame.tid === 0) this.#unsolicited(message)
      else this.#answer(frame.tid, message)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'link.frame-invalid') throw error
      this.#strayFrames++
    }
  }

  #answer(tid: number, message: PropertyMessage): void {
    const transaction = this.#open.get(tid)
    const outcome = transaction === undefined ? undefined : outcomeOf(transaction.question, message)
    if (transaction === undefined || outcome === undefined) {
      this.#strayFrames++
      return
    }
    transaction.timer?.cancel()
    this.#open.delete(tid)
    this.#roundTrip.add(this.#clock.monotonicMs() - transaction.sentAtMs)
    if (outcome instanceof AppError) transaction.reject(outcome)
    else transaction.resolve(outcome)
    if (message.verb === 'is' && message.property !== PROP.LAST_STATUS.number) this.#update('is', message)
    this.#pump()
  }

  #unsolicited(message: PropertyMessage): void {
    const { verb } = message
    if (verb !== 'is' && verb !== 'inserted' && verb !== 'removed') {
      this.#strayFrames++
      return
    }
    if (message.property === PROP.LAST_STATUS.number) {
      const status = unpack(packedUint, message.value)
      if (isResetStatus(status)) {
        this.#wasReset(status)
        return
      }
    }
    this.#update(verb, message)
  }

  #wasReset(status: number): void {
    this.#logger.info({ status: statusName(status) }, 'The dongle has started')
    this.#restsUntilMs.fill(0)
    if (this.#awaitsReset !== undefined) {
      this.#awaitsReset()
      return
    }
    this.#failAll(new AppError('link.was-reset', `The dongle has restarted: ${statusName(status)}`, { retryable: true }))
    this.#emit({ kind: 'reset', status })
  }

  #update(verb: NcpVerb, message: PropertyMessage): void {
    this.#emit({ kind: 'update', verb, property: message.property, value: message.value })
  }

  #failAll(error: AppError): void {
    const failing = [...this.#open.values(), ...this.#waiting]
    this.#open.clear()
    this.#waiting = []
    for (const transaction of failing) {
      transaction.timer?.cancel()
      transaction.reject(error)
    }
  }

  #end(error: AppError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#unsubscribe()
    this.#failAll(error)
    this.#awaitsReset?.()
    this.#emit({ kind: 'closed', error })
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}

function frameOf(tid: number, question: Question): SpinelFrame {
  return 'command' in question ? { iid: 0, tid, command: question.command, payload: NOTHING } : propertyFrame(tid, question)
}

/** The value that answers the question, the refusal, or undefined where the message is no answer to it. */
function outcomeOf(question: Question, message: PropertyMessage): Uint8Array | AppError | undefined {
  if (!('command' in question) && message.property === question.property) {
    return message.verb === answerVerbs[question.verb] ? message.value : undefined
  }
  if (message.property !== PROP.LAST_STATUS.number || message.verb !== 'is') return undefined
  const status = unpack(packedUint, message.value)
  return status === STATUS.OK ? NOTHING : statusError(status, describe(question))
}

function describe(question: Question): string {
  return 'command' in question ? `run command ${question.command}` : `${question.verb} ${propertyName(question.property)}`
}

function noAnswer(question: Question): AppError {
  return new AppError('link.no-answer', `The dongle did not answer: ${describe(question)}`, { retryable: true })
}
