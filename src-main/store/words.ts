// The words that columns may hold. A word of the contract that is missing here does not compile.
import type {
  DeviceState,
  DeviceType,
  ExportFormat,
  FactSource,
  ItemState,
  JobKind,
  JobState,
  Outcome,
  RoomKind,
  SiteKind,
} from '#contract/model.ts'

type Words<Word extends string> = Readonly<Record<Word, true>>

export const siteKinds: Words<SiteKind> = { demo: true, network: true }
export const roomKinds: Words<RoomKind> = { building: true, floor: true, room: true, zone: true }
export const deviceTypes: Words<DeviceType> = {
  luminaire: true,
  switch: true,
  'presence-sensor': true,
  blind: true,
  thermostat: true,
  sensor: true,
  actuator: true,
  unknown: true,
}
export const deviceStates: Words<DeviceState> = {
  planned: true,
  expected: true,
  seen: true,
  joining: true,
  enrolled: true,
  configured: true,
  verified: true,
  faulty: true,
}
export const factSources: Words<FactSource> = {
  operator: true,
  import: true,
  discovery: true,
  registration: true,
  admission: true,
  apply: true,
  verify: true,
  test: true,
}
export const outcomes: Words<Outcome> = { planned: true, sent: true, confirmed: true, failed: true, unknown: true }
export const jobKinds: Words<JobKind> = { apply: true, verify: true, identify: true, push: true, prove: true }
export const jobStates: Words<JobState> = { running: true, paused: true, done: true, cancelled: true }
export const itemStates: Words<ItemState> = { pending: true, running: true, ok: true, warning: true, failed: true, skipped: true }
export const exportFormats: Words<ExportFormat> = {
  json: true,
  yaml: true,
  csv: true,
  'report-html': true,
  'report-pdf': true,
  'json-schema': true,
  bundle: true,
  td: true,
  ditto: true,
  'rd-links': true,
}
