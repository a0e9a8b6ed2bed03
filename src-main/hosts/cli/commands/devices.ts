// groupwright devices … and groupwright discover
import { readFileSync } from 'node:fs'
import { AppError, utf8ToText } from '#main/base/index.ts'
import type { DiscoveryRow, ImportRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { progressBar } from '../progress-bar.ts'
import { findDevice } from './find.ts'
import { withSite } from './with-site.ts'

const COLUMNS = ['name', 'type', 'state', 'eui64', 'serial', 'address', 'groups']

export async function listDevices(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    const { state } = context.options
    const rows = session.rows('devices').filter((device) => state === undefined || device.state === state)
    context.output.table(rows, COLUMNS)
    return Promise.resolve(EXIT.ok)
  })
}

export async function showDevice(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const device = findDevice(session, name)
    const detail = await session.call('devices.detail', { id: device.id })
    const text = [
      `${device.name} (${device.type}, ${device.state} by ${device.stateSource} ${new Date(device.stateAt).toISOString()})`,
      ...detail.resources.map((resource) => `  ${resource.href}`),
      ...detail.history.map(
        (event) =>
          `  ${new Date(event.at).toISOString()} ${event.source}: ${event.event}${event.failure === null ? '' : ` – ${event.failure.code}`}`,
      ),
    ]
    context.output.value({ ...device, ...detail }, text.join('\n'))
    return EXIT.ok
  })
}

export async function importDevices(context: CommandContext, file = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const text = readText(file)
    const preview = await session.call('devices.importPreview', { text })
    const wrong = preview.rows.filter((row) => row.verdict === 'invalid' || row.verdict === 'duplicate')
    for (const row of wrong) context.output.line(`line ${row.line}: ${row.verdict}: ${reasonsOf(row)}`)
    if (context.options.dryRun === true) {
      context.output.value(context.output.json ? preview : preview.counts, summary(preview.counts))
      return EXIT.ok
    }
    const result = await session.call('devices.importApply', { text })
    context.output.value({ ...result, invalid: wrong }, `${result.created} created, ${result.updated} updated, ${result.skipped} left out`)
    return wrong.length > 0 ? EXIT.incomplete : EXIT.ok
  })
}

/** Reads a file that the person named. Throws `import.unreadable`. */
export function readText(file: string): string {
  try {
    const bytes = readFileSync(file)
    // Spreadsheets in Western Europe still save lists as Windows-1252.
    return utf8ToText(bytes) ?? new TextDecoder('windows-1252').decode(bytes)
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${file}`, { cause, details: { file } })
  }
}

function reasonsOf(row: ImportRow): string {
  return row.reasons.map((reason) => (reason.field === null ? reason.reason : `${reason.field} ${reason.reason}`)).join(', ')
}

function summary(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ')
}

export async function removeDevices(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const ids = names.map((name) => findDevice(session, name).id)
    await session.call('devices.remove', { ids })
    context.output.value({ removed: ids }, `${ids.length} removed`)
    return EXIT.ok
  })
}

export async function discover(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const seconds = context.options.seconds ?? 10
    const bar = progressBar('Discover')
    await session.call('discovery.start', { seconds })
    const end = session.follow('discovery', ([row]) => {
      if (row !== undefined) bar.update(row.heard, Math.max(row.heard, session.rows('devices').length), wayOf(row))
    })
    const result = await session.when('discovery', (row) => row.state === 'idle' && row.startedAt !== null)
    end()
    bar.finish(`${result.heard} heard, ${result.added} new ${wayOf(result)}`.trimEnd())
    context.output.value({ heard: result.heard, added: result.added, failure: result.failure }, '')
    return result.failure === null ? EXIT.ok : EXIT.failed
  })
}

function wayOf({ unicastOnly }: DiscoveryRow): string {
  return unicastOnly === true ? '(asked one by one or registered: this dongle carries no multicast)' : ''
}
