// Room types at rest: one row for each template, one for each room that has one. Edits of them belong to the journal as those of groups do.
import { templateText } from '#contract/model.ts'
import type { TemplateRecord, TemplateStore, TemplateUse, TemplateUseGroup } from '#main/site/templates/index.ts'
import { canonicalJson, fromJson } from './json.ts'
import { isMembers, isText, isWhole } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export function createTemplateStore(database: SiteDatabase): TemplateStore {
  const { raw } = database
  const selectTemplates = raw.prepare<[], { id: string; record: string }>('SELECT id, record FROM room_template ORDER BY name')
  const saveTemplate = raw.prepare<[string, string, string]>(
    `INSERT INTO room_template (id, name, record) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, record = excluded.record`,
  )
  const removeTemplate = raw.prepare<[string]>('DELETE FROM room_template WHERE id = ?')
  const selectUses = raw.prepare<[], { room_id: string; record: string }>('SELECT room_id, record FROM room_template_use')
  const saveUse = raw.prepare<[string, string]>(
    'INSERT INTO room_template_use (room_id, record) VALUES (?, ?) ON CONFLICT (room_id) DO UPDATE SET record = excluded.record',
  )
  const removeUse = raw.prepare<[string]>('DELETE FROM room_template_use WHERE room_id = ?')
  const write = (work: () => unknown): void => {
    database.transaction(work)
  }
  return {
    templates: () => guarded(() => selectTemplates.all()).map(({ id, record }) => ({ ...fromJson(record, isTemplate), id })),
    saveTemplate: ({ id, ...record }) => write(() => saveTemplate.run(id, record.name, canonicalJson(record))),
    removeTemplate: (id) => write(() => removeTemplate.run(id)),
    uses: () => guarded(() => selectUses.all()).map(({ room_id: roomId, record }) => ({ ...fromJson(record, isUse), roomId })),
    saveUse: ({ roomId, ...record }) => write(() => saveUse.run(roomId, canonicalJson(record))),
    removeUse: (roomId) => write(() => removeUse.run(roomId)),
  }
}

function isTemplate(value: unknown): value is Omit<TemplateRecord, 'id'> {
  return isMembers(value) && isWhole(value.version) && templateText.safeParse(value).success
}

function isUse(value: unknown): value is Omit<TemplateUse, 'roomId'> {
  if (!isMembers(value) || !isText(value.templateId) || !isWhole(value.version)) return false
  const { roles, groups } = value
  return isMembers(roles) && Object.values(roles).every(isText) && isMembers(groups) && Object.values(groups).every(isUseGroup)
}

function isUseGroup(value: unknown): value is TemplateUseGroup {
  return isMembers(value) && isText(value.groupId) && isText(value.name) && Array.isArray(value.joined) && value.joined.every(isText)
}
