// The security part of an apply job: the group is made at the Group Manager, the device is let in, told to join, and counts as a member
// when the Group Manager has heard of it. draft-ietf-core-groupcomm-bis §5.2; key-groupcomm-oscore-21 §5, §6.
import { AppError, isAbort, toAppError, type Clock, type DeviceId } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { ItemContext, ItemResult } from '#main/site/jobs/index.ts'
import type { SecurityPlanLine } from '#contract/model.ts'
import type { GroupEngine, JobItem } from '../engine.ts'
import { toFailure } from '../faults.ts'
import { readMembershipKey } from '../plan.ts'
import type { SecurityCatalogue } from './catalogue.ts'
import { memberChange, type MemberFacts } from './member-view.ts'
import type { DeviceDoor, KeyManager, SecurityGroupRecord, SecurityMemberRecord, SecurityStore, ToldMembership } from './types.ts'
import type { SecurityViews } from './views.ts'

export interface RunPorts {
  readonly catalogue: SecurityCatalogue
  readonly views: SecurityViews
  readonly store: SecurityStore
  readonly groups: GroupEngine
  readonly devices: DeviceDirectory
  readonly door: DeviceDoor
  readonly manager: KeyManager | undefined
  readonly clock: Clock
}

export interface SecurityRunner {
  items(lineIds?: readonly string[], isQueued?: (subject: string) => boolean): readonly JobItem[]
  run(subject: string, context: ItemContext): Promise<ItemResult>
}

/** From being told to being a member: a handful of requests of the device's own, over a busy radio. */
const JOIN_WAIT_MS = 45_000
/** The device has answered: nothing is in doubt. */
const ANSWERED: ReadonlySet<string> = new Set([
  'coap.response-error',
  'profile.reply-unexpected',
  'security.no-place',
  'security.not-enrolled',
  'security.not-supported',
  'device.no-address',
  'oscore.sender-stale',
])

export function createSecurityRunner(ports: RunPorts): SecurityRunner {
  const { catalogue, views, store, groups, devices, door, manager, clock } = ports

  function keep(deviceId: DeviceId, group: SecurityGroupRecord, change: Partial<SecurityMemberRecord>): void {
    const before = catalogue.member(deviceId, group.id)
    const blank: SecurityMemberRecord = { deviceId, securityGroupId: group.id, outcome: 'planned', at: 0, failure: null, told: null }
    const after: SecurityMemberRecord = { ...(before ?? blank), at: clock.now(), ...change }
    store.saveSecurityMembers([after])
    catalogue.putMember(after)
    views.refresh([group.id])
  }

  function drop(deviceId: DeviceId, group: SecurityGroupRecord): void {
    store.removeSecurityMember(deviceId, group.id)
    catalogue.dropMember(deviceId, group.id)
    views.refresh([group.id])
  }

  /** What the device may be in from now on: everything that is wished, and what it has not been told to leave yet unless it leaves now. */
  function authorise(keys: KeyManager, deviceId: DeviceId, leaving?: SecurityGroupRecord): void {
    const granted = catalogue.groupsOfDevice(deviceId).flatMap((id) => {
      if (id === leaving?.id) return []
      const what = catalogue.wishes(id).get(deviceId) ?? catalogue.member(deviceId, id)?.told
      const group = catalogue.groups.get(id)
      return what === undefined || what === null || group === undefined ? [] : [{ name: group.name, roles: what.roles }]
    })
    keys.authorise(deviceId, granted)
  }

  async function prepare(keys: KeyManager, group: SecurityGroupRecord): Promise<void> {
    const names = catalogue.groupsOf(group.id).flatMap((id) => groups.book.groups.get(id)?.name ?? [])
    try {
      keys.ensure(group, names)
      await keys.toolJoined(group.name)
      views.noteFailure(group.id, undefined)
    } catch (thrown) {
      views.noteFailure(group.id, toFailure(thrown))
      views.refresh([group.id])
      throw thrown
    }
  }

  async function join(facts: MemberFacts, wish: ToldMembership, keys: KeyManager, signal: AbortSignal): Promise<void> {
    const { deviceId, group } = facts
    requireWay(deviceId)
    await prepare(keys, group)
    authorise(keys, deviceId)
    signal.throwIfAborted()
    keep(deviceId, group, { outcome: 'sent', failure: null })
    await door.tell(deviceId, group.name, wish, signal)
    keep(deviceId, group, { outcome: 'sent', told: wish, failure: null })
    if (await isMemberWithin(keys, group.name, deviceId, signal)) {
      keep(deviceId, group, { outcome: 'confirmed', failure: null })
      devices.record(deviceId, { source: 'apply', event: 'security-joined', params: { group: group.name } })
      return
    }
    const state = (await door.read(deviceId, signal)).find(({ name }) => name === group.name)
    const details = { group: group.name, reason: state?.reason ?? '' }
    if (state === undefined || state.state === 'failed') {
      keep(deviceId, group, { outcome: 'failed', told: state === undefined ? null : wish })
      throw new AppError('security.join-failed', `The device could not join ${group.name}: ${details.reason}`, { retryable: true, details })
    }
    throw new AppError('security.join-pending', `The device has not joined ${group.name} yet`, { retryable: true, details })
  }

  /** The keys first: whether the device hears of it or not, it gets no new ones. */
  async function leave({ deviceId, group }: MemberFacts, keys: KeyManager, signal: AbortSignal): Promise<void> {
    authorise(keys, deviceId, group)
    requireWay(deviceId)
    keep(deviceId, group, { outcome: 'sent', failure: null })
    await door.release(deviceId, group.name, signal)
    drop(deviceId, group)
    devices.record(deviceId, { source: 'apply', event: 'security-left', params: { group: group.name } })
  }

  function requireWay(deviceId: DeviceId): void {
    devices.contact(deviceId)
    const offer = door.offer(deviceId)
    if (offer?.supported !== true) throw new AppError('security.not-supported', 'The device does not take part in security groups')
    if (!door.isEnrolled(deviceId)) throw new AppError('security.not-enrolled', 'The device shares no keys with this tool')
  }

  function isMember(keys: KeyManager, name: string, deviceId: DeviceId): boolean {
    return keys.members(name).some(({ identity, keys: held }) => identity === deviceId && held !== 'behind')
  }

  function isMemberWithin(keys: KeyManager, name: string, deviceId: DeviceId, signal: AbortSignal): Promise<boolean> {
    if (isMember(keys, name, deviceId)) return Promise.resolve(true)
    return new Promise((resolve, reject) => {
      const end = (work: () => void): void => {
        timer.cancel()
        unfollow()
        signal.removeEventListener('abort', abort)
        work()
      }
      const abort = (): void => end(() => reject(toAppError(signal.reason)))
      const timer = clock.setTimer(JOIN_WAIT_MS, () => end(() => resolve(false)))
      const unfollow = keys.onChange((changed) => {
        if (changed === name && isMember(keys, name, deviceId)) end(() => resolve(true))
      })
      signal.addEventListener('abort', abort)
    })
  }

  function noteFailure({ deviceId, group }: MemberFacts, error: AppError): void {
    const now = catalogue.member(deviceId, group.id)
    const failure = isAbort(error) ? null : toFailure(error)
    if (error.code === 'security.join-pending' || error.code === 'security.join-failed') keep(deviceId, group, { failure })
    else if (now?.outcome === 'sent') keep(deviceId, group, { outcome: ANSWERED.has(error.code) ? 'failed' : 'unknown', failure })
    else if (failure !== null) keep(deviceId, group, { outcome: 'failed', failure })
  }

  async function perform(deviceId: DeviceId, group: SecurityGroupRecord, signal: AbortSignal): Promise<ItemResult> {
    signal.throwIfAborted()
    if (devices.get(deviceId) === undefined || !catalogue.groups.has(group.id)) return { state: 'skipped' }
    if (manager === undefined) throw new AppError('security.locked', 'The keys of the security groups cannot be opened')
    const facts = views.facts(deviceId, group)
    const change = memberChange(facts)
    if (change === undefined) return { state: 'ok' }
    try {
      if (facts.wish === undefined) await leave(facts, manager, signal)
      else await join(facts, facts.wish, manager, signal)
      return { state: 'ok' }
    } catch (thrown) {
      const error = toAppError(thrown)
      noteFailure(facts, error)
      if (error.code === 'security.join-pending') return { state: 'warning', failure: toFailure(error) }
      throw error
    }
  }

  const ORDER: Readonly<Record<SecurityPlanLine['change'], number>> = { leave: 0, update: 1, join: 2 }

  return {
    items(lineIds, isQueued = () => false) {
      const wanted = lineIds === undefined ? undefined : new Set(lineIds)
      return views.feeds.plan
        .rows()
        .filter((line) => line.blocked === null && (wanted === undefined || wanted.has(line.id)) && !isQueued(line.id))
        .toSorted((a, b) => ORDER[a.change] - ORDER[b.change])
        .map((line) => ({ subject: line.id, label: `${line.deviceName} · ${line.securityGroupName}` }))
    },
    async run(subject, { signal }) {
      const key = readMembershipKey(subject)
      const group = key === undefined ? undefined : catalogue.groups.get(key.groupId)
      if (key === undefined || group === undefined) return { state: 'skipped' }
      return groups.exclusive(key.deviceId, () => perform(key.deviceId, group, signal))
    },
  }
}
