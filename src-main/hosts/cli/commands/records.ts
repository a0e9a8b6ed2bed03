// groupwright export and audit: what is written down.
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { exportFormat } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { textOf } from './fleet.ts'
import { withSite } from './with-site.ts'

export async function exportSite(context: CommandContext): Promise<number> {
  const formats = z.array(exportFormat).min(1).safeParse(context.options.format)
  if (!formats.success)
    throw new AppError('input.invalid', `Formats are ${exportFormat.options.join(', ')}`, { details: { option: '--format' } })
  const receiver = textOf(context.options.receiver)
  return withSite(context, async ({ program, session }) => {
    const files = await session.call('handover.export', {
      formats: formats.data,
      redact: context.options.redact !== false,
      ...(receiver === null ? {} : { receiver }),
    })
    const rows = files.map((file) => ({ ...file, path: program.exportPath(file.handle) ?? file.fileName }))
    context.output.table(rows, ['format', 'bytes', 'sha256', 'path'])
    return EXIT.ok
  })
}

export async function showAudit(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const entries = await session.call('audit.page', {
      limit: Math.min(500, context.options.limit ?? 50),
      search: context.options.search ?? '',
    })
    context.output.table(
      entries.map((entry) => ({ ...entry, time: new Date(entry.at).toISOString() })),
      ['sequence', 'time', 'actor', 'action', 'details'],
    )
    return EXIT.ok
  })
}

export async function checkAudit(context: CommandContext): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { entries, brokenAt } = await session.call('audit.verify', {})
    context.output.value({ entries, brokenAt }, brokenAt === null ? `${entries} entries, whole` : `broken at entry ${brokenAt}`)
    return brokenAt === null ? EXIT.ok : EXIT.failed
  })
}
