// Random edits of a project, as a person makes them: each is one action of the journal.
import fc from 'fast-check'
import { AppError } from '#main/base/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { runJob } from '../groups/doubles.ts'
import { hear, type Project } from './project.ts'

export type Edit =
  | { readonly kind: 'create-device'; readonly number: number; readonly room: number }
  | {
      readonly kind: 'update-devices'
      readonly picks: readonly number[]
      readonly name: string
      readonly room: number
      readonly type: DeviceType
    }
  | { readonly kind: 'remove-devices'; readonly picks: readonly number[] }
  | { readonly kind: 'create-room'; readonly name: string; readonly parent: number }
  | { readonly kind: 'update-room'; readonly pick: number; readonly name: string; readonly parent: number }
  | { readonly kind: 'remove-room'; readonly pick: number }
  | { readonly kind: 'create-group'; readonly name: string; readonly members: readonly number[] }
  | { readonly kind: 'rename-group'; readonly pick: number; readonly name: string; readonly coap: number }
  | { readonly kind: 'remove-group'; readonly pick: number }
  | { readonly kind: 'create-coap'; readonly name: string }
  | { readonly kind: 'update-coap'; readonly pick: number; readonly port: number }
  | { readonly kind: 'remove-coap'; readonly pick: number }
  | { readonly kind: 'memberships'; readonly cells: ReadonlyArray<readonly [device: number, group: number, desired: boolean]> }
  | { readonly kind: 'from-rooms' }
  | { readonly kind: 'assign'; readonly device: number; readonly name: string }
  | { readonly kind: 'create-security'; readonly name: string; readonly group: number }
  | { readonly kind: 'update-security'; readonly pick: number; readonly comment: string }
  | { readonly kind: 'remove-security'; readonly pick: number }
  | { readonly kind: 'protect'; readonly group: number; readonly security: number | null }
  | { readonly kind: 'details'; readonly name: string }

export type Fact = { readonly kind: 'apply' } | { readonly kind: 'hear'; readonly number: number } | { readonly kind: 'time' }

const pick = fc.nat(30)
const groupName = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const roomName = fc.constantFrom('1.01 Office', '1.02 Office', 'Hall', '2nd floor')
const type = fc.constantFrom<DeviceType>('luminaire', 'switch', 'blind')

export const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('create-device' as const), number: fc.nat(12), room: pick }),
  fc.record({
    kind: fc.constant('update-devices' as const),
    picks: fc.array(pick, { maxLength: 4 }),
    name: fc.constantFrom('Lamp', 'Window lamp', 'Door'),
    room: pick,
    type,
  }),
  fc.record({ kind: fc.constant('remove-devices' as const), picks: fc.array(pick, { minLength: 1, maxLength: 3 }) }),
  fc.record({ kind: fc.constant('create-room' as const), name: roomName, parent: pick }),
  fc.record({ kind: fc.constant('update-room' as const), pick, name: roomName, parent: pick }),
  fc.record({ kind: fc.constant('remove-room' as const), pick }),
  fc.record({ kind: fc.constant('create-group' as const), name: groupName, members: fc.array(pick, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('rename-group' as const), pick, name: groupName, coap: pick }),
  fc.record({ kind: fc.constant('remove-group' as const), pick }),
  fc.record({ kind: fc.constant('create-coap' as const), name: groupName }),
  fc.record({ kind: fc.constant('update-coap' as const), pick, port: fc.constantFrom(5683, 5685, 61616) }),
  fc.record({ kind: fc.constant('remove-coap' as const), pick }),
  fc.record({ kind: fc.constant('memberships' as const), cells: fc.array(fc.tuple(pick, pick, fc.boolean()), { maxLength: 6 }) }),
  fc.record({ kind: fc.constant('from-rooms' as const) }),
  fc.record({ kind: fc.constant('assign' as const), device: pick, name: groupName }),
  fc.record({ kind: fc.constant('create-security' as const), name: fc.constantFrom('sec-a', 'sec-b'), group: pick }),
  fc.record({ kind: fc.constant('update-security' as const), pick, comment: fc.constantFrom('', 'first floor') }),
  fc.record({ kind: fc.constant('remove-security' as const), pick }),
  fc.record({ kind: fc.constant('protect' as const), group: pick, security: fc.option(pick) }),
  fc.record({ kind: fc.constant('details' as const), name: fc.constantFrom('Harbour House', 'Quay 7') }),
)

export const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({ kind: fc.constant('apply' as const) }),
  fc.record({ kind: fc.constant('hear' as const), number: fc.nat(12) }),
  fc.record({ kind: fc.constant('time' as const) }),
)

export function euiOf(number: number): string {
  return `02-00-00-00-00-00-00-${number.toString(16).padStart(2, '0')}`
}

/** One action; whether it was taken (a person is told why not, otherwise). */
export function make(project: Project, edit: Edit): boolean {
  const { history, inventory, groups, security, file } = project
  const one = <Row>(rows: readonly Row[], index: number): Row | undefined => (rows.length === 0 ? undefined : rows[index % rows.length])
  const device = (index: number): string | undefined => one(inventory.all(), index)?.id
  const room = (index: number): string | null => (index % 3 === 0 ? null : (one(inventory.rooms(), index)?.id ?? null))
  const group = (index: number): string | undefined => one(groups.applicationFeed.rows(), index)?.id
  const coap = (index: number): string | undefined => one(groups.coapFeed.rows(), index)?.id
  const guard = (index: number): string | undefined => one(security.feeds.groups.rows(), index)?.id
  const some = (ids: ReadonlyArray<string | undefined>): string[] => [...new Set(ids.flatMap((id) => id ?? []))]
  const work = (): void => {
    switch (edit.kind) {
      case 'create-device': {
        const { number } = edit
        inventory.create({
          name: `Device ${number}`,
          type: 'luminaire',
          roomId: room(edit.room),
          eui64: number % 4 === 0 ? null : euiOf(number),
          serial: number % 4 === 0 ? `SN${number}` : null,
          comment: '',
        })
        return
      }
      case 'update-devices': {
        inventory.update(some(edit.picks.map(device)), { name: edit.name, roomId: room(edit.room), type: edit.type })
        return
      }
      case 'remove-devices': {
        inventory.remove(some(edit.picks.map(device)))
        return
      }
      case 'create-room':
        return void inventory.createRoom({ name: edit.name, kind: 'room', parentId: room(edit.parent) })
      case 'update-room': {
        const id = one(inventory.rooms(), edit.pick)?.id
        if (id !== undefined) inventory.updateRoom(id, { name: edit.name, parentId: room(edit.parent) })
        return
      }
      case 'remove-room': {
        const id = one(inventory.rooms(), edit.pick)?.id
        if (id !== undefined) inventory.removeRoom(id)
        return
      }
      case 'create-group':
        return void groups.createApplication({ name: edit.name, members: some(edit.members.map(device)) })
      case 'rename-group': {
        const id = group(edit.pick)
        if (id !== undefined) groups.updateApplication(id, { name: edit.name, coapGroupId: coap(edit.coap) })
        return
      }
      case 'remove-group': {
        const id = group(edit.pick)
        if (id !== undefined) groups.removeApplication(id)
        return
      }
      case 'create-coap':
        return void groups.createCoap({ name: edit.name })
      case 'update-coap': {
        const id = coap(edit.pick)
        if (id !== undefined) groups.updateCoap(id, { port: edit.port })
        return
      }
      case 'remove-coap': {
        const id = coap(edit.pick)
        if (id !== undefined) groups.removeCoap(id)
        return
      }
      case 'memberships': {
        groups.setMemberships(
          edit.cells.flatMap(([at, of, desired]) => {
            const [deviceId, groupId] = [device(at), group(of)]
            return deviceId === undefined || groupId === undefined ? [] : [{ deviceId, groupId, desired }]
          }),
        )
        return
      }
      case 'from-rooms':
        return void groups.fromRooms({ types: ['luminaire', 'switch'] })
      case 'assign': {
        const deviceId = device(edit.device)
        if (deviceId !== undefined) groups.assign([{ deviceId, groupName: edit.name }])
        return
      }
      case 'create-security':
        return void security.create({ name: edit.name, groupIds: some([group(edit.group)]) })
      case 'update-security': {
        const id = guard(edit.pick)
        if (id !== undefined) security.update(id, { comment: edit.comment, policy: { lifetimeDays: 30 } })
        return
      }
      case 'remove-security': {
        const id = guard(edit.pick)
        if (id !== undefined) security.remove(id)
        return
      }
      case 'protect': {
        const id = group(edit.group)
        const by = edit.security === null ? undefined : guard(edit.security)
        if (id === undefined) return
        security.protect([id], by === undefined ? { mode: 'nosec', reason: 'a test' } : { mode: 'secured', securityGroupIds: [by] })
        return
      }
      case 'details': {
        file.setDetails({ ...file.meta().details, name: edit.name })
        return
      }
    }
  }
  try {
    history.action({ op: `test.${edit.kind}`, actor: 'M. Lindqvist' }, work)
    return true
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code !== 'internal') return false
    throw thrown
  }
}

/** Something that is no edit. */
export async function happen(project: Project, event: Fact): Promise<void> {
  if (event.kind === 'hear') hear(project, euiOf(event.number), `2001:db8::${(event.number + 1).toString(16)}`)
  else if (event.kind === 'apply') await runJob(project.groups, 'apply', project.groups.applyItems())
  else await project.clock.advance(1000)
}
