// One group test under way: what each member did, as the responses and the readings come in.
import { formatSocketAddress, type DeviceId, type SocketAddress } from '#main/base/index.ts'
import type { Failure, MemberVerdict, TestMember, TestRunRow } from '#contract/model.ts'
import { median, spread } from './statistics.ts'

interface MemberState {
  verdict: MemberVerdict
  answerMs: number | null
  heardCount: number
  code: string | null
}

/** Strangers are counted up to here: whoever invents sources must not fill the memory. */
const STRANGERS_COUNTED = 10_000

/** What is known of a test before it begins. */
export type TestHead = Pick<
  TestRunRow,
  | 'groupId'
  | 'groupName'
  | 'action'
  | 'startedAt'
  | 'repeats'
  | 'uri'
  | 'messageBytes'
  | 'unicastOnly'
  | 'protection'
  | 'protectionBytes'
  | 'frames'
>

export class TestRun {
  readonly id: string
  readonly #head: TestHead
  readonly #members = new Map<DeviceId, MemberState>()
  #state: TestRunRow['state'] = 'sending'
  #repeat = 0
  #finishedAt: number | null = null
  #failure: Failure | null = null
  /** Answer times of each repeat by member: a member counts once a repeat. */
  #answers = new Map<DeviceId, number>()
  readonly #allAnswersMs: number[] = []
  #spreadMs: number | null = null
  /** Servers that answered and are no members. */
  readonly #strangers = new Set<string>()
  readonly #askable: number

  /** Members come with their verdict where it is known from the start, because they cannot be asked. */
  constructor(id: string, head: TestHead, members: ReadonlyArray<readonly [DeviceId, MemberVerdict | undefined]>) {
    this.id = id
    this.#head = head
    for (const [member, verdict = 'waiting'] of members) this.#members.set(member, { verdict, answerMs: null, heardCount: 0, code: null })
    this.#askable = this.silent().length
  }

  beginRepeat(repeat: number): void {
    this.#repeat = repeat
    this.#answers = new Map()
  }

  /** A response of a member; the first one in a repeat counts. */
  answered(deviceId: DeviceId, code: string, elapsedMs: number): void {
    const member = this.#members.get(deviceId)
    if (member === undefined || this.#answers.has(deviceId)) return
    this.#answers.set(deviceId, elapsedMs)
    member.answerMs ??= elapsedMs
    member.heardCount++
    if (!code.startsWith('2.')) Object.assign(member, { verdict: 'rejected', code })
    else if (member.verdict === 'waiting') member.verdict = 'heard'
  }

  /** A response of a server that is no member; each server counts once. */
  strangerAnswered(source: SocketAddress): void {
    if (this.#strangers.size < STRANGERS_COUNTED) this.#strangers.add(formatSocketAddress(source))
  }

  get everybodyAnswered(): boolean {
    return this.#answers.size >= this.#askable
  }

  endRepeat(): void {
    const answersMs = [...this.#answers.values()]
    this.#allAnswersMs.push(...answersMs)
    const spreadMs = spread(answersMs)
    // The worst repeat is what a person would see.
    if (spreadMs !== null) this.#spreadMs = Math.max(this.#spreadMs ?? 0, spreadMs)
  }

  /** Members of which nothing is known yet. */
  silent(): readonly DeviceId[] {
    return [...this.#members].filter(([, member]) => member.verdict === 'waiting').map(([id]) => id)
  }

  readBack(): void {
    this.#state = 'reading-back'
  }

  judge(deviceId: DeviceId, verdict: MemberVerdict, code: string | null = null): void {
    const member = this.#members.get(deviceId)
    if (member !== undefined) Object.assign(member, { verdict, code })
  }

  verdicts(): ReadonlyArray<readonly [DeviceId, MemberVerdict]> {
    return [...this.#members].map(([id, member]) => [id, member.verdict] as const)
  }

  /** A test that has failed stays failed, for the first reason. */
  finish(at: number, failure: Failure | null): void {
    this.#failure ??= failure
    this.#state = this.#failure === null ? 'done' : 'failed'
    this.#finishedAt = at
  }

  row(): TestRunRow {
    const members: TestMember[] = [...this.#members].map(([deviceId, { verdict, answerMs, heardCount, code }]) => ({
      deviceId,
      verdict,
      answerMs,
      heardCount,
      code,
      seen: null,
    }))
    return {
      id: this.id,
      ...this.#head,
      state: this.#state,
      finishedAt: this.#finishedAt,
      repeat: this.#repeat,
      spreadMs: this.#spreadMs,
      medianMs: median(this.#allAnswersMs),
      members,
      strangers: this.#strangers.size,
      failure: this.#failure,
    }
  }
}
