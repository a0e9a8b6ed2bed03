// groupwright template: room types from JSON files, and the rooms that get them.
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError } from '#main/base/index.ts'
import { templateText } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { withSite } from './with-site.ts'

type Action = (context: CommandContext, ...names: readonly string[]) => Promise<number>
type Runs = (action: Action) => (...found: readonly unknown[]) => Promise<void>

function templateIn(session: Session, name: string): string {
  const found = session.rows('templates').find((row) => row.name === name || row.id === name)
  if (found === undefined) throw new AppError('template.not-found', `No template ${name}`, { details: { name } })
  return found.id
}

function roomsIn(session: Session, names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const found = session.rows('rooms').find((row) => row.name === name || row.id === name)
    if (found === undefined) throw new AppError('room.not-found', `No room ${name}`, { details: { name } })
    return found.id
  })
}

export async function listTemplates(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const rows = session.rows('templates').map((row) => ({ ...row, roles: row.roles.length, groups: row.groups.length }))
    context.output.table(rows, ['name', 'version', 'roles', 'groups', 'rooms', 'outdated'])
    return Promise.resolve(EXIT.ok)
  })
}

export async function showTemplate(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, ({ session }) => {
    const id = templateIn(session, name)
    const row = session.rows('templates').find((each) => each.id === id)
    const text = templateText.parse(row)
    context.output.value(text, JSON.stringify(text, null, 2))
    return Promise.resolve(EXIT.ok)
  })
}

/** A template of that name is changed, else a new one is made. */
export async function saveTemplate(context: CommandContext, path = ''): Promise<number> {
  const template = templateText.safeParse(readJson(path))
  if (!template.success) {
    const [issue] = template.error.issues
    throw new AppError('input.invalid', `${issue?.path.join('.') ?? path}: ${issue?.message ?? 'not a template'}`, {
      details: { file: path },
    })
  }
  return withSite(context, async ({ session }) => {
    const known = session.rows('templates').find((row) => row.name === template.data.name)
    const { id } = await session.call('templates.save', { template: template.data, ...(known === undefined ? {} : { id: known.id }) })
    context.output.value({ id }, `${known === undefined ? 'Made' : 'Changed'} ${template.data.name}`)
    return EXIT.ok
  })
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${path}`, { cause, details: { file: path } })
  }
}

export async function previewTemplate(context: CommandContext, name = '', ...rooms: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const changes = await session.call('templates.preview', {
      templateId: templateIn(session, name),
      roomIds: [...roomsIn(session, rooms)],
    })
    const rows = changes.flatMap(({ roomName, groups }) =>
      groups.map((group) => ({
        room: roomName,
        change: group.change,
        group: group.name,
        joins: group.joins.length,
        leaves: group.leaves.length,
      })),
    )
    if (context.output.json) context.output.value(changes, '')
    else context.output.table(rows, ['room', 'change', 'group', 'joins', 'leaves'])
    return EXIT.ok
  })
}

export async function applyTemplate(context: CommandContext, name = '', ...rooms: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const made = await session.call('templates.apply', { templateId: templateIn(session, name), roomIds: [...roomsIn(session, rooms)] })
    context.output.value(
      made,
      `${made.groups} new groups, ${made.memberships} memberships changed, ${made.undecided} devices without a role`,
    )
    return EXIT.ok
  })
}

export async function assignRole(context: CommandContext, role = '', ...devices: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const ids = devices.map((name) => {
      const found = session.rows('devices').find((row) => row.name === name || row.id === name || row.eui64 === name || row.serial === name)
      if (found === undefined) throw new AppError('device.not-found', `No device ${name}`, { details: { name } })
      return found.id
    })
    await session.call('templates.assign', { deviceIds: ids, role: role === 'none' ? null : role })
    return EXIT.ok
  })
}

export async function detachRooms(context: CommandContext, ...rooms: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('templates.detach', { roomIds: [...roomsIn(session, rooms)] })
    return EXIT.ok
  })
}

export async function removeTemplate(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    await session.call('templates.remove', { id: templateIn(session, name) })
    return EXIT.ok
  })
}

export function addTemplateCommands(program: Command, runs: Runs): void {
  const template = program.command('template').description('room types: what rooms of a kind have in common')
  template.command('list').description('the room types, and how many rooms have each').action(runs(listTemplates))
  template.command('show <template>').description('as JSON, to be changed and saved').action(runs(showTemplate))
  template.command('save <file>').description('make or change the room type that the JSON file describes').action(runs(saveTemplate))
  template.command('preview <template> <room...>').description('what applying would change').action(runs(previewTemplate))
  template.command('apply <template> <room...>').description('make roles, groups and memberships of rooms so').action(runs(applyTemplate))
  template
    .command('assign <role> <device...>')
    .description('give devices a role of their room; none takes it away')
    .action(runs(assignRole))
  template.command('detach <room...>').description('let rooms go on without a room type').action(runs(detachRooms))
  template.command('remove <template>').description('forget a room type; rooms keep their groups').action(runs(removeTemplate))
}
