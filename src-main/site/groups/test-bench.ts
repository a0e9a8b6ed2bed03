// The group test bench: one multicast, who answered and when, and what the silent ones did, read back by unicast.
// draft-ietf-core-groupcomm-bis §3.1 (group requests), RFC 7252 §8.2 (Leisure).
import {
  AppError,
  delay,
  formatSocketAddress,
  KeyedFeed,
  newId,
  toAppError,
  type Clock,
  type DeviceId,
  type GroupId,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { fitFrame, type ClientRequest, type ClientResponse, type CoapClient } from '#main/wire/coap/index.ts'
import type { DeviceContact, DeviceDirectory, DeviceProfile, DeviceRecord, GroupTarget } from '#main/site/devices/index.ts'
import type { MemberVerdict, TestAction, TestRunRow } from '#contract/model.ts'
import { canonicalAddress } from './address.ts'
import type { GroupEngine } from './engine.ts'
import { fanOut } from './fan-out.ts'
import { toFailure } from './faults.ts'
import { namedRequest, requestUriOf } from './naming/index.ts'
import type { BenchSecurity, GroupProtection } from './security/bench.ts'
import { TestRun } from './test-run.ts'
import type { GroupStore } from './types.ts'

export interface TestBenchOptions {
  readonly groups: GroupEngine
  readonly devices: DeviceDirectory
  readonly store: GroupStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** For how long members may take to answer a group request; DEFAULT_LEISURE of RFC 7252 §4.8 unless the site knows better. */
  readonly leisureMs?: number
  /** Whether group requests pass on a channel, which else go to the members one by one; yes unless told. */
  readonly carriesMulticast?: (channelId: string) => boolean
  /** Whether a channel has frames so small that a request may take several of them; no unless told. */
  readonly hasSmallFrames?: (channelId: string) => boolean
  /** Protects requests to groups that are to be protected; nothing is protected without. */
  readonly security?: BenchSecurity
}

export interface TestBench {
  readonly feed: KeyedFeed<TestRunRow>
  /** What can be sent to the group, with the number of members that would react. */
  actions(groupId: GroupId): readonly TestAction[]
  /** Starts a test. Throws `group.not-found`, `group.no-members`, `test.no-action`, `network.down`. Tests run one after the other. */
  run(groupId: GroupId, action: string, repeats: number): { readonly runId: string; readonly finished: Promise<TestRunRow> }
  /** What a person saw of a member. Throws `test.not-found`. */
  seen(runId: string, deviceId: DeviceId, seen: boolean | null): void
  /** Stops what is under way. */
  close(): Promise<void>
}

const DEFAULT_LEISURE_MS = 5000
/** Beyond the Leisure: hops, queues, and the duty cycle of a slow radio. */
const NETWORK_MARGIN_MS = 2000
const READ_BACK_CONCURRENCY = 4
const READ_BACK_JITTER_MS = 200
/** Long enough for three retransmissions (RFC 7252 §4.8), short enough for a person who waits. */
const READ_BACK_LIMIT_MS = 15_000
const RUNS_KEPT = 50
const PROGRESS_INTERVAL_MS = 100

/** A member that can be asked, or why it cannot. */
interface Member {
  readonly device: DeviceRecord
  readonly way: { readonly contact: DeviceContact; readonly profile: DeviceProfile } | undefined
  readonly verdict: MemberVerdict | undefined
}

/** One multicast request and the members that it is meant for. */
interface Shot {
  readonly client: CoapClient
  readonly profileId: string
  readonly request: ClientRequest
  readonly unicastOnly: boolean
}

interface Prepared {
  readonly target: GroupTarget
  readonly members: readonly Member[]
  readonly memberOf: (response: Pick<ClientResponse, 'source' | 'peer'>) => DeviceId | undefined
  readonly shots: readonly Shot[]
  readonly protection: GroupProtection | undefined
}

export function createTestBench(options: TestBenchOptions): TestBench {
  const { groups, devices, store, clock, random } = options
  const feed = new KeyedFeed<TestRunRow>((row) => row.id)
  feed.setAll(
    store
      .testRuns(RUNS_KEPT)
      .map(completed)
      .toSorted((a, b) => a.startedAt - b.startedAt),
  )
  const stop = new AbortController()
  let tail: Promise<unknown> = Promise.resolve()

  function membersOf(groupId: GroupId): readonly Member[] {
    return groups.book.cellsOfGroup(groupId).flatMap((cell) => {
      const device = cell.desired ? devices.get(cell.deviceId) : undefined
      return device === undefined ? [] : [memberOf(device)]
    })
  }

  function memberOf(device: DeviceRecord): Member {
    try {
      return { device, way: devices.contact(device.id), verdict: undefined }
    } catch (thrown) {
      const { code } = toAppError(thrown)
      if (code === 'device.no-address') return { device, way: undefined, verdict: 'unreachable' }
      if (code === 'device.no-profile') return { device, way: undefined, verdict: 'unreadable' }
      throw thrown
    }
  }

  function actions(groupId: GroupId): readonly TestAction[] {
    groups.book.group(groupId)
    const found = new Map<string, TestAction>()
    for (const { device, way } of membersOf(groupId)) {
      for (const action of way?.profile.actions ?? []) {
        if (!action.types.includes(device.type)) continue
        const known = found.get(action.id)
        found.set(action.id, { id: action.id, label: known?.label ?? action.label, members: (known?.members ?? 0) + 1 })
      }
    }
    return [...found.values()]
  }

  function prepare(groupId: GroupId, actionId: string): Prepared {
    const { name } = groups.book.group(groupId)
    const target = groups.book.target(groupId)
    const all = membersOf(groupId)
    if (target === undefined || all.length === 0)
      throw new AppError('group.no-members', `${name} has no members`, { details: { group: name } })
    const protection = options.security?.protectionFor(groupId)
    const shots = new Map<string, Shot>()
    const types = new Set<string>()
    for (const { device, way } of all) {
      const action = way?.profile.actions.find((candidate) => candidate.id === actionId && candidate.types.includes(device.type))
      const plain = action === undefined ? undefined : way?.profile.groupRequest(actionId, target)
      if (way === undefined || action === undefined || plain === undefined) continue
      const request = namedRequest(groups.book.naming(), target, plain)
      for (const type of action.types) types.add(type)
      const { client } = way.contact
      const unicastOnly = options.carriesMulticast?.(client.channelId) === false
      shots.set(`${client.channelId} ${way.profile.id}`, {
        client,
        profileId: way.profile.id,
        request: protectedBy(protection, request),
        unicastOnly,
      })
    }
    if (shots.size === 0)
      throw new AppError('test.no-action', `No member of ${name} knows ${actionId}`, { details: { group: name, action: actionId } })
    // Members that the action does not concern, such as a switch among lights, are not expected to do anything.
    const members = all.filter((member) => types.has(member.device.type))
    const memberAt = addressBook(all)
    return {
      target,
      shots: [...shots.values()],
      members,
      protection,
      // Where an answer is signed, who signed it counts; an address proves nothing.
      memberOf: ({ source, peer }) => (protection === undefined ? memberAt(source) : protection.memberOf(peer)),
    }
  }

  /** Of the largest request: what is sent under Group OSCORE is twice as long and more, and that is what has to fit. */
  function sizesOf(shots: readonly Shot[]): Pick<TestRunRow, 'messageBytes' | 'protectionBytes' | 'frames'> {
    const bytes = (shot: Shot): number => shot.client.groupRequestBytes(shot.request)
    const largest = shots.reduce((most, shot) => (bytes(shot) > bytes(most) ? shot : most))
    const protection = largest.request.security?.overheadBytes
    const small = shots.filter(({ client }) => options.hasSmallFrames?.(client.channelId) === true)
    return {
      messageBytes: bytes(largest),
      ...(protection === undefined ? {} : { protectionBytes: protection }),
      ...(small.length === 0 ? {} : { frames: Math.max(...small.map((shot) => fitFrame(bytes(shot)).frames)) }),
    }
  }

  function run(groupId: GroupId, action: string, repeats: number): { runId: string; finished: Promise<TestRunRow> } {
    const prepared = prepare(groupId, action)
    const { target, shots, members } = prepared
    const first = shots[0]
    const test = new TestRun(
      newId('test', random),
      {
        groupId,
        groupName: target.name,
        action,
        startedAt: clock.now(),
        repeats,
        uri: first === undefined ? '' : requestUriOf(target, first.request),
        ...sizesOf(shots),
        ...(shots.some((shot) => shot.unicastOnly) ? { unicastOnly: true } : {}),
        ...(prepared.protection === undefined ? {} : { protection: prepared.protection.name }),
      },
      members.map((member) => [member.device.id, member.verdict] as const),
    )
    const unseen = failureOf(() => show(test.row()))
    const finished = tail.then(() => perform(test, prepared, action, repeats, unseen))
    tail = finished
    return { runId: test.id, finished }
  }

  /** Never rejects: a test that cannot be done, shown or kept is a failed test, and the next one has its turn. */
  async function perform(
    test: TestRun,
    prepared: Prepared,
    action: string,
    repeats: number,
    unseen: AppError | undefined,
  ): Promise<TestRunRow> {
    try {
      if (unseen !== undefined) throw unseen
      const ways = prepared.shots.filter(({ unicastOnly }) => !unicastOnly).map(({ client }) => ({ client, to: prepared.target }))
      await prepared.protection?.introduce(ways, stop.signal)
      for (let repeat = 1; repeat <= repeats; repeat++) {
        stop.signal.throwIfAborted()
        test.beginRepeat(repeat)
        await Promise.all(prepared.shots.map((shot) => send(test, shot, prepared)))
        test.endRepeat()
        show(test.row())
      }
      test.readBack()
      show(test.row())
      await readBackSilent(test, prepared, action)
      test.finish(clock.now(), null)
    } catch (thrown) {
      options.logger.warn({ test: test.id, code: toAppError(thrown).code }, 'Group test ended early')
      test.finish(clock.now(), toFailure(thrown))
    }
    const failure = failureOf(() => conclude(test))
    if (failure !== undefined) {
      options.logger.error({ test: test.id, code: failure.code }, 'Test evidence not kept or not shown')
      test.finish(clock.now(), toFailure(failure))
      failureOf(() => store.saveTestRun(withSeen(test.row())))
      failureOf(() => show(test.row()))
    }
    return withSeen(test.row())
  }

  /** What the test came to is durable before it is shown. */
  function conclude(test: TestRun): void {
    const row = withSeen(test.row())
    store.saveTestRun(row)
    show(row)
    for (const [deviceId, verdict] of test.verdicts()) noteVerdict(row, deviceId, verdict)
  }

  async function send(test: TestRun, shot: Shot, prepared: Prepared): Promise<void> {
    if (shot.unicastOnly) return sendToEach(test, shot, prepared)
    const { target, memberOf } = prepared
    const deadlineMs = (options.leisureMs ?? DEFAULT_LEISURE_MS) + NETWORK_MARGIN_MS
    let shownAtMs = clock.monotonicMs()
    // No `expected`: strangers may answer too, and must not end the wait for members.
    for await (const response of shot.client.groupRequest(target, shot.request, { deadlineMs, signal: stop.signal })) {
      const member = memberOf(response)
      if (member === undefined) test.strangerAnswered(response.source)
      else test.answered(member, response.code, response.elapsedMs)
      if (clock.monotonicMs() - shownAtMs >= PROGRESS_INTERVAL_MS) {
        shownAtMs = clock.monotonicMs()
        show(test.row())
      }
      if (test.everybodyAnswered) return
    }
  }

  function sendToEach(test: TestRun, { client, profileId, request }: Shot, { members }: Prepared): Promise<void> {
    const ways = members.flatMap(({ device, way }) => {
      const isMeant = way?.profile.id === profileId && way.contact.client.channelId === client.channelId
      return isMeant ? [{ deviceId: device.id, contact: way.contact }] : []
    })
    const onAnswer = (deviceId: DeviceId, code: string, elapsedMs: number): void => {
      test.answered(deviceId, code, elapsedMs)
      show(test.row())
    }
    return fanOut({ request, members: ways, timeoutMs: READ_BACK_LIMIT_MS, signal: stop.signal, logger: options.logger, onAnswer })
  }

  async function readBackSilent(test: TestRun, { members, target }: Prepared, action: string): Promise<void> {
    const silent = new Set(test.silent())
    const queue = members.filter((member) => silent.has(member.device.id)).values()
    const worker = async (): Promise<void> => {
      for (const member of queue) {
        // A burst of requests right after a multicast would meet the late answers to it (RFC 7252 §8.2).
        await delay(clock, random.below(READ_BACK_JITTER_MS), stop.signal)
        const { verdict, code } = await readBack(member, action, target)
        test.judge(member.device.id, verdict, code)
        show(test.row())
      }
    }
    await Promise.all(Array.from({ length: READ_BACK_CONCURRENCY }, worker))
  }

  async function readBack({ way }: Member, action: string, target: GroupTarget): Promise<{ verdict: MemberVerdict; code: string | null }> {
    if (way === undefined) return { verdict: 'unreachable', code: null }
    const limit = new AbortController()
    const timer = clock.setTimer(READ_BACK_LIMIT_MS, () => limit.abort())
    try {
      const state = await way.profile.readBack(way.contact, action, target, AbortSignal.any([stop.signal, limit.signal]))
      return { verdict: state === 'as-commanded' ? 'silent-changed' : state === 'different' ? 'not-changed' : 'unreadable', code: null }
    } catch (thrown) {
      stop.signal.throwIfAborted()
      const { code, details } = toAppError(thrown)
      const answer = details.code
      if (code === 'coap.response-error') return { verdict: 'rejected', code: typeof answer === 'string' ? answer : null }
      return { verdict: code.startsWith('profile.') || code === 'coap.message-invalid' ? 'unreadable' : 'unreachable', code: null }
    } finally {
      timer.cancel()
    }
  }

  /** A member that is configured and did as commanded is proven to work; one that did not has it in its history. */
  function noteVerdict(row: TestRunRow, deviceId: DeviceId, verdict: MemberVerdict): void {
    const device = devices.get(deviceId)
    if (device === undefined || verdict === 'waiting') return
    const params = { group: row.groupName, action: row.action, verdict }
    if (verdict !== 'heard' && verdict !== 'silent-changed') devices.record(deviceId, { source: 'test', event: 'test-failed', params })
    else if (device.state === 'configured' && groups.book.isSettled(deviceId)) {
      devices.setState(deviceId, 'verified', { source: 'test', event: 'test-passed', params })
    } else devices.record(deviceId, { source: 'test', event: 'test-passed', params })
  }

  /** What a person ticked while the test was still running stays. */
  function withSeen(row: TestRunRow): TestRunRow {
    const ticked = new Map(feed.get(row.id)?.members.map((member) => [member.deviceId, member.seen]))
    return { ...row, members: row.members.map((member) => ({ ...member, seen: ticked.get(member.deviceId) ?? null })) }
  }

  function show(row: TestRunRow): void {
    feed.set(withSeen(row))
    if (feed.size <= RUNS_KEPT) return
    const oldest = feed.rows().toSorted((a, b) => a.startedAt - b.startedAt)
    const newest = new Map(oldest.map((other) => [other.groupId, other.id]))
    // The newest run of a group is what proves it, however many other groups were tested since.
    const spare = oldest.filter((other) => newest.get(other.groupId) !== other.id)
    feed.delete(spare.slice(0, feed.size - RUNS_KEPT).map((other) => other.id))
  }

  return {
    feed,
    actions,
    run,
    seen(runId, deviceId, seen) {
      const row = feed.get(runId)
      if (row?.members.some((member) => member.deviceId === deviceId) !== true) {
        throw new AppError('test.not-found', `No test ${runId} of that device`, { details: { runId, deviceId } })
      }
      const after = { ...row, members: row.members.map((member) => (member.deviceId === deviceId ? { ...member, seen } : member)) }
      if (row.state === 'done' || row.state === 'failed') store.saveTestRun(after)
      feed.set(after)
    },
    async close() {
      stop.abort()
      await tail
    },
  }
}

/** What the work fails with, if it does. */
function failureOf(work: () => void): AppError | undefined {
  try {
    work()
    return undefined
  } catch (thrown) {
    return toAppError(thrown)
  }
}

/** Runs kept by earlier versions of the program have not counted strangers. */
function completed(run: TestRunRow): TestRunRow {
  return Object.hasOwn(run, 'strangers') ? run : { ...run, strangers: 0 }
}

/** Finds the member that a response came from: by address and port, or by the address alone where only one member has it. */
function addressBook(members: readonly Member[]): (at: SocketAddress) => DeviceId | undefined {
  const exact = new Map<string, DeviceId>()
  const byAddress = new Map<string, DeviceId | undefined>()
  for (const { device, way } of members) {
    if (way === undefined) continue
    const address = canonicalAddress(way.contact.at.address)
    exact.set(formatSocketAddress({ address, port: way.contact.at.port }), device.id)
    byAddress.set(address, byAddress.has(address) ? undefined : device.id)
  }
  return ({ address, port }) =>
    exact.get(formatSocketAddress({ address: canonicalAddress(address), port })) ?? byAddress.get(canonicalAddress(address))
}

function protectedBy(protection: GroupProtection | undefined, request: ClientRequest): ClientRequest {
  // Some kinds of devices have group keys of their own.
  return protection === undefined || request.security !== undefined ? request : { ...request, security: protection.security }
}
