// A double of the bridge for looking at the group, apply, test and hand-over views in a browser: a small office whose core is played here.
// The query of the page chooses the scene: `?devices=60&stage=empty|planned|applied&theme=dark&locale=de`.
import type { Bridge } from '#contract/bridge.ts'
import type { FeedMessage, FeedName, FeedRow } from '#contract/feeds.ts'
import type {
  ApplicationGroupRow,
  DeviceRow,
  DeviceType,
  ItemState,
  JobRow,
  MembershipRow,
  Outcome,
  PlanLine,
  RoomRow,
  TestMember,
  TestRunRow,
} from '#contract/model.ts'
import type { OpInput, OpName, Reply } from '#contract/ops.ts'

const query = new URLSearchParams(location.search)
const wantedDevices = Number(query.get('devices') ?? 60)
const stage = query.get('stage') ?? 'planned'
const now = Date.now()

// A seeded generator, so that two looks at the same scene show the same thing.
let seed = 7
function chance(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}

type Keyed = Map<string, unknown>
const tables = new Map<FeedName, Keyed>()
const listeners = new Map<FeedName, Set<(message: FeedMessage) => void>>()
const versions = new Map<FeedName, number>()
const keyOf: Readonly<Record<string, string>> = {
  memberships: 'key',
  jobItems: 'key',
  session: 'key',
  preferences: 'key',
  discovery: 'key',
  progress: 'step',
  checks: 'check',
  checklist: 'item',
  exports: 'handle',
}

function table(name: FeedName): Keyed {
  const found = tables.get(name) ?? new Map<string, unknown>()
  tables.set(name, found)
  return found
}
function put<Name extends FeedName>(name: Name, rows: ReadonlyArray<FeedRow<Name>>, remove: readonly string[] = []): void {
  const rowsByKey = table(name)
  for (const row of rows) rowsByKey.set(String(Reflect.get(row, keyOf[name] ?? 'id')), row)
  for (const key of remove) rowsByKey.delete(key)
  const version = (versions.get(name) ?? 0) + 1
  versions.set(name, version)
  for (const listener of listeners.get(name) ?? []) listener({ kind: 'delta', version, upsert: rows, remove })
}
function all<Name extends FeedName>(name: Name): Array<FeedRow<Name>> {
  return [...table(name).values()] as Array<FeedRow<Name>>
}
function one<Name extends FeedName>(name: Name, key: string): FeedRow<Name> | undefined {
  return table(name).get(key) as FeedRow<Name> | undefined
}

// ---- The office ---------------------------------------------------------------------------------------------------

function room(id: string, parentId: string | null, kind: RoomRow['kind'], name: string, position: number): RoomRow {
  return { id, parentId, kind, name, position }
}
const roomRows: RoomRow[] = [room('b', null, 'building', 'Hafenkontor', 0)]
const leafs: string[] = []
const roomsPerFloor = Math.max(4, Math.round(wantedDevices / 24))
for (let floor = 1; floor <= 2; floor++) {
  roomRows.push(room(`f${floor}`, 'b', 'floor', floor === 1 ? '1st floor' : '2nd floor', floor))
  for (let index = 1; index <= roomsPerFloor; index++) {
    const name = `${floor}.${String(index).padStart(2, '0')}`
    roomRows.push(room(name, `f${floor}`, 'room', index === 1 ? `${name} Lobby` : index % 5 === 0 ? `${name} Meeting` : name, index))
    leafs.push(name)
  }
}
const kinds: ReadonlyArray<readonly [DeviceType, string]> = [
  ['luminaire', 'Panel'],
  ['luminaire', 'Panel'],
  ['luminaire', 'Panel'],
  ['blind', 'Blind'],
  ['presence-sensor', 'Presence'],
  ['switch', 'Switch'],
  ['luminaire', 'Spot'],
  ['thermostat', 'Thermostat'],
]
const deviceRows: DeviceRow[] = Array.from({ length: wantedDevices }, (_one, index) => {
  const roomId = leafs[Math.floor((index / wantedDevices) * leafs.length)] ?? null
  const [type, word] = kinds[index % kinds.length] ?? ['unknown', 'Device']
  const heard = chance() > 0.06
  return {
    id: `d${index}`,
    name: `${word} ${roomId ?? ''}-${(index % 12) + 1}`,
    type,
    roomId: index % 29 === 28 ? null : roomId,
    state: stage === 'applied' ? 'configured' : heard ? 'seen' : 'expected',
    stateAt: now - 500_000,
    stateSource: 'discovery',
    eui64: `020000fffe${(0x1000 + index).toString(16).padStart(6, '0')}`,
    serial: `GW-24-${String(index).padStart(5, '0')}`,
    model: 'Demo Panel 600',
    profileId: 'groupwright-demo',
    endpointName: null,
    address: heard ? `[fd00:db8::${(0x100 + index).toString(16)}]:5683` : null,
    lastHeardAt: heard ? now - Math.floor(chance() * 300_000) : null,
    groups: 0,
    comment: '',
  }
})
put('rooms', roomRows)

let groupCount = 0
function addGroup(name: string, roomId: string | null): ApplicationGroupRow {
  groupCount++
  const address = `ff35:30:fd00:db8::1:${groupCount.toString(16)}`
  put('coapGroups', [{ id: `c${groupCount}`, name, address, port: 5683, scope: 'site-local', uri: `coap://[${address}]`, allocated: true }])
  return {
    id: `g${groupCount}`,
    name,
    coapGroupId: `c${groupCount}`,
    roomId,
    comment: '',
    uri: `coap://[${address}]/gp/${name}`,
    members: 0,
    confirmed: 0,
  }
}
const words: Partial<Record<DeviceType, string>> = {
  luminaire: 'light',
  blind: 'blind',
  thermostat: 'climate',
  'presence-sensor': 'presence',
  switch: 'switch',
}
function fromRooms(types: readonly DeviceType[], outcome: () => Outcome): { groups: number; memberships: number } {
  const made: ApplicationGroupRow[] = []
  const inRoom = Map.groupBy(deviceRows, (device) => device.roomId)
  const taken = new Set(all('applicationGroups').map((group) => group.name))
  const memberships: MembershipRow[] = []
  for (const leaf of leafs)
    for (const type of types) {
      const members = (inRoom.get(leaf) ?? []).filter((device) => device.type === type)
      if (members.length === 0) continue
      const name = `${leaf}-${words[type] ?? type}`
      if (taken.has(name)) continue
      const group = addGroup(name, leaf)
      made.push(group)
      for (const device of members) memberships.push(membership(device.id, group.id, true, outcome()))
    }
  put('applicationGroups', made)
  put('memberships', memberships)
  recount()
  return { groups: made.length, memberships: memberships.length }
}
function membership(deviceId: string, groupId: string, desired: boolean, outcome: Outcome): MembershipRow {
  const failure =
    outcome === 'failed' ? { code: 'coap.timeout', message: 'No answer to PUT /groups within 93 s.', retryable: true, details: {} } : null
  return {
    key: `${deviceId} ${groupId}`,
    deviceId,
    groupId,
    desired,
    outcome,
    at: now - 60_000,
    source: outcome === 'planned' ? 'operator' : 'apply',
    failure,
  }
}
function recount(): void {
  const groups = new Map(all('applicationGroups').map((group) => [group.id, { ...group, members: 0, confirmed: 0 }]))
  const perDevice = new Map<string, number>()
  const byId = new Map(deviceRows.map((device) => [device.id, device]))
  const lines: PlanLine[] = []
  for (const row of all('memberships')) {
    const group = groups.get(row.groupId)
    const device = byId.get(row.deviceId)
    if (group === undefined || device === undefined) continue
    if (row.desired) {
      group.members++
      perDevice.set(row.deviceId, (perDevice.get(row.deviceId) ?? 0) + 1)
      if (row.outcome === 'confirmed') group.confirmed++
    }
    if (row.outcome !== 'confirmed')
      lines.push({
        id: row.key,
        change: row.desired ? 'add' : 'remove',
        deviceId: row.deviceId,
        deviceName: device.name,
        groupId: row.groupId,
        groupName: group.name,
        uri: group.uri,
        failure: row.failure,
        blocked: device.address === null ? 'not-seen' : null,
      })
  }
  put('applicationGroups', [...groups.values()])
  for (const [index, device] of deviceRows.entries()) deviceRows[index] = { ...device, groups: perDevice.get(device.id) ?? 0 }
  put('devices', deviceRows)
  const kept = new Set(lines.map((line) => line.id))
  const gone = all('plan')
    .filter((line) => !kept.has(line.id))
    .map((line) => line.id)
  put('plan', lines, gone)
  const open = lines.length
  put('progress', [
    { step: 'site', open: 0, total: 1 },
    { step: 'devices', open: deviceRows.filter((device) => device.address === null).length, total: deviceRows.length },
    { step: 'groups', open: 0, total: groups.size },
    { step: 'apply', open, total: all('memberships').length },
    { step: 'test', open: groups.size, total: groups.size },
    { step: 'handover', open: 1, total: 1 },
  ])
}
put('devices', deviceRows)
const acting: readonly DeviceType[] = ['luminaire', 'blind', 'thermostat']
if (stage === 'planned') {
  fromRooms(acting, () => {
    const dice = chance()
    return dice < 0.5 ? 'planned' : dice < 0.8 ? 'confirmed' : dice < 0.88 ? 'sent' : dice < 0.95 ? 'failed' : 'unknown'
  })
  const some = all('memberships')
    .filter((row) => row.outcome === 'confirmed')
    .slice(3, 7)
  put(
    'memberships',
    some.map((row) => ({ ...row, desired: false, outcome: 'planned' as const })),
  )
  recount()
} else if (stage === 'applied') fromRooms(acting, () => 'confirmed')
else recount()

// ---- Jobs and tests -----------------------------------------------------------------------------------------------

let jobCount = 0
const speedMs = Number(query.get('speed') ?? 60)
function startApply(lineIds: readonly string[], retryOf: string | null): string {
  const id = `job${++jobCount}`
  const states: ItemState[] = lineIds.map(() => 'pending')
  const attempts = lineIds.map(() => 0)
  const row = (finishedAt: number | null): JobRow => ({
    id,
    kind: 'apply',
    title: 'Apply',
    state: finishedAt === null ? 'running' : 'done',
    counts: Object.fromEntries(
      (['pending', 'running', 'ok', 'warning', 'failed', 'skipped'] as const).map((state) => [
        state,
        states.filter((one) => one === state).length,
      ]),
    ) as JobRow['counts'],
    total: lineIds.length,
    createdAt: now + jobCount,
    finishedAt,
    remainingMs: states.filter((state) => state === 'pending').length * speedMs,
    retryOf,
    failure: null,
  })
  const item = (index: number): FeedRow<'jobItems'> => ({
    key: `${id} ${index}`,
    jobId: id,
    index,
    subject: lineIds[index] ?? '',
    label: lineIds[index] ?? '',
    state: states[index] ?? 'pending',
    attempts: attempts[index] ?? 0,
    at: Date.now(),
    failure:
      states[index] === 'failed'
        ? { code: 'coap.timeout', message: 'No answer to PUT /groups within 93 s.', retryable: true, details: {} }
        : null,
  })
  put(
    'jobItems',
    lineIds.map((_line, index) => item(index)),
  )
  put('jobs', [row(null)])
  let next = 0
  const tick = (): void => {
    const before = next - 4
    if (before >= 0 && states[before] === 'running') {
      states[before] = retryOf === null && chance() < 0.06 ? 'failed' : 'ok'
      const line = one('memberships', lineIds[before] ?? '')
      if (line !== undefined && states[before] === 'ok') {
        if (line.desired) put('memberships', [{ ...line, outcome: 'confirmed', source: 'apply', failure: null }])
        else put('memberships', [], [line.key])
      } else if (line !== undefined) put('memberships', [{ ...line, outcome: 'failed' }])
      put('jobItems', [item(before)])
      recount()
    }
    if (next < lineIds.length) {
      states[next] = 'running'
      attempts[next] = 1
      put('jobItems', [item(next)])
    }
    next++
    const over = next >= lineIds.length + 5
    put('jobs', [row(over ? Date.now() : null)])
    if (!over) setTimeout(tick, speedMs)
  }
  setTimeout(tick, speedMs)
  return id
}

let runCount = 0
function startTest(groupId: string, action: string, repeats: number, at = Date.now(), instant = false): string {
  const id = `run${++runCount}`
  const group = one('applicationGroups', groupId)
  const members: TestMember[] = all('memberships')
    .filter((row) => row.groupId === groupId && row.desired)
    .map((row) => ({ deviceId: row.deviceId, verdict: 'waiting', answerMs: null, heardCount: 0, code: null, seen: null }))
  const plan = members.map(() => ({
    ms: chance() < 0.04 ? 940 + chance() * 700 : 40 + (chance() + chance() + chance()) * 190,
    fate: chance(),
  }))
  let state: TestRunRow['state'] = 'sending'
  const show = (): void => {
    const times = members.flatMap((member) => (member.answerMs === null ? [] : [member.answerMs])).sort((a, b) => a - b)
    put('testRuns', [
      {
        id,
        groupId,
        groupName: group?.name ?? '',
        action,
        state,
        startedAt: at,
        finishedAt: state === 'done' ? at + 1800 : null,
        repeats,
        repeat: repeats,
        uri: `${group?.uri ?? ''}/state`,
        messageBytes: 47,
        spreadMs: times.length > 1 ? (times.at(-1) ?? 0) - (times[0] ?? 0) : null,
        medianMs: times[Math.floor(times.length / 2)] ?? null,
        members: [...members],
        strangers: 0,
        failure: null,
      },
    ])
  }
  const hear = (index: number): void => {
    const member = members[index]
    const due = plan[index]
    if (member === undefined || due === undefined || due.fate > 0.9) return
    members[index] = {
      ...member,
      verdict: 'heard',
      answerMs: Math.round(due.ms),
      heardCount: Math.max(1, repeats - (due.fate > 0.7 ? 1 : 0)),
    }
  }
  const settle = (): void => {
    members.forEach((member, index) => {
      const fate = plan[index]?.fate ?? 0
      if (member.verdict === 'waiting')
        members[index] = {
          ...member,
          verdict: fate > 0.985 ? 'rejected' : fate > 0.965 ? 'not-changed' : fate > 0.945 ? 'unreachable' : 'silent-changed',
          code: fate > 0.985 ? '4.04' : null,
        }
    })
    state = 'done'
  }
  if (instant) {
    members.forEach((_member, index) => hear(index))
    settle()
    show()
    return id
  }
  show()
  members.forEach((_member, index) =>
    setTimeout(() => {
      hear(index)
      show()
    }, plan[index]?.ms ?? 0),
  )
  setTimeout(() => {
    state = 'reading-back'
    show()
  }, 1500)
  setTimeout(() => {
    settle()
    show()
  }, 2200)
  return id
}
if (stage === 'applied') {
  for (const [index, group] of all('applicationGroups').slice(0, 8).entries())
    startTest(group.id, index % 2 === 0 ? 'on' : 'blink', 3, now - (index + 1) * 45_000, true)
  const everybody = addGroup('all-light', null)
  put('applicationGroups', [everybody])
  put(
    'memberships',
    deviceRows.filter((device) => device.type === 'luminaire').map((device) => membership(device.id, everybody.id, true, 'confirmed')),
  )
  recount()
}

// ---- What is not of the groups ------------------------------------------------------------------------------------

put('session', [
  {
    key: 'session',
    version: '0.1.0',
    host: 'browser',
    site: {
      id: 's',
      kind: 'demo',
      fileName: 'hafenkontor.site',
      details: { name: 'Hafenkontor', organisation: 'Elektro Petersen', address: 'Am Kai 4, Hamburg', operator: 'K. Petersen' },
      createdAt: now - 90_000_000,
      revision: 12,
      demo: { devices: wantedDevices, lossPercent: 5, seed: 1 },
      network: null,
    },
    network: { state: 'up', failure: null, listening: [{ scheme: 'coap', address: '127.0.0.1', port: 5683, channel: 'demo' }] },
  },
])
const theme = query.get('theme')
put('preferences', [
  {
    key: 'preferences',
    locale: query.get('locale') === 'de' ? 'de' : 'en',
    theme: theme === 'dark' || theme === 'light' ? theme : 'system',
    density: query.get('density') === 'touch' ? 'touch' : 'normal',
    views: {},
  },
])
put('discovery', [{ key: 'discovery', state: 'idle', startedAt: null, deadlineAt: null, heard: 0, added: 0, failure: null }])
put('checks', [{ check: 'report-printer', verdict: 'ok', finding: 'found', params: {}, at: now }])
put('problems', [])
put('checklist', [
  { item: 'devices-found', step: 'devices', open: 2, total: wantedDevices },
  { item: 'devices-placed', step: 'devices', open: 0, total: wantedDevices },
  { item: 'groups-have-members', step: 'groups', open: 0, total: 24 },
  { item: 'changes-applied', step: 'apply', open: 0, total: 96 },
  { item: 'groups-tested', step: 'test', open: 5, total: 24 },
  { item: 'no-failures', step: 'apply', open: 0, total: 0 },
  { item: 'exported', step: 'handover', open: 1, total: 1 },
])
put('exports', [
  {
    handle: 'e1',
    format: 'json',
    fileName: 'hafenkontor-2026-11-20.json',
    bytes: 48_212,
    sha256: '9f2c4b1a77d0e3a5c6b8f1029384756aa0b1c2d3e4f5061728394a5b6c7d8e9f',
    at: now - 4_000_000,
    revision: 11,
  },
  {
    handle: 'e2',
    format: 'report-pdf',
    fileName: 'hafenkontor-report.pdf',
    bytes: 1_204_112,
    sha256: '1c2c4b1a77d0e3a5c6b8f1029384756aa0b1c2d3e4f5061728394a5b6c7d8e9f',
    at: now - 60_000,
    revision: 12,
  },
])

// ---- The ops ------------------------------------------------------------------------------------------------------

const report =
  '<!doctype html><html><head><title>Report</title><style>body{font:14px/1.5 sans-serif;margin:40px;color:#222}h1{font-size:22px}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;text-align:left;padding:4px}</style></head><body><h1>Commissioning report: Hafenkontor</h1><p>Elektro Petersen, Am Kai 4, Hamburg</p><h2>Groups</h2><table><tr><th>Group</th><th>Members</th><th>Proven</th></tr><tr><td>1.01-light</td><td>3</td><td>yes</td></tr><tr><td>1.02-light</td><td>4</td><td>no</td></tr></table></body></html>'
const done = undefined
type Answers = { readonly [Name in OpName]?: (input: OpInput<Name>) => unknown }
const answers: Answers = {
  'groups.setMemberships': ({ changes }) => {
    for (const { deviceId, groupId, desired } of changes) {
      const before = one('memberships', `${deviceId} ${groupId}`)
      if (desired)
        put('memberships', [
          before?.desired === false ? { ...before, desired, outcome: 'confirmed' } : membership(deviceId, groupId, true, 'planned'),
        ])
      else if (before?.outcome === 'confirmed') put('memberships', [{ ...before, desired: false, outcome: 'planned' }])
      else put('memberships', [], [`${deviceId} ${groupId}`])
    }
    recount()
  },
  'groups.fromRooms': ({ types }) => fromRooms(types, () => 'planned'),
  'groups.createApplication': ({ name, roomId }) => {
    const group = addGroup(name, roomId ?? null)
    put('applicationGroups', [group])
    return { id: group.id }
  },
  'groups.updateApplication': ({ id, patch }) => {
    const group = one('applicationGroups', id)
    if (group !== undefined && patch.name !== undefined) put('applicationGroups', [{ ...group, name: patch.name }])
  },
  'groups.removeApplication': ({ id }) => {
    put('applicationGroups', [], [id])
    put(
      'memberships',
      [],
      all('memberships')
        .filter((row) => row.groupId === id)
        .map((row) => row.key),
    )
    recount()
  },
  'groups.verify': () => ({ jobId: 'none' }),
  'rooms.create': ({ parentId, kind, name }) => {
    const made = room(`r${roomRows.push(room('', null, kind, name, 0))}`, parentId, kind, name, 99)
    put('rooms', [made])
    return { id: made.id }
  },
  'rooms.update': ({ id, patch }) => {
    const found = one('rooms', id)
    if (found !== undefined)
      put('rooms', [
        {
          ...found,
          name: patch.name ?? found.name,
          kind: patch.kind ?? found.kind,
          parentId: patch.parentId === undefined ? found.parentId : patch.parentId,
        },
      ])
  },
  'rooms.remove': ({ id }) => put('rooms', [], [id]),
  'devices.update': ({ ids, patch }) => {
    for (const [index, device] of deviceRows.entries())
      if (ids.includes(device.id)) deviceRows[index] = { ...device, roomId: patch.roomId === undefined ? device.roomId : patch.roomId }
    put('devices', deviceRows)
  },
  'plan.requests': ({ lineIds }) =>
    lineIds.map((lineId) => {
      const line = one('plan', lineId)
      return {
        lineId,
        requests: [`PUT /groups/${line?.groupName ?? ''}`, `  application/json  {"a":"ff35:30:fd00:db8::1:1","p":5683}`, 'GET /groups'],
      }
    }),
  'apply.start': ({ lineIds }) => ({
    jobId: startApply(
      lineIds ??
        all('plan')
          .filter((line) => line.blocked === null)
          .map((line) => line.id),
      null,
    ),
  }),
  'jobs.retryFailed': ({ jobId }) => ({
    jobId: startApply(
      all('jobItems')
        .filter((item) => item.jobId === jobId && item.state === 'failed')
        .map((item) => item.subject),
      jobId,
    ),
  }),
  'test.actions': ({ groupId }) => {
    const members = one('applicationGroups', groupId)?.members ?? 0
    return members === 0 ? [] : ['on', 'off', 'toggle', 'blink'].map((id) => ({ id, label: id, members }))
  },
  'test.run': ({ groupId, action, repeats }) => ({ runId: startTest(groupId, action, repeats ?? 1) }),
  'test.seen': ({ runId, deviceId, seen }) => {
    const run = one('testRuns', runId)
    if (run !== undefined)
      put('testRuns', [{ ...run, members: run.members.map((member) => (member.deviceId === deviceId ? { ...member, seen } : member)) }])
  },
  'handover.report': () => ({ html: report }),
  'handover.export': () => [],
  'handover.reveal': () => ({ url: null }),
  'preferences.set': (patch) => {
    const before = one('preferences', 'preferences')
    if (before !== undefined) put('preferences', [{ ...before, ...(patch as Partial<typeof before>) }])
  },
}

const bridge: Bridge = {
  call: (name, input) => {
    const answer = answers[name] as ((given: unknown) => unknown) | undefined
    return new Promise((resolve) => setTimeout(() => resolve({ ok: true, value: answer?.(input) ?? done } as Reply<typeof name>), 15))
  },
  subscribe: (feed, listener) => {
    const own = listeners.get(feed) ?? new Set()
    listeners.set(feed, own)
    const heard = listener as (message: FeedMessage) => void
    own.add(heard)
    queueMicrotask(() => heard({ kind: 'snapshot', version: versions.get(feed) ?? 0, rows: [...table(feed).values()] } as FeedMessage))
    return () => own.delete(heard)
  },
  onConnection: (listener) => {
    queueMicrotask(() => listener(true))
    return () => undefined
  },
}
Object.assign(window, { groupwright: bridge })
