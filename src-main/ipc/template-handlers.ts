// The ops of room types.
import type { Core } from '#main/core.ts'
import type { Handlers } from './types.ts'

type TemplateHandlers = { readonly [Name in keyof Handlers as Name extends `templates.${string}` ? Name : never]: Handlers[Name] }

export function templateHandlers(core: Core): TemplateHandlers {
  const desk = () => core.site().templates
  return {
    'templates.save': ({ id, template }) => ({ id: desk().save(template, id) }),
    'templates.remove': ({ id }) => desk().remove(id),
    'templates.preview': ({ templateId, roomIds }) => [...desk().preview(templateId, roomIds)],
    'templates.apply': ({ templateId, roomIds }) => desk().apply(templateId, roomIds),
    'templates.assign': ({ deviceIds, role }) => desk().assign(deviceIds, role),
    'templates.detach': ({ roomIds }) => desk().detach(roomIds),
  }
}
