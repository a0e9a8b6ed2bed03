// A room type as it is being edited, and the ones to begin with. Pure.
import type { DeviceType, TemplateGroup, TemplateRole, TemplateText } from '#contract/model.ts'

export const starters = ['office', 'meeting', 'corridor', 'empty'] as const
export type Starter = (typeof starters)[number]

type Words = (key: string) => string

function role(key: string, type: DeviceType, name: string, count: number | null = null): TemplateRole {
  return { key, type, name, count }
}

function group(key: string, roles: readonly string[], action: string | null): TemplateGroup {
  const test = action === null ? null : { action, repeats: 1 }
  return { key, name: `{number}-${key}`, roles: [...roles], coapWith: null, security: { mode: 'automatic' }, test }
}

/** What a building has most often; `word` gives the names in the person's language. */
export function starterOf(starter: Starter, word: Words): TemplateText {
  const light = role('light', 'luminaire', word('role.light'))
  const button = role('button', 'switch', word('role.button'))
  const sensor = role('presence', 'presence-sensor', word('role.presence'))
  const blind = role('blind', 'blind', word('role.blind'))
  const name = word(`starter.${starter}`)
  switch (starter) {
    case 'office':
      return {
        name,
        comment: '',
        roles: [light, button, sensor, blind],
        groups: [group('light', ['light', 'button', 'presence'], 'on'), group('blind', ['blind', 'button'], null)],
      }
    case 'meeting':
      return {
        name,
        comment: '',
        roles: [role('table', 'luminaire', word('role.table')), role('wall', 'luminaire', word('role.wall')), button, blind],
        groups: [
          group('light', ['table', 'wall', 'button'], 'on'),
          { ...group('wall', ['wall', 'button'], null), coapWith: 'light', security: { mode: 'with', group: 'light' } },
          group('blind', ['blind', 'button'], null),
        ],
      }
    case 'corridor':
      return { name, comment: '', roles: [light, sensor], groups: [group('light', ['light', 'presence'], 'on')] }
    case 'empty':
      return { name: '', comment: '', roles: [light], groups: [group('light', ['light'], null)] }
  }
}

/** A key of the name that no other has. */
export function keyOf(name: string, taken: readonly string[]): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 24)
  const base = plain === '' ? 'part' : plain
  let key = base
  for (let number = 2; taken.includes(key); number++) key = `${base}-${number}`
  return key
}

export type TemplateFault = 'name' | 'role-name' | 'group-name' | 'group-roles' | 'reason'

/** What is still missing before it can be saved; the core checks the rest. */
export function faultOf({ name, roles, groups }: TemplateText): TemplateFault | null {
  if (name.trim() === '') return 'name'
  if (roles.some((each) => each.name.trim() === '')) return 'role-name'
  if (groups.some((each) => each.name.trim() === '')) return 'group-name'
  if (groups.some((each) => each.roles.length === 0)) return 'group-roles'
  if (groups.some(({ security }) => security.mode === 'nosec' && security.reason.trim().length < 3)) return 'reason'
  return null
}

/** The template without a role, and without what pointed to it. */
export function withoutRole(template: TemplateText, key: string): TemplateText {
  return {
    ...template,
    roles: template.roles.filter((each) => each.key !== key),
    groups: template.groups.map((each) => ({ ...each, roles: each.roles.filter((one) => one !== key) })),
  }
}

export function withoutGroup(template: TemplateText, key: string): TemplateText {
  return {
    ...template,
    groups: template.groups
      .filter((each) => each.key !== key)
      .map((each) => ({
        ...each,
        coapWith: each.coapWith === key ? null : each.coapWith,
        security: each.security.mode === 'with' && each.security.group === key ? { mode: 'automatic' as const } : each.security,
      })),
  }
}
