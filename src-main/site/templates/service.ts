// Templates of room types: kept, previewed, applied to many rooms, and followed as rooms and devices change.
import { AppError, KeyedFeed, newId } from '#main/base/index.ts'
import type { Random } from '#main/base/index.ts'
import type { DeviceDirectory, RoomRecord } from '#main/site/devices/index.ts'
import { checkGroupName } from '#main/site/groups/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import type { TemplateRow, TemplateUseRow } from '#contract/model.ts'
import { applyRoom, placeDevices } from './apply.ts'
import { checkTemplate } from './check.ts'
import { planRoom, type GroupFacts, type RoomFacts } from './plan.ts'
import { divideRoles } from './roles.ts'
import { RoomDevices } from './room-devices.ts'
import type { ProtectionPort, TemplateRecord, Templates, TemplateStore, TemplateUse } from './types.ts'

export interface TemplateOptions {
  readonly store: TemplateStore
  readonly devices: DeviceDirectory
  readonly groups: GroupEngine
  readonly protection: ProtectionPort
  readonly random: Random
}

export function createTemplates({ store, devices, groups, protection, random }: TemplateOptions): Templates {
  const feed = new KeyedFeed<TemplateRow>((row) => row.id)
  const useFeed = new KeyedFeed<TemplateUseRow>((row) => row.roomId)
  let templates = new Map<string, TemplateRecord>()
  let uses = new Map<string, TemplateUse>()
  const inRooms = new RoomDevices(devices)

  const require = (id: string): TemplateRecord => {
    const template = templates.get(id)
    if (template === undefined) throw new AppError('template.not-found', `No template ${id}`, { details: { id } })
    return template
  }
  const rowOf = (use: TemplateUse): TemplateUseRow | undefined => {
    const template = templates.get(use.templateId)
    if (template === undefined) return undefined
    const { roles, undecided, counts } = divideRoles(template, inRooms.of(use.roomId), use.roles)
    const tests = template.groups.flatMap(({ key, test }) => {
      const groupId = use.groups[key]?.groupId
      return test === null || groupId === undefined || groups.book.groups.get(groupId)?.retired !== false ? [] : [{ groupId, ...test }]
    })
    return {
      roomId: use.roomId,
      templateId: use.templateId,
      version: use.version,
      outdated: use.version < template.version,
      roles: Object.fromEntries(roles),
      undecided: [...undecided],
      counts: [...counts],
      tests,
    }
  }
  const showUses = (roomIds: Iterable<string>): void => {
    const rows: TemplateUseRow[] = []
    const gone: string[] = []
    for (const roomId of roomIds) {
      const use = uses.get(roomId)
      const row = use === undefined ? undefined : rowOf(use)
      if (row === undefined) gone.push(roomId)
      else rows.push(row)
    }
    useFeed.setAll(rows)
    useFeed.delete(gone)
  }
  const showTemplates = (): void => {
    const using = Map.groupBy(uses.values(), ({ templateId }) => templateId)
    const rows = [...templates.values()].map((template): TemplateRow => {
      const rooms = using.get(template.id) ?? []
      return { ...template, rooms: rooms.length, outdated: rooms.filter(({ version }) => version < template.version).length }
    })
    feed.delete(feed.keys().filter((id) => !templates.has(id)))
    feed.setAll(rows)
  }
  const reload = (): void => {
    const before = [...uses.keys()]
    templates = new Map(store.templates().map((template) => [template.id, template]))
    uses = new Map(store.uses().map((use) => [use.roomId, use]))
    showTemplates()
    showUses(new Set([...before, ...uses.keys()]))
  }
  const keepUse = (use: TemplateUse): void => {
    store.saveUse(use)
    uses.set(use.roomId, use)
  }
  const dropUses = (roomIds: readonly string[]): void => {
    for (const roomId of roomIds) {
      store.removeUse(roomId)
      uses.delete(roomId)
    }
    showTemplates()
    showUses(roomIds)
  }
  const factsOf = (roomId: string, templateId: string): RoomFacts => {
    const path = pathUp(devices.rooms(), roomId)
    if (path.length === 0) throw new AppError('room.not-found', `No room ${roomId}`, { details: { id: roomId } })
    const use = uses.get(roomId)
    return { path, devices: inRooms.of(roomId), use: use?.templateId === templateId ? use : undefined }
  }
  const groupFacts = (): GroupFacts => ({
    named: (name) => groups.book.groupNamed(name),
    byId: (id) => groups.book.groups.get(id),
    isMember: (deviceId, groupId) => groups.book.cell(deviceId, groupId)?.desired === true,
    spokenFor: new Set(),
  })
  const subscriptions = [
    inRooms.onChange((roomIds) => showUses(roomIds.filter((id) => uses.has(id)))),
    devices.roomFeed.subscribe((ids) => {
      const gone = ids.filter((id) => uses.has(id) && devices.roomFeed.get(id) === undefined)
      if (gone.length > 0) dropUses(gone)
    }),
  ]
  reload()

  return {
    feed,
    useFeed,
    save(text, id) {
      checkTemplate(text)
      for (const group of text.groups) checkGroupName(group.name.replace(/\{\w+\}/g, 'x'))
      const before = id === undefined ? undefined : require(id)
      const namesake = [...templates.values()].find((other) => other.name === text.name && other.id !== id)
      if (namesake !== undefined)
        throw new AppError('template.name-taken', `A template has the name ${text.name}`, { details: { name: text.name } })
      const template: TemplateRecord = { ...text, id: before?.id ?? newId('template', random), version: (before?.version ?? 0) + 1 }
      store.saveTemplate(template)
      templates.set(template.id, template)
      showTemplates()
      showUses([...uses.values()].filter(({ templateId }) => templateId === template.id).map(({ roomId }) => roomId))
      return template.id
    },
    remove(id) {
      require(id)
      const rooms = [...uses.values()].filter(({ templateId }) => templateId === id).map(({ roomId }) => roomId)
      for (const roomId of rooms) store.removeUse(roomId)
      store.removeTemplate(id)
      reload()
    },
    preview(templateId, roomIds) {
      const template = require(templateId)
      const facts = groupFacts()
      return [...new Set(roomIds)].map((roomId) => planRoom(template, factsOf(roomId, templateId), facts).change)
    },
    apply(templateId, wantedIds) {
      const template = require(templateId)
      const facts = groupFacts()
      const roomIds = [...new Set(wantedIds)]
      const plans = roomIds.map((roomId) => {
        const room = factsOf(roomId, templateId)
        return { room, plan: planRoom(template, room, facts) }
      })
      let made = 0
      let memberships = 0
      let undecided = 0
      for (const { room, plan } of plans) {
        keepUse(applyRoom(template, room, plan, { groups, protection }))
        made += plan.change.groups.filter(({ change }) => change === 'create').length
        memberships += plan.change.groups.reduce((sum, group) => sum + group.joins.length + group.leaves.length, 0)
        undecided += plan.change.undecided.length
      }
      showTemplates()
      showUses(roomIds)
      return { groups: made, memberships, undecided }
    },
    assign(deviceIds, role) {
      for (const [roomId, ids] of Map.groupBy(deviceIds, (id) => roomOf(devices, id))) {
        const use = roomId === null ? undefined : uses.get(roomId)
        if (roomId === null || use === undefined)
          throw new AppError('template.not-found', 'The room of the device has no template', { details: { roomId } })
        const template = require(use.templateId)
        const wanted = role === null ? undefined : template.roles.find(({ key }) => key === role)
        const unfit = ids.find((id) => wanted !== undefined && devices.get(id)?.type !== wanted.type)
        if (role !== null && (wanted === undefined || unfit !== undefined))
          throw new AppError('template.invalid', `The role ${role} does not fit`, { details: { reason: 'unknown-role', value: role } })
        const others = Object.entries(use.roles).filter(([id]) => !ids.includes(id))
        const given = Object.fromEntries([...others, ...(role === null ? [] : ids.map((id) => [id, role] as const))])
        const { roles } = divideRoles(template, inRooms.of(roomId), given)
        keepUse(placeDevices(template, { ...use, roles: given }, new Map(ids.map((id) => [id, roles.get(id)])), groups))
        showUses([roomId])
      }
    },
    detach: (roomIds) => dropUses(roomIds.filter((id) => uses.has(id))),
    reload,
    close() {
      for (const end of subscriptions) end()
      inRooms.close()
    },
  }
}

function roomOf(devices: Pick<DeviceDirectory, 'get'>, id: string): string | null {
  const device = devices.get(id)
  if (device === undefined) throw new AppError('device.not-found', `No device ${id}`, { details: { id } })
  return device.roomId
}

/** The room and the rooms above it; ends where a link is broken or comes round. */
function pathUp(rooms: readonly RoomRecord[], roomId: string): readonly RoomRecord[] {
  const byId = new Map(rooms.map((room) => [room.id, room]))
  const path: RoomRecord[] = []
  for (
    let room = byId.get(roomId);
    room !== undefined && !path.includes(room);
    room = room.parentId === null ? undefined : byId.get(room.parentId)
  )
    path.push(room)
  return path
}
