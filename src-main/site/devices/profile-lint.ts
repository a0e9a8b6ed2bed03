// What a profile that is well-formed would still do wrong, or less well than it could: told with line and column, before a device is asked.
import { AppError } from '#main/base/index.ts'
import { atPointer, isJsonArray } from './json-pointer.ts'
import type { ProfileSource } from './profile-schema.ts'
import { readProfileText, type Place } from './profile-text.ts'

export interface ProfileFinding extends Place {
  /** An `error` makes the profile unusable or untrue; a `warning` leaves something undone. */
  readonly severity: 'error' | 'warning'
  readonly message: string
}

type Request = ProfileSource['identity']['request']
type Tell = (severity: ProfileFinding['severity'], path: readonly PropertyKey[], message: string) => void

/** What only asks: the dry run against a device sends these alone. */
const READS: ReadonlySet<string> = new Set(['GET', 'FETCH'])

/** Sorted by place; empty where there is nothing to say. Never throws. */
export function lintProfile(fileName: string, text: string): readonly ProfileFinding[] {
  let read: ReturnType<typeof readProfileText>
  try {
    read = readProfileText(fileName, text)
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'profile.invalid') return faultsIn(thrown)
    throw thrown
  }
  const findings: ProfileFinding[] = []
  const tell: Tell = (severity, path, message) =>
    findings.push({ ...read.placeOf(path), severity, message: `${path.map(String).join('.')}: ${message}` })
  checkRecognition(read.source, tell)
  checkIdentity(read.source, tell)
  checkMemberships(read.source, tell)
  checkActions(read.source, tell)
  return findings.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

function faultsIn({ details, message }: AppError): readonly ProfileFinding[] {
  const faults = isJsonArray(details.faults) ? details.faults : []
  const found = faults.flatMap((fault) => {
    const [line, column, text] = ['/line', '/column', '/message'].map((pointer) => atPointer(fault, pointer))
    return typeof line === 'number' && typeof column === 'number' && typeof text === 'string'
      ? [{ line, column, severity: 'error' as const, message: text }]
      : []
  })
  return found.length > 0 ? found : [{ line: 1, column: 1, severity: 'error', message }]
}

function checkRecognition({ recognise }: ProfileSource, tell: Tell): void {
  for (const kind of ['all', 'any'] as const) {
    recognise[kind]?.forEach((match, index) => {
      const values = Object.values(match)
      if (values.every((value) => value === '*' || value === ''))
        tell('error', ['recognise', kind, index], 'fits every device; name a resource type or a path of this kind alone')
      if (recognise.all === undefined && Object.keys(match).every((name) => name === 'href'))
        tell('warning', ['recognise', kind, index], 'a path alone may be found on other devices too; a resource type (rt) says more')
    })
  }
}

function checkIdentity({ identity, identify }: ProfileSource, tell: Tell): void {
  mustRead(identity.request, ['identity', 'request'], tell)
  if (identity.eui64 === undefined && identity.serial === undefined)
    tell('warning', ['identity'], 'neither eui64 nor serial: such a device cannot be found in a device list')
  mustWrite(identify.request, ['identify', 'request'], tell)
  if (!uses(identify.request, '{seconds}'))
    tell('warning', ['identify', 'request'], '{seconds} is not sent: the device decides for how long')
}

function checkMemberships({ memberships, limits }: ProfileSource, tell: Tell): void {
  const { read, write, remove } = memberships
  mustRead(read.request, ['memberships', 'read', 'request'], tell)
  mustWrite(write.request, ['memberships', 'write', 'request'], tell)
  mustWrite(remove.request, ['memberships', 'remove', 'request'], tell)
  if (!uses(write.request, '{group.address}'))
    tell('error', ['memberships', 'write', 'request'], '{group.address} is not sent: the device could not listen to it')
  if (!uses(write.request, '{group.name}'))
    tell('error', ['memberships', 'write', 'request'], '{group.name} is not sent, but read back under "name"')
  if (!uses(remove.request, '{group.name}') && !uses(remove.request, '{group.address}'))
    tell('error', ['memberships', 'remove', 'request'], 'names no group: it would remove whatever the device chooses')
  if (read.port !== undefined && !uses(write.request, '{group.port}'))
    tell('warning', ['memberships', 'write', 'request'], '{group.port} is read back, but never sent')
  if (limits?.memberships === undefined)
    tell('warning', ['memberships'], 'no limits.memberships: a full group table is found out only when it refuses')
}

function checkActions({ actions, identity }: ProfileSource, tell: Tell): void {
  const types = typeof identity.type === 'string' ? [identity.type] : Object.values(identity.type.values)
  actions.forEach((action, index) => {
    for (const [at, type] of action.types.entries())
      if (!types.includes(type)) tell('warning', ['actions', index, 'types', at], `no device of this profile is a ${type}`)
    if (action.readBack === undefined)
      tell('warning', ['actions', index], 'no readBack: whether a silent device obeyed has to be seen by a person')
    else mustRead(action.readBack.request, ['actions', index, 'readBack', 'request'], tell)
    if (READS.has(action.group.method) && action.readBack !== undefined)
      tell('warning', ['actions', index, 'group'], 'only asks: there is nothing to read back')
  })
}

function mustRead(request: Request, path: readonly PropertyKey[], tell: Tell): void {
  if (!READS.has(request.method))
    tell('error', [...path, 'method'], `${request.method} changes the device; what is read must be GET or FETCH`)
  if (request.method === 'GET' && (request.json !== undefined || request.text !== undefined))
    tell('error', path, 'a GET has no payload (RFC 7252 §5.8.1); use FETCH')
}

function mustWrite(request: Request, path: readonly PropertyKey[], tell: Tell): void {
  if (READS.has(request.method)) tell('error', [...path, 'method'], `${request.method} changes nothing on the device`)
}

function uses(request: Request, placeholder: string): boolean {
  return JSON.stringify([request.path, request.query ?? [], request.json ?? null, request.text ?? null]).includes(placeholder)
}
