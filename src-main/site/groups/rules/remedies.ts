// What can be done about a finding at the press of a button: each remedy is one of the ordinary edits of groups, security groups or
// settings, so that it is undone as they are.
import { AppError, type CoapGroupId, type DeviceId, type GroupId } from '#main/base/index.ts'
import type { AllocationSettings, FindingRow, NamingSettings, RemedyId } from '#contract/model.ts'
import type { GroupEngine } from '../engine.ts'
import { labelOf } from '../naming/index.ts'
import type { SecurityEngine } from '../security/index.ts'
import { shortNameOf } from './group-checks.ts'
import type { RuleBook } from './rule-book.ts'

export interface RemedyPorts {
  readonly rules: RuleBook
  readonly groups: GroupEngine
  readonly security: Pick<SecurityEngine, 'protect' | 'rekey' | 'remove'>
  readonly setNaming: (patch: Partial<NamingSettings>) => void
  readonly setAllocation: (patch: Partial<AllocationSettings>) => void
  /** Starts an apply job with these lines, and whatever keys their devices lack; undefined where nothing is to be done. */
  readonly apply: (lineIds: readonly string[], deviceIds: readonly DeviceId[]) => string | undefined
}

export interface RemedyResult {
  readonly jobId: string | null
}

export function createRemedies(ports: RemedyPorts): (findingId: string, remedyId: RemedyId) => RemedyResult {
  const { rules, groups, security } = ports
  const { book } = groups

  /** Free among the groups: the name itself, or with a number. */
  function freeName(name: string): string {
    let free = name
    for (let suffix = 2; book.groupNamed(free) !== undefined; suffix++) free = `${name}-${suffix}`
    return free
  }

  function rename(id: GroupId, name: string): void {
    groups.updateApplication(id, { name: freeName(name) })
  }

  function groupsOf({ subject }: FindingRow): readonly GroupId[] {
    if (subject.kind !== 'coap-group') return [subject.id]
    return book.groupsOn(subject.id).flatMap((group) => (group.retired ? [] : [group.id]))
  }

  function coapOf({ subject }: FindingRow): CoapGroupId {
    return subject.kind === 'coap-group' ? subject.id : book.group(subject.id).coapGroupId
  }

  function ownCoapGroup(id: GroupId): void {
    const { name } = book.group(id)
    let free = name
    for (let suffix = 2; book.coapGroupNamed(free) !== undefined; suffix++) free = `${name}-${suffix}`
    groups.updateApplication(id, { coapGroupId: groups.createCoap({ name: free }) })
  }

  function add(id: GroupId, deviceIds: readonly DeviceId[]): void {
    if (deviceIds.length > 0) groups.setMemberships(deviceIds.map((deviceId) => ({ deviceId, groupId: id, desired: true })))
  }

  /** The last of those that are not on the device yet, as many as there are too many. */
  function dropPlanned(deviceId: DeviceId, count: number): void {
    const planned = book.cellsOfDevice(deviceId).filter(({ desired, applied }) => desired && applied === null)
    const changes = planned.slice(-count).map(({ groupId }) => ({ deviceId, groupId, desired: false }))
    if (changes.length > 0) groups.setMemberships(changes)
  }

  function applyNow(finding: FindingRow): RemedyResult {
    const cells = groupsOf(finding).flatMap((id) => book.cellsOfGroup(id))
    const lines = cells.map(({ deviceId, groupId }) => `${deviceId} ${groupId}`).filter((key) => book.planFeed.get(key)?.blocked === null)
    const devices = [...new Set(cells.filter(({ desired }) => desired).map(({ deviceId }) => deviceId))]
    return { jobId: ports.apply(lines, devices) ?? null }
  }

  const edits: Readonly<Record<Exclude<RemedyId, 'apply'>, (finding: FindingRow) => unknown>> = {
    'default-port': (finding) => groups.updateCoap(coapOf(finding), { port: 5683 }),
    'own-port': (finding) => groups.updateCoap(coapOf(finding), { allocate: 'port' }),
    'own-address': (finding) => groups.updateCoap(coapOf(finding), { allocate: 'address' }),
    'own-coap-group': ({ subject }) => ownCoapGroup(subject.id),
    'short-name': ({ subject }) => rename(subject.id, shortNameOf(subject.name)),
    'label-name': ({ subject }) => rename(subject.id, labelOf(subject.name)),
    'other-name': ({ subject, rule }) => rename(subject.id, rule === 'name-nosec' ? 'group' : subject.name),
    'remove-group': ({ subject }) => groups.removeApplication(subject.id),
    'remove-coap-group': ({ subject }) => groups.removeCoap(subject.id),
    'fill-from-room': ({ subject }) => add(subject.id, rules.candidates(book.group(subject.id)).members),
    'add-room-clients': ({ subject }) => add(subject.id, rules.candidates(book.group(subject.id)).clients),
    'drop-planned': ({ subject, remedies }) =>
      dropPlanned(subject.id, Number(remedies.find(({ id }) => id === 'drop-planned')?.params.count ?? 0)),
    'name-by-path': () => ports.setNaming({ method: 'path' }),
    'short-delimiter': () => ports.setNaming({ delimiter: 'gp' }),
    'allocate-by-prefix': () => ports.setAllocation({ policy: 'prefix' }),
    protect: (finding) => security.protect(groupsOf(finding), { mode: 'automatic' }),
    rekey: ({ subject }) => security.rekey(subject.id),
    'remove-security-group': ({ subject }) => security.remove(subject.id),
  }

  function perform(finding: FindingRow, remedy: RemedyId): RemedyResult {
    if (remedy === 'apply') return applyNow(finding)
    edits[remedy](finding)
    return { jobId: null }
  }

  return (findingId, remedyId) => {
    rules.flush()
    const finding = rules.feed.get(findingId)
    if (finding?.remedies.some(({ id }) => id === remedyId) !== true) {
      throw new AppError('rules.not-found', 'The finding is gone, or has no such remedy', { details: { findingId, remedyId } })
    }
    const result = perform(finding, remedyId)
    rules.flush()
    return result
  }
}
