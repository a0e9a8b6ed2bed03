// What an operation comes to: it is done to a twin of the groups, and what the twin's plan has more than the real one is what will be sent.
import type { DeviceId, GroupId } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { MaintenanceOperation, MaintenancePlan, MaintenanceStep, PlanLine } from '#contract/model.ts'
import type { GroupEngine } from '../engine.ts'
import { perform } from './perform.ts'
import { airTimeOf, exchangesOf, phaseOf, PHASES, roleOf } from './phases.ts'
import type { MaintenanceDevices, MaintenanceSecurity } from './types.ts'

export interface PreviewPorts {
  readonly groups: GroupEngine
  readonly devices: DeviceDirectory
  readonly security: MaintenanceSecurity
  readonly deviceCare: MaintenanceDevices
}

/** A sheet shows so many; the counts tell of all. */
const MOST_STEPS = 500

/** Throws what running it would throw. */
export function previewOf(operation: MaintenanceOperation, ports: PreviewPorts): MaintenancePlan {
  const { groups, devices, security, deviceCare } = ports
  const twin = groups.twin()
  const protections = new Map<GroupId, readonly string[]>()
  const protectionOf = (id: GroupId): readonly string[] => protections.get(id) ?? security.protectionOf(id)
  const done: MaintenanceStep[] = []
  const own = (change: 'rekey' | 'evict' | 'revoke', name: string): void => {
    done.push({ phase: 'keys', change, deviceId: null, deviceName: name, role: null, groupName: name, uri: '', blocked: null })
  }
  let rekeying: ReturnType<MaintenanceSecurity['rekeyingOf']> | undefined
  perform(operation, {
    groups: twin,
    actor: 'preview',
    get: (id) => devices.get(id),
    security: {
      protectionOf,
      protect: (ids, by) => ids.forEach((id) => protections.set(id, by)),
      rekey: (id) => {
        own('rekey', security.nameOf(id))
        rekeying = security.rekeyingOf(id)
      },
      keyedGroupsOf: (id) => security.keyedGroupsOf(id),
      evict: (id) => own('evict', security.nameOf(id)),
    },
    devices: {
      certificatesOf: (id) => deviceCare.certificatesOf(id),
      revoke: (serials) => serials.forEach((serial) => own('revoke', serial)),
      rename: () => undefined,
      remove: (id) => twin.book.commit({ removedCells: twin.book.cellsOfDevice(id) }),
    },
  })
  const lines = twin.planFeed.rows().filter((line) => !sameLine(line, groups.planFeed.get(line.id)))
  const steps = [
    ...done,
    ...lines.map((line) => stepOf(line, devices, isOpen(operation))),
    ...securitySteps({
      groups,
      twin,
      devices,
      before: (id) => security.protectionOf(id),
      after: protectionOf,
      nameOf: (id) => security.nameOf(id),
    }),
  ].toSorted((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase))
  twin.close()
  const exchanges = (of: readonly MaintenanceStep[]): number => of.reduce((sum, { change }) => sum + exchangesIn(change), 0)
  const byPhase = Map.groupBy(steps, ({ phase }) => phase)
  const between = steps.filter(({ change }) => change === 'update')
  const unreachable = new Set([
    ...steps.flatMap(({ blocked, deviceName }) => (blocked === null ? [] : [deviceName])),
    ...(rekeying?.unreachable ?? []).map((id) => devices.get(id)?.name ?? id),
  ])
  return {
    operation,
    name: nameOf(operation, ports),
    steps: steps.slice(0, MOST_STEPS),
    counts: PHASES.flatMap((phase) => {
      const of = byPhase.get(phase) ?? []
      return of.length === 0 ? [] : [{ phase, steps: of.length, airTimeMs: airTimeOf(exchanges(of)) }]
    }),
    devices: new Set(steps.flatMap(({ deviceId }) => deviceId ?? [])).size,
    unreachable: [...unreachable],
    messages: exchanges(steps) * 2 + (rekeying?.messages ?? 0),
    airTimeMs: airTimeOf(exchanges(steps)) + (rekeying?.airTimeMs ?? 0),
    betweenMs: airTimeOf(exchanges(between)),
    irreversible: [
      ...(done.some(({ change }) => change === 'rekey' || change === 'evict') ? (['keys'] as const) : []),
      ...(done.some(({ change }) => change === 'revoke') ? (['certificate'] as const) : []),
    ],
  }
}

/** The name that a person knows it by. */
export function nameOf(
  operation: MaintenanceOperation,
  { groups, devices, security }: Pick<PreviewPorts, 'groups' | 'devices' | 'security'>,
): string {
  if (operation.kind === 'replace') return devices.get(operation.deviceId)?.name ?? operation.deviceId
  if (operation.kind === 'rekey') return security.nameOf(operation.securityGroupId)
  const id = operation.kind === 'merge' ? operation.into : operation.groupId
  return groups.book.group(id).name
}

/** An address that is drawn when it is run is not shown before. */
function isOpen(operation: MaintenanceOperation): boolean {
  if (operation.kind === 'move') return operation.address === undefined && operation.port === undefined
  return operation.kind === 'split' && !operation.sameCoapGroup
}

function exchangesIn(change: MaintenanceStep['change']): number {
  return change === 'rekey' || change === 'evict' || change === 'revoke' ? 0 : exchangesOf(change)
}

function stepOf(line: PlanLine, devices: DeviceDirectory, hidesUri: boolean): MaintenanceStep {
  const { change, deviceId, deviceName, groupName, uri, blocked } = line
  const role = roleOf(devices.get(deviceId)?.type)
  const phase = PHASES[phaseOf(change, role)] ?? 'members'
  return { phase, change, deviceId, deviceName, role, groupName, uri: hidesUri && change !== 'remove' ? '' : uri, blocked }
}

function sameLine(a: PlanLine, b: PlanLine | undefined): boolean {
  return a.change === b?.change && a.uri === b.uri && a.groupName === b.groupName
}

interface SecurityChange {
  readonly groups: GroupEngine
  readonly twin: GroupEngine
  readonly devices: DeviceDirectory
  readonly before: (groupId: GroupId) => readonly string[]
  readonly after: (groupId: GroupId) => readonly string[]
  readonly nameOf: (id: string) => string
}

/** Who will have to join or leave which security group: drawn from the members of the groups that each protects. */
function securitySteps({ groups, twin, devices, before, after, nameOf: nameOfGroup }: SecurityChange): readonly MaintenanceStep[] {
  const [had, has] = [wished(groups, before), wished(twin, after)]
  const steps: MaintenanceStep[] = []
  const step = (key: string, change: 'join' | 'leave'): void => {
    const [deviceId = '', securityGroupId = ''] = key.split(' ')
    const device = devices.get(deviceId)
    if (device === undefined) return
    const role = roleOf(device.type)
    const phase = PHASES[phaseOf(change, role)] ?? 'keys'
    const blocked = device.at === null || device.channelId === null ? 'not-seen' : null
    steps.push({ phase, change, deviceId, deviceName: device.name, role, groupName: nameOfGroup(securityGroupId), uri: '', blocked })
  }
  for (const key of has) if (!had.has(key)) step(key, 'join')
  for (const key of had) if (!has.has(key)) step(key, 'leave')
  return steps
}

function wished({ book }: GroupEngine, protectionOf: (groupId: GroupId) => readonly string[]): ReadonlySet<string> {
  const keys = new Set<`${DeviceId} ${string}`>()
  for (const group of book.groups.values()) {
    const by = group.retired ? [] : protectionOf(group.id)
    if (by.length === 0) continue
    for (const { deviceId, desired } of book.cellsOfGroup(group.id)) if (desired) for (const id of by) keys.add(`${deviceId} ${id}`)
  }
  return keys
}
