// The lenses' rows: registrations and links in pages, made fresh whenever the directory tells that it has changed.
import { computed, toValue } from 'vue'
import type { ComputedRef, MaybeRefOrGetter } from 'vue'
import type { DirectoryLinkRow, DirectoryRow, Failure, RegistrationRow } from '#contract/model.ts'
import type { DataSort } from '../../components/ui/data-table.ts'
import { useOp } from '../../composables/use-op.ts'
import { usePages } from '../../composables/use-pages.ts'
import type { Pages } from '../../composables/use-pages.ts'
import { useFeed } from '../../stores/feeds.ts'
import { sortOf } from './directory-columns.ts'

export interface ListQuery {
  readonly kind: 'endpoints' | 'groups'
  readonly search: string
  readonly sort: DataSort | null
}

export interface Listed<Row> extends Pages<Row> {
  readonly failure: ComputedRef<Failure | null>
}

export function useDirectoryRow(): ComputedRef<DirectoryRow | null> {
  const feed = useFeed('directory')
  return computed(() => feed.rows.value[0] ?? null)
}

export function useRegistrations(query: MaybeRefOrGetter<ListQuery>): Listed<RegistrationRow> {
  const row = useDirectoryRow()
  const list = useOp('rd.list')
  const pages = usePages<RegistrationRow>({
    query: () => JSON.stringify(toValue(query)),
    version: () => row.value?.version ?? 0,
    load: (page, size) => {
      const { kind, search, sort } = toValue(query)
      return list.run({ offset: page * size, limit: size, kind, search, ...sortOf(sort), withLinks: false })
    },
  })
  return { ...pages, failure: computed(() => list.failure.value) }
}

export function useLinks(search: MaybeRefOrGetter<string>): Listed<DirectoryLinkRow> {
  const row = useDirectoryRow()
  const links = useOp('rd.links')
  const pages = usePages<DirectoryLinkRow>({
    query: () => toValue(search),
    version: () => row.value?.version ?? 0,
    load: async (page, size) => {
      const found = await links.run({ page, count: size, search: toValue(search) })
      return found === undefined ? undefined : { rows: found.rows, total: null }
    },
  })
  return { ...pages, failure: computed(() => links.failure.value) }
}
