// Admission at rest: policy and window, pledges with their timelines, the deny list, devices as they were planned, and labels.
import type { JsonValue } from '#main/base/index.ts'
import { JOIN_STEPS } from '#main/services/join/index.ts'
import type {
  Admittance,
  AdmissionStore,
  AttemptRecord,
  DenialRecord,
  EntryRecord,
  ListedDevice,
  PledgeRecord,
  StepRecord,
} from '#main/site/admission/index.ts'
import type { LabelFacts } from '#contract/model.ts'
import { canonicalJson, fromJson } from './json.ts'
import { isMembers, isText, isWhole } from './shapes.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

interface EntryColumns {
  readonly id: string
  readonly facts: string
  readonly device_id: string | null
  readonly sealed: Uint8Array | null
  readonly actor: string
  readonly at: number
}

type Check<Value> = (value: unknown) => value is Value

export function createAdmissionStore(database: Database): AdmissionStore {
  const selectSetting = database.prepare<[string], { value: string }>('SELECT value FROM admission_setting WHERE name = ?')
  const upsertSetting = database.prepare<[string, string]>(
    'INSERT INTO admission_setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
  const selectPledges = database.prepare<[], { record: string }>('SELECT record FROM admission_pledge ORDER BY last_seen_at')
  const upsertPledge = database.prepare<[string, string | null, number, string]>(`
    INSERT INTO admission_pledge (key, device_id, last_seen_at, record) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET device_id = excluded.device_id, last_seen_at = excluded.last_seen_at, record = excluded.record`)
  const deletePledge = database.prepare<[string]>('DELETE FROM admission_pledge WHERE key = ?')
  const selectDenials = database.prepare<[], { subject: string; reason: string; actor: string; at: number }>(
    'SELECT subject, reason, actor, at FROM admission_denial',
  )
  const upsertDenial = database.prepare<[string, string, string, number]>(`
    INSERT INTO admission_denial (subject, reason, actor, at) VALUES (?, ?, ?, ?)
    ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason, actor = excluded.actor, at = excluded.at`)
  const deleteDenial = database.prepare<[string]>('DELETE FROM admission_denial WHERE subject = ?')
  const selectListed = database.prepare<[], { device_id: string; serial: string | null; eui64: string | null }>(
    'SELECT device_id, serial, eui64 FROM admission_listed',
  )
  const upsertListed = database.prepare<[string, string | null, string | null]>(`
    INSERT INTO admission_listed (device_id, serial, eui64) VALUES (?, ?, ?)
    ON CONFLICT (device_id) DO UPDATE SET serial = excluded.serial, eui64 = excluded.eui64`)
  const deleteListed = database.prepare<[string]>('DELETE FROM admission_listed WHERE device_id = ?')
  const selectEntries = database.prepare<[], EntryColumns>(
    'SELECT id, facts, device_id, sealed, actor, at FROM admission_label ORDER BY at',
  )
  const upsertEntry = database.prepare<[string, string, string | null, Uint8Array | null, string, number]>(`
    INSERT INTO admission_label (id, facts, device_id, sealed, actor, at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, device_id = excluded.device_id, sealed = excluded.sealed,
      actor = excluded.actor, at = excluded.at`)
  const deleteEntry = database.prepare<[string]>('DELETE FROM admission_label WHERE id = ?')

  const together = <Result>(work: () => Result): Result => guarded(() => database.transaction(work)())
  const each = <Item>(items: readonly Item[], write: (item: Item) => void): void => {
    if (items.length > 0) together(() => items.forEach(write))
  }

  return {
    setting: (name) => {
      const text = guarded(() => selectSetting.get(name))?.value
      return text === undefined ? undefined : fromJson(text, isJson)
    },
    saveSetting: (name, value) => {
      guarded(() => upsertSetting.run(name, canonicalJson(value)))
    },
    pledges: () => guarded(() => selectPledges.all()).map(({ record }) => fromJson(record, isPledge)),
    savePledges: (pledges) => {
      each(pledges, (pledge) => upsertPledge.run(pledge.key, pledge.deviceId, pledge.lastSeenAt, canonicalJson(pledge)))
    },
    removePledges: (keys) => {
      each(keys, (key) => deletePledge.run(key))
    },
    denials: () => guarded(() => selectDenials.all()).map(({ actor, ...denial }): DenialRecord => ({ ...denial, by: actor })),
    saveDenials: (denials) => {
      each(denials, ({ subject, reason, by, at }) => upsertDenial.run(subject, reason, by, at))
    },
    removeDenials: (subjects) => {
      each(subjects, (subject) => deleteDenial.run(subject))
    },
    listed: () =>
      guarded(() => selectListed.all()).map(({ device_id: deviceId, serial, eui64 }): ListedDevice => ({ deviceId, serial, eui64 })),
    saveListed: (devices) => {
      each(devices, ({ deviceId, serial, eui64 }) => upsertListed.run(deviceId, serial, eui64))
    },
    removeListed: (ids) => {
      each(ids, (id) => deleteListed.run(id))
    },
    entries: () => guarded(() => selectEntries.all()).map(toEntry),
    saveEntries: (entries) => {
      each(entries, ({ id, facts, deviceId, sealed, by, at }) => upsertEntry.run(id, canonicalJson(facts), deviceId, sealed, by, at))
    },
    removeEntries: (ids) => {
      each(ids, (id) => deleteEntry.run(id))
    },
    transaction: together,
  }
}

function toEntry({ id, facts, device_id: deviceId, sealed, actor, at }: EntryColumns): EntryRecord {
  return { id, facts: fromJson(facts, isFacts), deviceId, sealed: sealed === null ? null : Uint8Array.from(sealed), by: actor, at }
}

/** Whatever JSON.parse gives is JSON. */
function isJson(value: unknown): value is JsonValue {
  return value !== undefined
}

const orNull =
  <Value>(check: Check<Value>): Check<Value | null> =>
  (value): value is Value | null =>
    value === null || check(value)
const allOf =
  <Value>(check: Check<Value>): Check<readonly Value[]> =>
  (value): value is readonly Value[] =>
    Array.isArray(value) && value.every(check)

const isTextOrNull = orNull(isText)
const isWholeOrNull = orNull(isWhole)
const isTexts = allOf(isText)
const formats: Readonly<Record<LabelFacts['format'], true>> = {
  knx: true,
  thread: true,
  iso15418: true,
  gs1: true,
  'matter-qr': true,
  'matter-code': true,
  eui64: true,
  mac48: true,
  serial: true,
}
const secretKinds: Readonly<Record<LabelFacts['secrets'][number], true>> = { password: true, 'joining-credential': true, passcode: true }

function isFacts(value: unknown): value is LabelFacts {
  if (!isMembers(value) || !isText(value.format) || !Object.hasOwn(formats, value.format)) return false
  if (![value.eui64, value.serial, value.maker, value.product].every(isTextOrNull)) return false
  return isTexts(value.secrets) && value.secrets.every((kind) => Object.hasOwn(secretKinds, kind))
}

function isAdmittance(value: unknown): value is Admittance {
  if (!isMembers(value) || (value.kind !== 'by-list' && value.kind !== 'by-person')) return false
  return isText(value.by) && isWhole(value.at) && isWhole(value.until) && typeof value.unknownMaker === 'boolean'
}

function isStep(value: unknown): value is StepRecord {
  if (!isMembers(value) || !JOIN_STEPS.some((step) => step === value.step)) return false
  const { outcome, startedAt, endedAt, code, detail } = value
  if (outcome !== 'done' && outcome !== 'waiting' && outcome !== 'failed') return false
  return isWhole(startedAt) && isWholeOrNull(endedAt) && isTextOrNull(code) && isTextOrNull(detail)
}

const isSteps = allOf(isStep)

function isAttempt(value: unknown): value is AttemptRecord {
  return isMembers(value) && isWhole(value.number) && isWhole(value.startedAt) && isWholeOrNull(value.endedAt) && isSteps(value.steps)
}

const isAttempts = allOf(isAttempt)

function isPledge(value: unknown): value is PledgeRecord {
  if (!isMembers(value) || !isText(value.key) || !isText(value.manufacturer) || typeof value.makerKnown !== 'boolean') return false
  if (![value.serialNumber, value.eui64, value.proxy, value.deviceId, value.certificateSerial].every(isTextOrNull)) return false
  if (!isTexts(value.serialKeys) || !isTexts(value.eui64s) || !isAttempts(value.attempts)) return false
  if (value.admittance !== null && !isAdmittance(value.admittance)) return false
  if (!isWholeOrNull(value.enrolledAt)) return false
  return [value.attemptCount, value.failuresInRow, value.firstSeenAt, value.lastSeenAt].every(isWhole)
}
