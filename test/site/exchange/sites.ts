// Random sites as documents, for the tests of the exchange.
import fc from 'fast-check'
import { canonicalAddress } from '#main/site/groups/index.ts'
import type { DeviceRecord, RoomRecord } from '#main/site/devices/index.ts'
import type {
  ApplicationGroupRecord,
  CoapGroupRecord,
  MembershipRecord,
  ProtectionRecord,
  SecurityGroupRecord,
} from '#main/site/groups/index.ts'
import type { SiteFacts } from '#main/site/exchange/index.ts'
import type { Failure, TestRunRow } from '#contract/model.ts'
import { MemoryGroupStore } from '../../support/memory-group-store.ts'

export interface TestSite {
  readonly facts: SiteFacts
  readonly devices: MemoryDevices
  readonly groups: MemoryGroupStore
  readonly security: MemorySecurity
}

/** What the exchange needs of a SecurityStore. */
export class MemorySecurity {
  readonly #groups = new Map<string, SecurityGroupRecord>()
  readonly #protections = new Map<string, ProtectionRecord>()

  securityGroups(): readonly SecurityGroupRecord[] {
    return [...this.#groups.values()]
  }

  saveSecurityGroup(group: SecurityGroupRecord): void {
    this.#groups.set(group.id, group)
  }

  protections(): readonly ProtectionRecord[] {
    return [...this.#protections.values()]
  }

  saveProtection(protection: ProtectionRecord): void {
    this.#protections.set(protection.groupId, protection)
  }
}

/** What the exchange needs of a DeviceStore. */
export class MemoryDevices {
  readonly #rooms = new Map<string, RoomRecord>()
  readonly #devices = new Map<string, DeviceRecord>()
  readonly #links = new Map<string, string>()

  rooms(): readonly RoomRecord[] {
    return [...this.#rooms.values()]
  }

  saveRooms(rooms: readonly RoomRecord[]): void {
    for (const room of rooms) {
      if (room.parentId !== null && !this.#rooms.has(room.parentId)) throw new TypeError(`FOREIGN KEY room ${room.parentId}`)
      this.#rooms.set(room.id, room)
    }
  }

  devices(): readonly DeviceRecord[] {
    return [...this.#devices.values()]
  }

  saveDevices(devices: readonly DeviceRecord[]): void {
    for (const device of devices) this.#devices.set(device.id, device)
  }

  links(id: string): string | undefined {
    return this.#links.get(id)
  }

  saveLinks(id: string, linkFormat: string): void {
    this.#links.set(id, linkFormat)
  }

  transaction<Result>(work: () => Result): Result {
    return work()
  }
}

// Lone surrogates cannot be written as UTF-8; every name in the project is text that can.
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', minLength: 1, maxLength }).map((value) => value.slice(0, maxLength).toWellFormed())
const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(value)
const time = fc.integer({ min: 0, max: Date.UTC(2200, 0) })
const source = fc.constantFrom('operator', 'import', 'discovery', 'registration', 'apply', 'verify', 'test')
const failure: fc.Arbitrary<Failure | null> = optional(
  fc.record({
    code: fc.constantFrom('coap.timeout', 'coap.response-error'),
    message: text(40),
    retryable: fc.boolean(),
    details: fc.dictionary(text(8), fc.jsonValue({ maxDepth: 2 })),
  }),
)

function rows<Row extends { readonly id: string }>(
  prefix: string,
  row: fc.Arbitrary<Omit<Row, 'id'>>,
  maxLength: number,
): fc.Arbitrary<Row[]> {
  // Rows come in any order; the export has an order of its own.
  return fc
    .array(row, { maxLength })
    .map((all) => all.map((one, index) => ({ ...one, id: `${prefix}-${(index * 7919) % 104_729}` }) as Row))
}

const picks = fc.infiniteStream(fc.nat())

export const randomSite: fc.Arbitrary<TestSite> = fc
  .record({
    facts: fc.record({
      id: fc.constant('site-1'),
      kind: fc.constantFrom('demo', 'network'),
      details: fc.record({
        name: text(60),
        organisation: fc.string({ maxLength: 40 }).map((value) => value.toWellFormed()),
        address: text(60),
        operator: text(40),
      }),
      createdAt: time,
      demo: optional(
        fc.record({ devices: fc.integer({ min: 1, max: 9999 }), lossPercent: fc.integer({ min: 0, max: 90 }), seed: fc.nat() }),
      ),
    }),
    rooms: rows<RoomRecord>(
      'room',
      fc.record({
        parentId: fc.constant(null),
        kind: fc.constantFrom('building', 'floor', 'room', 'zone'),
        name: text(30),
        position: fc.nat(99),
      }),
      6,
    ),
    devices: rows<DeviceRecord>(
      'dev',
      fc.record({
        name: text(40),
        type: fc.constantFrom('luminaire', 'switch', 'presence-sensor', 'blind', 'thermostat', 'sensor', 'actuator', 'unknown'),
        roomId: fc.constant(null),
        state: fc.constantFrom('planned', 'seen', 'configured', 'verified', 'faulty'),
        stateAt: time,
        stateSource: source,
        eui64: fc.constant(null),
        serial: fc.constant(null),
        model: optional(text(20)),
        profileId: optional(text(20)),
        endpointName: optional(text(20)),
        at: optional(
          fc.oneof(
            fc.record({ address: fc.ipV6().map(canonicalAddress), port: fc.integer({ min: 1, max: 65_535 }) }),
            fc.record({ address: fc.constant('fe80::1'), port: fc.constant(5683), zone: fc.constant('eth0') }),
          ),
        ),
        channelId: optional(fc.constant('udp')),
        lastHeardAt: optional(time),
        comment: fc.string({ maxLength: 50 }).map((value) => value.toWellFormed()),
      }),
      12,
    ),
    suites: fc.array(fc.constantFrom('standard', 'p256', 'long-tag', 'counter'), { maxLength: 4 }),
    reasons: optional(text(40)),
    groupNames: fc.uniqueArray(fc.constantFrom('2.14-light', 'a', 'b', 'Büro', 'yes', '0x10', '1e3', '~', 'null', '光'), { maxLength: 6 }),
    cells: fc.array(
      fc.record({
        desired: fc.boolean(),
        outcome: fc.constantFrom('planned', 'sent', 'confirmed', 'failed', 'unknown'),
        at: time,
        source,
        failure,
      }),
      {
        maxLength: 20,
      },
    ),
    runs: rows<TestRunRow>(
      'test',
      fc.record({
        groupId: fc.constant('group-0'),
        groupName: text(20),
        action: fc.constantFrom('on', 'off'),
        state: fc.constantFrom('done', 'failed', 'sending'),
        startedAt: time,
        finishedAt: optional(time),
        repeats: fc.integer({ min: 1, max: 20 }),
        repeat: fc.nat(20),
        uri: text(60),
        messageBytes: fc.nat(200),
        spreadMs: optional(fc.double({ min: 0, max: 1e6, noNaN: true })),
        medianMs: optional(fc.double({ min: 0, max: 1e6, noNaN: true })),
        members: fc.array(
          fc.record({
            deviceId: text(10),
            verdict: fc.constantFrom('heard', 'silent-changed', 'rejected'),
            answerMs: optional(fc.double({ min: 0, max: 1e6, noNaN: true })),
            heardCount: fc.nat(20),
            code: optional(fc.constant('4.04')),
            seen: optional(fc.boolean()),
          }),
          { maxLength: 4 },
        ),
        strangers: fc.nat(3),
        protection: fc.constant('2.14'),
        failure,
      }),
      4,
    ),
    picks,
    links: fc.string({ maxLength: 30 }).map((value) => value.toWellFormed()),
  })
  .map((parts) => build(parts as Parts))

interface Parts {
  readonly facts: SiteFacts
  readonly rooms: RoomRecord[]
  readonly devices: DeviceRecord[]
  readonly suites: ReadonlyArray<SecurityGroupRecord['suite']>
  readonly reasons: string | null
  readonly groupNames: string[]
  readonly cells: Array<Omit<MembershipRecord, 'deviceId' | 'groupId' | 'applied'>>
  readonly runs: TestRunRow[]
  readonly picks: Iterable<number>
  readonly links: string
}

function build(parts: Parts): TestSite {
  const numbers = parts.picks[Symbol.iterator]()
  const pick = <Value>(values: readonly Value[]): Value | undefined => values[(numbers.next().value as number) % Math.max(1, values.length)]
  const devices = new MemoryDevices()
  const groups = new MemoryGroupStore()
  const rooms: RoomRecord[] = []
  for (const room of parts.rooms) rooms.push({ ...room, parentId: pick([...rooms.map((other) => other.id), null]) ?? null })
  devices.saveRooms(rooms)
  const records = parts.devices.map((device, index) => ({
    ...device,
    roomId: pick([...rooms.map((room) => room.id), null]) ?? null,
    eui64: index % 2 === 0 ? index.toString(16).padStart(16, '0') : null,
    serial: index % 3 === 0 ? `SN ${index}` : null,
  }))
  devices.saveDevices(records)
  const [first] = records
  if (first !== undefined) devices.saveLinks(first.id, parts.links)
  const coap: CoapGroupRecord[] = parts.groupNames.map((name, index) => ({
    id: `coap-${9 - index}`,
    name,
    address: `ff35:30:fd00::8000:${index + 1}`,
    port: 5683 + index * 2,
    allocated: index % 2 === 0,
  }))
  for (const group of coap) groups.saveCoapGroup(group)
  const application: ApplicationGroupRecord[] = parts.groupNames.map((name, index) => ({
    id: `group-${index}`,
    name,
    coapGroupId: pick(coap)!.id,
    roomId: pick([...rooms.map((room) => room.id), null]) ?? null,
    comment: '',
    retired: index === 3,
  }))
  for (const group of application) groups.saveApplicationGroup(group)
  for (const cell of parts.cells) {
    const device = pick(records)
    const group = pick(application)
    if (device === undefined || group === undefined) continue
    groups.saveMemberships([
      {
        ...cell,
        deviceId: device.id,
        groupId: group.id,
        applied: cell.desired ? { name: group.name, address: 'ff05::1', port: 5683 } : null,
      },
    ])
  }
  for (const run of parts.runs) groups.saveTestRun(run)
  const security = new MemorySecurity()
  const secure: SecurityGroupRecord[] = parts.suites.map((suite, index) => ({
    id: `sec-${7 - index}`,
    name: `${parts.groupNames[index] ?? 'spare'}-${index}`,
    comment: '',
    roomId: pick([...rooms.map((room) => room.id), null]) ?? null,
    suite,
    policy: { rekeyOnJoin: index === 0, rekeyAfterLeaves: 1 + index, rekeyWithinMinutes: 10, lifetimeDays: 30 },
    automatic: index === 1,
  }))
  for (const group of secure) security.saveSecurityGroup(group)
  for (const { id } of application) {
    const first = pick(secure)
    const second = pick(secure)
    if (first !== undefined && second !== undefined && parts.reasons === null) {
      security.saveProtection({ groupId: id, securityGroupIds: [...new Set([first.id, second.id])], reason: null, automatic: false })
    } else if (parts.reasons !== null)
      security.saveProtection({ groupId: id, securityGroupIds: [], reason: parts.reasons, automatic: false })
  }
  return { facts: parts.facts, devices, groups, security }
}
