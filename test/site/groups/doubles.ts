// Devices that exist only in these tests: an inventory, group tables with faults that a test scripts, and a client that answers groups.
import { AppError, KeyedFeed, seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse, CoapClient, GroupRequestOptions } from '#main/wire/coap/index.ts'
import type {
  DeviceDirectory,
  DeviceFact,
  DeviceProfile,
  DeviceRecord,
  GroupTableEntry,
  RoomRecord,
  StateVerdict,
} from '#main/site/devices/index.ts'
import { createGroups, type GroupEngine, type GroupOptions, type GroupStore } from '#main/site/groups/index.ts'
import type { ItemContext, JobRunner } from '#main/site/jobs/index.ts'
import type { DeviceRow, DeviceState, DeviceType, RoomRow } from '#contract/model.ts'
import { MemoryGroupStore } from '../../support/memory-group-store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** What becomes of one request: done and answered, lost on the way there, done but the answer lost, refused. */
export type Fate = 'ok' | 'lost' | 'answer-lost' | 'refused'

export class FakeDevice {
  readonly table = new Map<string, GroupTableEntry>()
  readonly log: string[] = []
  places = 8
  fate: (operation: 'read' | 'write' | 'remove') => Fate = () => 'ok'
  state: () => StateVerdict = () => 'as-commanded'
  identified = 0
  #inFlight = 0
  mostInFlight = 0

  async perform(operation: 'read' | 'write' | 'remove', effect: () => void, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight)
    await Promise.resolve()
    this.#inFlight--
    const fate = this.fate(operation)
    if (fate === 'ok' || fate === 'answer-lost') effect()
    if (fate === 'lost' || fate === 'answer-lost') throw new AppError('coap.timeout', 'No answer', { retryable: true })
    if (fate === 'refused') throw new AppError('coap.response-error', 'Refused', { details: { code: '4.03' } })
  }
}

export class FakeProfile implements DeviceProfile {
  readonly id = 'fake'
  readonly name = 'Fake'
  readonly actions = [
    { id: 'on', label: 'On', types: ['luminaire'] as readonly DeviceType[] },
    { id: 'blink', label: 'Blink', types: ['luminaire', 'switch', 'blind'] as readonly DeviceType[] },
  ]
  readonly #deviceAt: (at: SocketAddress) => FakeDevice

  constructor(deviceAt: (at: SocketAddress) => FakeDevice) {
    this.#deviceAt = deviceAt
  }

  recognises(): boolean {
    return true
  }

  readIdentity(): Promise<never> {
    return Promise.reject(new AppError('coap.timeout', 'Not in this test'))
  }

  identify(contact: { at: SocketAddress }): Promise<void> {
    this.#deviceAt(contact.at).identified++
    return Promise.resolve()
  }

  async readMemberships(contact: { at: SocketAddress }, signal?: AbortSignal): Promise<readonly GroupTableEntry[]> {
    const device = this.#deviceAt(contact.at)
    await device.perform('read', () => undefined, signal)
    return [...device.table.values()]
  }

  writeMembership(contact: { at: SocketAddress }, group: GroupTableEntry, signal?: AbortSignal): Promise<void> {
    const device = this.#deviceAt(contact.at)
    return device.perform(
      'write',
      () => {
        if (!device.table.has(group.name) && device.table.size >= device.places) {
          throw new AppError('coap.response-error', 'group table full', { details: { code: '4.09' } })
        }
        device.log.push(`write ${group.name}`)
        // A device may keep addresses in a notation of its own.
        device.table.set(group.name, { ...group, address: group.address.toUpperCase() })
      },
      signal,
    )
  }

  removeMembership(contact: { at: SocketAddress }, group: GroupTableEntry, signal?: AbortSignal): Promise<void> {
    const device = this.#deviceAt(contact.at)
    return device.perform(
      'remove',
      () => {
        device.log.push(`remove ${group.name}`)
        device.table.delete(group.name)
      },
      signal,
    )
  }

  describe(change: 'add' | 'update' | 'remove', group: GroupTableEntry): readonly string[] {
    return [`${change === 'remove' ? 'DELETE' : 'PUT'} /groups/${group.name}`]
  }

  groupRequest(actionId: string, group: GroupTableEntry): ClientRequest | undefined {
    return { method: 'PUT', path: ['gp', group.name, 'state'], payload: new TextEncoder().encode(actionId) }
  }

  readBack(contact: { at: SocketAddress }): Promise<StateVerdict> {
    return Promise.resolve().then(() => this.#deviceAt(contact.at).state())
  }
}

export interface ScriptedAnswer {
  readonly source: SocketAddress
  readonly code?: `2.${string}` | `4.${string}`
  readonly afterMs: number
}

export class FakeClient implements CoapClient {
  readonly channelId = 'fake'
  readonly sent: Array<{ to: SocketAddress; request: ClientRequest }> = []
  answers: (repeat: number) => readonly ScriptedAnswer[] = () => []
  failure: AppError | undefined
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  request(): Promise<never> {
    return Promise.reject(new AppError('coap.timeout', 'Not in this test'))
  }

  async *groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncGenerator<ClientResponse> {
    this.sent.push({ to, request })
    if (this.failure !== undefined) throw this.failure
    let elapsedMs = 0
    const wait = (byMs: number): Promise<void> => new Promise((resolve) => void this.#clock.setTimer(byMs, resolve))
    for (const answer of this.answers(this.sent.length).toSorted((a, b) => a.afterMs - b.afterMs)) {
      if (answer.afterMs > options.deadlineMs) break
      await wait(answer.afterMs - elapsedMs)
      elapsedMs = answer.afterMs
      yield {
        code: answer.code ?? '2.04',
        options: [],
        payload: new Uint8Array(),
        contentFormat: undefined,
        source: answer.source,
        elapsedMs,
      }
    }
    await wait(options.deadlineMs - elapsedMs)
  }

  groupRequestBytes(request: ClientRequest): number {
    return 10 + (request.payload?.length ?? 0)
  }
}

export class FakeDirectory implements DeviceDirectory {
  readonly feed = new KeyedFeed<DeviceRow>((row) => row.id)
  readonly roomFeed = new KeyedFeed<RoomRow>((row) => row.id)
  readonly records = new Map<string, DeviceRecord>()
  readonly fakes = new Map<string, FakeDevice>()
  readonly facts: Array<{ id: string; state?: DeviceState; fact: DeviceFact }> = []
  readonly profile: FakeProfile
  readonly client: FakeClient
  counts = new Map<string, number>()
  roomRecords: RoomRecord[] = []
  readonly #removed = new Set<(ids: readonly string[]) => void>()

  constructor(clock: VirtualClock) {
    this.client = new FakeClient(clock)
    this.profile = new FakeProfile((at) => this.fakes.get(at.address) ?? new FakeDevice())
  }

  /** A device that has been seen and is known, unless the change says otherwise. */
  add(number: number, change: Partial<DeviceRecord> = {}): DeviceRecord {
    const address = `2001:db8::${number.toString(16)}`
    const record: DeviceRecord = {
      id: `d${number}`,
      name: `Device ${number}`,
      type: 'luminaire',
      roomId: null,
      state: 'seen',
      stateAt: 0,
      stateSource: 'discovery',
      eui64: null,
      serial: null,
      model: null,
      profileId: 'fake',
      endpointName: null,
      at: { address, port: 5683 },
      channelId: 'fake',
      lastHeardAt: 0,
      comment: '',
      ...change,
    }
    this.records.set(record.id, record)
    this.fakes.set(address, new FakeDevice())
    this.#show(record.id)
    return record
  }

  change(id: string, change: Partial<DeviceRecord>): void {
    this.records.set(id, { ...this.records.get(id)!, ...change })
    this.#show(id)
  }

  fake(id: string): FakeDevice {
    return this.fakes.get(this.records.get(id)!.at!.address)!
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.records.delete(id)
    this.feed.delete(ids)
    for (const listener of this.#removed) listener(ids)
  }

  get(id: string): DeviceRecord | undefined {
    return this.records.get(id)
  }

  all(): readonly DeviceRecord[] {
    return [...this.records.values()]
  }

  rooms(): readonly RoomRecord[] {
    return this.roomRecords
  }

  contact(id: string) {
    const device = this.records.get(id)
    if (device === undefined) throw new AppError('device.not-found', id)
    if (device.at === null) throw new AppError('device.no-address', id)
    if (device.profileId === null) throw new AppError('device.no-profile', id)
    return { contact: { client: this.client, at: device.at }, profile: this.profile }
  }

  setState(id: string, state: DeviceState, fact: DeviceFact): void {
    this.facts.push({ id, state, fact })
    this.change(id, { state })
  }

  record(id: string, fact: DeviceFact): void {
    this.facts.push({ id, fact })
  }

  setGroupCounts(counts: ReadonlyMap<string, number>): void {
    const before = this.counts
    this.counts = new Map(counts)
    for (const id of this.records.keys()) if ((before.get(id) ?? 0) !== (counts.get(id) ?? 0)) this.#show(id)
  }

  onRemoved(listener: (ids: readonly string[]) => void): () => void {
    this.#removed.add(listener)
    return () => this.#removed.delete(listener)
  }

  #show(id: string): void {
    const { at, ...record } = this.records.get(id)!
    this.feed.set({ ...record, address: at === null ? null : `[${at.address}]:${at.port}`, groups: this.counts.get(id) ?? 0 })
  }
}

export interface Bench<Store extends GroupStore = MemoryGroupStore> {
  readonly clock: VirtualClock
  readonly devices: FakeDirectory
  readonly store: Store
  readonly engine: GroupEngine
}

/** An engine over doubles, with so many devices in it. */
export function createBench(deviceCount = 0, options: Partial<GroupOptions> = {}): Bench {
  const clock = new VirtualClock()
  const devices = new FakeDirectory(clock)
  for (let number = 1; number <= deviceCount; number++) devices.add(number)
  const store = new MemoryGroupStore()
  const common = { store, devices, clock, random: seededRandom(7), logger: silentLogger, allocation: { prefixId: 'site-1' } }
  return { clock, devices, store, engine: createGroups({ ...common, ...options }) }
}

export function runnerOf(engine: GroupEngine, kind: JobRunner['kind']): JobRunner {
  return engine.runners.find((runner) => runner.kind === kind)!
}

let jobs = 0

/** Runs every item of a job the way the job service does: so many at once, in order. Gives back what failed. */
export async function runJob(
  engine: GroupEngine,
  kind: JobRunner['kind'],
  items: ReadonlyArray<{ subject: string }>,
  signal = new AbortController().signal,
): Promise<Map<string, AppError>> {
  const runner = runnerOf(engine, kind)
  const failed = new Map<string, AppError>()
  const queue = items.entries()
  const jobId = `job-${++jobs}`
  const worker = async (): Promise<void> => {
    for (const [index, { subject }] of queue) {
      const context: ItemContext = { jobId, index, attempt: 1, signal }
      try {
        await runner.run(subject, context)
      } catch (thrown) {
        failed.set(subject, thrown instanceof AppError ? thrown : new AppError('cancelled', String(thrown)))
      }
    }
  }
  await Promise.all(Array.from({ length: runner.concurrency }, worker))
  return failed
}

export function apply(bench: { readonly engine: GroupEngine }): Promise<Map<string, AppError>> {
  return runJob(bench.engine, 'apply', bench.engine.applyItems())
}
