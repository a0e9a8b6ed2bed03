// Reading a site export: any text in, a checked document or a failure that says where and why out.
import { parse as parseYaml } from 'yaml'
import { AppError, toAppError } from '#main/base/index.ts'
import { checkGroupName, checkSecurityGroupName, readGroupAddress } from '#main/site/groups/index.ts'
import { SITE_FORMAT, SITE_VERSION, siteDocument, type SiteDocument } from './document.ts'

/** What is wrong, with the place as a path such as `devices/3/eui64`. */
export interface ImportIssue {
  readonly path: string
  readonly message: string
}

const MOST_ISSUES = 50
/** Sequences within sequences on one line of YAML: deeper than any document of ours, and slow to read. */
const NESTED_WITHOUT_END = /^[ \t]*(?:[-?:][ \t]+){64}|(?:[[{][ \t]*){64}/m

/**
 * The document of a JSON or YAML text. Throws `import.empty`, `import.unreadable`, `import.version-unsupported`, or
 * `import.schema-invalid` with `details.issues`; nothing else, whatever the text.
 */
export function parseSiteExport(text: string): SiteDocument {
  const clean = text.replace(/^\uFEFF/, '')
  if (clean.trim() === '') throw new AppError('import.empty', 'The file is empty')
  return checkSiteDocument(readText(clean))
}

/** The same for what was read already. */
export function checkSiteDocument(read: unknown): SiteDocument {
  const parsed = checked(upgraded(read))
  if (!parsed.success) {
    throw invalid(parsed.error.issues.map((issue) => ({ path: issue.path.map(String).join('/'), message: issue.message })))
  }
  const issues = [...integrityIssues(parsed.data)]
  if (issues.length > 0) throw invalid(issues)
  return parsed.data
}

function checked(value: unknown): ReturnType<typeof siteDocument.safeParse> {
  try {
    return siteDocument.safeParse(value)
  } catch (thrown) {
    // Values nested without end run a recursive reader out of stack.
    throw new AppError('import.unreadable', 'Nested too deeply', { cause: thrown })
  }
}

function readText(text: string): unknown {
  try {
    if (/^\s*[[{]/.test(text)) return JSON.parse(text) as unknown
    if (NESTED_WITHOUT_END.test(text)) throw new AppError('import.unreadable', 'Nested too deeply')
    // Aliases are refused: a few lines of them can stand for gigabytes.
    return parseYaml(text, { maxAliasCount: 0, logLevel: 'silent' }) as unknown
  } catch (thrown) {
    const { message } = toAppError(thrown)
    throw new AppError('import.unreadable', `Neither JSON nor YAML: ${message.slice(0, 200)}`, {
      details: { reason: message.slice(0, 200) },
      cause: thrown,
    })
  }
}

/** The text as a document of this version: the first one had no security layer. */
function upgraded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== SITE_FORMAT) {
    throw invalid([{ path: 'format', message: `Expected "${SITE_FORMAT}": this is no site export` }])
  }
  const version = 'version' in value ? value.version : undefined
  if (version === 1) return fromFirst(value)
  if (typeof version === 'number' && Number.isInteger(version) && version !== SITE_VERSION) {
    throw new AppError('import.version-unsupported', `Version ${version} of the site export is not known here`, {
      details: { version, supported: SITE_VERSION },
    })
  }
  return value
}

function fromFirst(value: object): object {
  const runs: readonly unknown[] | undefined = 'testRuns' in value && Array.isArray(value.testRuns) ? value.testRuns : undefined
  const testRuns = runs?.map((run) => (typeof run === 'object' && run !== null ? { protection: null, ...run } : run))
  return { securityGroups: [], protections: [], ...value, ...(testRuns === undefined ? {} : { testRuns }), version: SITE_VERSION }
}

function invalid(issues: readonly ImportIssue[]): AppError {
  const first = issues[0]
  return new AppError('import.schema-invalid', `Not a valid site export: ${first?.path ?? ''} ${first?.message ?? ''}`, {
    details: { count: issues.length, issues: issues.slice(0, MOST_ISSUES).map(({ path, message }) => ({ path, message })) },
  })
}

/** References that lead nowhere, doubles, and groups that break the rules of groups. */
function* integrityIssues(document: SiteDocument): Generator<ImportIssue> {
  const { rooms, devices, coapGroups, applicationGroups, memberships, securityGroups, protections, testRuns } = document
  yield* doubles('rooms', rooms, (room) => room.id)
  yield* doubles('devices', devices, (device) => device.id)
  yield* doubles('devices', devices, (device) => device.eui64, 'eui64')
  yield* doubles('devices', devices, (device) => device.serial, 'serial')
  yield* doubles('coapGroups', coapGroups, (group) => group.id)
  yield* doubles('coapGroups', coapGroups, (group) => group.name, 'name')
  yield* doubles('coapGroups', coapGroups, (group) => `${group.address} ${group.port}`, 'address')
  yield* doubles('applicationGroups', applicationGroups, (group) => group.id)
  yield* doubles('applicationGroups', applicationGroups, (group) => group.name, 'name')
  yield* doubles('memberships', memberships, (cell) => `${cell.deviceId} ${cell.groupId}`, 'deviceId')
  yield* doubles('testRuns', testRuns, (run) => run.id)

  const roomIds = new Set(rooms.map((room) => room.id))
  yield* dangling('rooms', 'parentId', rooms, roomIds, (room) => room.parentId)
  yield* dangling('devices', 'roomId', devices, roomIds, (device) => device.roomId)
  yield* dangling('applicationGroups', 'roomId', applicationGroups, roomIds, (group) => group.roomId)
  yield* dangling(
    'applicationGroups',
    'coapGroupId',
    applicationGroups,
    new Set(coapGroups.map(({ id }) => id)),
    (group) => group.coapGroupId,
  )
  yield* dangling('memberships', 'deviceId', memberships, new Set(devices.map(({ id }) => id)), (cell) => cell.deviceId)
  yield* dangling('memberships', 'groupId', memberships, new Set(applicationGroups.map(({ id }) => id)), (cell) => cell.groupId)
  yield* securityIssues(securityGroups, protections, roomIds, new Set(applicationGroups.map(({ id }) => id)))
  yield* circles(rooms)

  for (const [index, group] of coapGroups.entries()) {
    yield* rule(`coapGroups/${index}/name`, group.name, checkGroupName)
    yield* rule(`coapGroups/${index}/address`, group.address, readGroupAddress)
    if (group.port === 5684) yield { path: `coapGroups/${index}/port`, message: 'Port 5684 is for DTLS-secured unicast CoAP' }
  }
  for (const [index, group] of applicationGroups.entries()) yield* rule(`applicationGroups/${index}/name`, group.name, checkGroupName)
}

function* securityIssues(
  groups: SiteDocument['securityGroups'],
  protections: SiteDocument['protections'],
  roomIds: ReadonlySet<string>,
  groupIds: ReadonlySet<string>,
): Generator<ImportIssue> {
  yield* doubles('securityGroups', groups, (group) => group.id)
  yield* doubles('securityGroups', groups, (group) => group.name, 'name')
  yield* doubles('protections', protections, (protection) => protection.groupId, 'groupId')
  yield* dangling('securityGroups', 'roomId', groups, roomIds, (group) => group.roomId)
  yield* dangling('protections', 'groupId', protections, groupIds, (protection) => protection.groupId)
  const known = new Set(groups.map(({ id }) => id))
  for (const [index, { name }] of groups.entries()) yield* rule(`securityGroups/${index}/name`, name, checkSecurityGroupName)
  for (const [index, { securityGroupIds, reason }] of protections.entries()) {
    for (const id of securityGroupIds)
      if (!known.has(id)) yield { path: `protections/${index}/securityGroupIds`, message: 'Names nothing in this file' }
    if (new Set(securityGroupIds).size !== securityGroupIds.length)
      yield { path: `protections/${index}/securityGroupIds`, message: 'Is there twice' }
    // No group is left unprotected without somebody's reason (draft-ietf-core-groupcomm-bis-18 §4).
    if ((securityGroupIds.length === 0) !== (reason !== null))
      yield { path: `protections/${index}/reason`, message: 'Groups that are unprotected have a reason, and no others' }
  }
}

function* doubles<Row>(table: string, rows: readonly Row[], keyOf: (row: Row) => string | null, field = 'id'): Generator<ImportIssue> {
  const seen = new Set<string>()
  for (const [index, row] of rows.entries()) {
    const key = keyOf(row)
    if (key !== null && seen.has(key)) yield { path: `${table}/${index}/${field}`, message: 'Is there twice' }
    if (key !== null) seen.add(key)
  }
}

function* dangling<Row>(
  table: string,
  field: string,
  rows: readonly Row[],
  known: ReadonlySet<string>,
  idOf: (row: Row) => string | null,
): Generator<ImportIssue> {
  for (const [index, row] of rows.entries()) {
    const id = idOf(row)
    if (id !== null && !known.has(id)) yield { path: `${table}/${index}/${field}`, message: 'Names nothing in this file' }
  }
}

function* circles(rooms: SiteDocument['rooms']): Generator<ImportIssue> {
  const parents = new Map(rooms.map((room) => [room.id, room.parentId]))
  const sound = new Set<string>()
  for (const [index, room] of rooms.entries()) {
    const path = new Set<string>()
    let at: string | null | undefined = room.id
    while (at !== null && at !== undefined && !sound.has(at) && !path.has(at)) {
      path.add(at)
      at = parents.get(at)
    }
    if (at !== null && at !== undefined && path.has(at)) yield { path: `rooms/${index}/parentId`, message: 'The room lies within itself' }
    else for (const id of path) sound.add(id)
  }
}

function* rule(path: string, value: string, check: (value: string) => string): Generator<ImportIssue> {
  try {
    const canonical = check(value)
    if (canonical !== value) yield { path, message: `Expected the form "${canonical}"` }
  } catch (thrown) {
    yield { path, message: toAppError(thrown).message }
  }
}
