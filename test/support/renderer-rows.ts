// The rows of a believable office building, for the window's double.
import type { FeedName, FeedRow } from '#contract/feeds.ts'
import type { DeviceRow, DeviceState, DeviceType, PreferencesRow, SessionRow } from '#contract/model.ts'

type ListName = Exclude<FeedName, 'session' | 'preferences'>
export interface Rows {
  readonly session: SessionRow
  readonly preferences: PreferencesRow
  readonly lists: Readonly<Record<ListName, Map<string, FeedRow<FeedName>>>>
}

const keys: Readonly<Partial<Record<FeedName, string>>> = {
  progress: 'step',
  checks: 'check',
  discovery: 'key',
  memberships: 'key',
  jobItems: 'key',
  checklist: 'item',
  exports: 'handle',
  session: 'key',
  preferences: 'key',
  trace: 'key',
  groupSettings: 'key',
  joining: 'key',
}

export function keyOf(feed: FeedName, row: FeedRow<FeedName>): string {
  return String(Reflect.get(row, keys[feed] ?? 'id'))
}

const pattern: ReadonlyArray<readonly [DeviceType, string]> = [
  ['luminaire', 'Ceiling light'],
  ['luminaire', 'Ceiling light'],
  ['luminaire', 'Ceiling light'],
  ['luminaire', 'Window light'],
  ['presence-sensor', 'Presence'],
  ['switch', 'Door switch'],
  ['blind', 'Blind'],
  ['thermostat', 'Thermostat'],
]
const stateOf = (index: number): DeviceState =>
  index % 23 === 4 ? 'faulty' : index % 9 === 0 ? 'planned' : index % 5 === 0 ? 'seen' : index % 3 === 0 ? 'configured' : 'verified'

export function makeRows(count: number): Rows {
  const now = Date.now()
  const map = (): Map<string, FeedRow<FeedName>> => new Map()
  const lists: Rows['lists'] = {
    progress: map(),
    checks: map(),
    problems: map(),
    rooms: map(),
    devices: map(),
    discovery: map(),
    coapGroups: map(),
    applicationGroups: map(),
    memberships: map(),
    plan: map(),
    jobs: map(),
    jobItems: map(),
    testRuns: map(),
    access: map(),
    walk: map(),
    writer: map(),
    templates: map(),
    templateUses: map(),
    pushTargets: map(),
    history: map(),
    maintenance: map(),
    checklist: map(),
    exports: map(),
    directory: map(),
    links: map(),
    drift: map(),
    survey: map(),
    trace: map(),
    ra: map(),
    admission: map(),
    joining: map(),
    pledges: map(),
    security: map(),
    securityGroups: map(),
    protections: map(),
    securityMembers: map(),
    securityDevices: map(),
    securityPlan: map(),
    securityFindings: map(),
    findings: map(),
    groupSettings: map(),
  }
  const add = <Name extends ListName>(feed: Name, row: FeedRow<Name>): void => void lists[feed].set(keyOf(feed, row), row)

  if (count > 0) {
    add('rooms', { id: 'b', parentId: null, kind: 'building', name: 'North', position: 0 })
    for (let index = 0; index < count; index += 1) {
      const roomNumber = Math.floor(index / pattern.length)
      const floor = Math.floor(roomNumber / 20) + 1
      const roomName = `${floor}.${String((roomNumber % 20) + 1).padStart(2, '0')}`
      if (index % pattern.length === 0) {
        if (roomNumber % 20 === 0) add('rooms', { id: `f${floor}`, parentId: 'b', kind: 'floor', name: `Floor ${floor}`, position: floor })
        add('rooms', { id: `r${roomName}`, parentId: `f${floor}`, kind: 'room', name: roomName, position: roomNumber })
        const coap = { id: `c${roomName}`, name: `${roomName}-light`, address: `ff35:30:fd00::1:${roomNumber.toString(16)}`, port: 5683 }
        add('coapGroups', { ...coap, scope: 'site-local', uri: `coap://[${coap.address}]`, allocated: true })
        add('applicationGroups', {
          id: `g${roomName}`,
          name: coap.name,
          coapGroupId: coap.id,
          roomId: `r${roomName}`,
          comment: '',
          uri: `coap://[${coap.address}]/gp/${coap.name}`,
          members: 4,
          confirmed: 3,
        })
      }
      const [type, label] = pattern[index % pattern.length] ?? ['unknown', 'Device']
      const state = stateOf(index)
      const heard = state === 'planned' ? null : now - (index % 40) * 37_000
      const hex = index.toString(16).padStart(4, '0')
      const inGroup = type === 'luminaire'
      const row: DeviceRow = {
        id: `d${index}`,
        name: `${label} ${roomName}-${(index % pattern.length) + 1}`,
        type,
        roomId: index % 31 === 7 ? null : `r${roomName}`,
        state,
        stateAt: now - (index % 60) * 61_000,
        stateSource: state === 'planned' ? 'import' : state === 'verified' ? 'test' : 'registration',
        eui64: `020000fffe00${hex}`,
        serial: `GW-24-${String(index + 1).padStart(5, '0')}`,
        model: state === 'planned' ? null : 'Demo Panel 600',
        profileId: state === 'planned' ? null : 'groupwright-demo',
        endpointName: state === 'planned' ? null : `020000fffe00${hex}`,
        address: state === 'planned' ? null : `[fd00:0:0:1:200:ff:fe00:${hex}]:5683`,
        lastHeardAt: heard,
        groups: inGroup ? 1 : 0,
        comment: '',
      }
      add('devices', row)
      if (inGroup) {
        const failure =
          state === 'faulty' ? { code: 'coap.timeout', message: 'no answer after 4 attempts', retryable: true, details: {} } : null
        add('memberships', {
          key: `${row.id} g${roomName}`,
          deviceId: row.id,
          groupId: `g${roomName}`,
          desired: true,
          outcome: failure === null ? (heard === null ? 'planned' : 'confirmed') : 'failed',
          at: now,
          source: 'apply',
          failure,
        })
      }
      if (state === 'faulty')
        add('problems', {
          id: `device-faulty ${row.id}`,
          kind: 'device-faulty',
          severity: 'error',
          step: 'devices',
          subject: { kind: 'device', id: row.id, name: row.name },
          params: {},
        })
      if (row.roomId === null)
        add('problems', {
          id: `device-without-room ${row.id}`,
          kind: 'device-without-room',
          severity: 'info',
          step: 'devices',
          subject: { kind: 'device', id: row.id, name: row.name },
          params: {},
        })
    }
    const unfound = Math.ceil(count / 9)
    add('progress', { step: 'site', open: 0, total: 8 })
    add('progress', { step: 'devices', open: unfound, total: count })
    add('progress', { step: 'groups', open: 3, total: 20 })
    add('progress', { step: 'apply', open: 12, total: 120 })
    add('progress', { step: 'test', open: 8, total: 20 })
    add('progress', { step: 'handover', open: 1, total: 1 })
    const check = { at: now - 30_000, params: {} }
    add('checks', { ...check, check: 'site-file', verdict: 'ok', finding: 'sound', params: { entries: 412 } })
    add('checks', { ...check, check: 'backup', verdict: 'warning', finding: 'none' })
    add('checks', { ...check, check: 'disk-space', verdict: 'ok', finding: 'enough', params: { megabytes: 48_210 } })
    add('checks', { ...check, check: 'clock', verdict: 'ok', finding: 'plausible' })
    add('checks', { ...check, check: 'network', verdict: 'ok', finding: 'up', params: { channels: 1 } })
    add('checks', { ...check, check: 'multicast', verdict: 'ok', finding: 'radio' })
    add('checks', { ...check, check: 'directory', verdict: 'ok', finding: 'listening', params: { endpoints: count } })
    add('checks', { ...check, check: 'report-printer', verdict: 'failed', finding: 'broken', params: { reason: 'EACCES' } })
    add('jobs', {
      id: 'apply-1',
      kind: 'apply',
      title: 'Apply 2nd floor',
      state: 'running',
      counts: { pending: 57, running: 2, ok: 139, warning: 0, failed: 2, skipped: 0 },
      total: 200,
      createdAt: now - 90_000,
      finishedAt: null,
      remainingMs: 41_000,
      retryOf: null,
      failure: null,
    })
    for (let index = 0; index < 60; index += 1) {
      const failed = index === 12 || index === 40
      add('jobItems', {
        key: `apply-1 ${index}`,
        jobId: 'apply-1',
        index,
        subject: `d${index}`,
        label: `Ceiling light 2.${index}`,
        state: failed ? 'failed' : index > 50 ? 'pending' : index > 48 ? 'running' : 'ok',
        attempts: failed ? 4 : 1,
        at: now - index * 900,
        failure: failed ? { code: 'coap.timeout', message: 'no answer after 4 attempts', retryable: true, details: {} } : null,
      })
    }
    add('discovery', { key: 'discovery', state: 'idle', startedAt: now - 120_000, deadlineAt: null, heard: 58, added: 4, failure: null })
  }

  return {
    session: {
      key: 'session',
      version: '0.1.0',
      host: 'browser',
      site: {
        id: 's',
        kind: 'demo',
        fileName: 'demo-office.site',
        createdAt: now - 86_400_000,
        revision: 212,
        demo: { devices: count, lossPercent: 2, seed: 1 },
        network: null,
        details: {
          name: 'Office building North',
          organisation: 'Example Properties Ltd',
          address: '12 Harbour Street, Bristol',
          operator: 'R. Fielding, Fielding Electric',
        },
      },
      network: { state: 'up', failure: null, listening: [{ scheme: 'coap', address: 'fd00::1', port: 5683, channel: 'demo' }] },
    },
    preferences: { key: 'preferences', locale: null, theme: 'system', density: 'normal', views: {} },
    lists,
  }
}
