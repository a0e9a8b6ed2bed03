// When what was done counts as a new revision of the site.
import { toAppError } from '#main/base/index.ts'
import type { KeyedFeed, Logger } from '#main/base/index.ts'
import type { SiteFile } from '#main/store/index.ts'

/** States in which a job or a test run works on. */
const AT_WORK = new Set(['running', 'sending', 'reading-back'])

/** Counts a new revision when a job or a test run has come to rest: paused, cancelled and failed ones had effects too. */
export function bumpAtRest<Row extends { readonly id: string; readonly state: string }>(
  feed: KeyedFeed<Row>,
  file: SiteFile,
  logger: Logger,
  counts: (row: Row) => boolean = () => true,
): () => void {
  const known = new Map(feed.rows().map((row) => [row.id, row.state]))
  return feed.subscribe((ids) => {
    const came = ids.filter((id) => {
      const row = feed.get(id)
      const state = row?.state
      const before = known.get(id)
      if (state !== undefined) known.set(id, state)
      return row !== undefined && state !== undefined && state !== before && !AT_WORK.has(state) && counts(row)
    })
    if (came.length === 0) return
    try {
      file.bumpRevision()
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'the revision could not be counted')
    }
  })
}
