// groupwright ra news: what authorities above have announced, and what became of it.
import { z } from 'zod'
import type { RaNewsRow } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { dayOf, oneOf, PAGE } from './ra-shared.ts'
import { withSite } from './with-site.ts'

export async function authorityNews(context: CommandContext, action?: string, id = ''): Promise<number> {
  const decision = action === undefined ? undefined : oneOf(z.enum(['take', 'dismiss']), action, 'action')
  return withSite(context, async ({ session }) => {
    if (decision !== undefined) await session.call('ra.decideNews', { id, decision })
    const { rows } = await session.call('ra.news', { offset: 0, limit: PAGE })
    const shown = context.output.json ? rows : rows.map((row) => ({ ...row, at: dayOf(row.at), about: aboutOf(row) }))
    context.output.table(shown, ['id', 'at', 'server', 'kind', 'subject', 'about', 'outcome', 'by'])
    return EXIT.ok
  })
}

function aboutOf({ fingerprint, serial, crl }: RaNewsRow): string {
  if (crl !== null) return `number ${crl.number ?? '–'}, ${crl.revoked} revoked`
  return serial ?? `SHA-256 ${fingerprint?.slice(0, 16) ?? ''}`
}
