// Rows of the feeds for tests of the views' models, each complete, with what a test cares about given.
import type {
  ApplicationGroupRow,
  CoapGroupRow,
  DeviceRow,
  ExportRow,
  JobItemRow,
  MembershipRow,
  PlanLine,
  RoomRow,
  TestMember,
  TestRunRow,
} from '#contract/model.ts'

export const at = Date.UTC(2026, 0, 5, 8)

export function room(id: string, rest: Partial<RoomRow> = {}): RoomRow {
  return { id, parentId: null, kind: 'room', name: id, position: 0, ...rest }
}
export function device(id: string, rest: Partial<DeviceRow> = {}): DeviceRow {
  return {
    id,
    name: id,
    type: 'luminaire',
    roomId: null,
    state: 'seen',
    stateAt: at,
    stateSource: 'discovery',
    eui64: null,
    serial: null,
    model: null,
    profileId: null,
    endpointName: null,
    address: null,
    lastHeardAt: null,
    groups: 0,
    comment: '',
    ...rest,
  }
}
export function group(id: string, rest: Partial<ApplicationGroupRow> = {}): ApplicationGroupRow {
  return {
    id,
    name: id,
    coapGroupId: `c-${id}`,
    roomId: null,
    comment: '',
    uri: `coap://[ff35:30:fd00::1]/gp/${id}`,
    members: 0,
    confirmed: 0,
    ...rest,
  }
}
export function coapGroup(id: string, rest: Partial<CoapGroupRow> = {}): CoapGroupRow {
  return {
    id,
    name: id,
    address: 'ff35:30:fd00::1',
    port: 5683,
    scope: 'site-local',
    uri: 'coap://[ff35:30:fd00::1]',
    allocated: true,
    ...rest,
  }
}
export function membership(deviceId: string, groupId: string, rest: Partial<MembershipRow> = {}): MembershipRow {
  return {
    key: `${deviceId} ${groupId}`,
    deviceId,
    groupId,
    desired: true,
    outcome: 'planned',
    at,
    source: 'operator',
    failure: null,
    ...rest,
  }
}
export function planLine(deviceId: string, groupId: string, rest: Partial<PlanLine> = {}): PlanLine {
  return {
    id: `${deviceId} ${groupId}`,
    change: 'add',
    deviceId,
    deviceName: deviceId,
    groupId,
    groupName: groupId,
    uri: `coap://[ff35:30:fd00::1]/gp/${groupId}`,
    failure: null,
    blocked: null,
    ...rest,
  }
}
export function item(subject: string, rest: Partial<JobItemRow> = {}): JobItemRow {
  return {
    key: `job 0 ${subject}`,
    jobId: 'job',
    index: 0,
    subject,
    label: subject,
    state: 'pending',
    attempts: 0,
    at: null,
    failure: null,
    ...rest,
  }
}
export function member(deviceId: string, rest: Partial<TestMember> = {}): TestMember {
  return { deviceId, verdict: 'waiting', answerMs: null, heardCount: 0, code: null, seen: null, ...rest }
}
export function testRun(id: string, members: readonly TestMember[], rest: Partial<TestRunRow> = {}): TestRunRow {
  return {
    id,
    groupId: 'g',
    groupName: 'g',
    action: 'on',
    state: 'done',
    startedAt: at,
    finishedAt: at + 1000,
    repeats: 1,
    repeat: 1,
    uri: 'coap://[ff35::1]/gp/g/state',
    messageBytes: 42,
    spreadMs: null,
    medianMs: null,
    members: [...members],
    strangers: 0,
    failure: null,
    ...rest,
  }
}
export function exported(handle: string, rest: Partial<ExportRow> = {}): ExportRow {
  return { handle, format: 'json', fileName: `${handle}.json`, bytes: 1, sha256: '00', at, revision: 1, ...rest }
}
