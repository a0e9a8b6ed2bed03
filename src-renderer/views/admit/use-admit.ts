// The authority's lists as the view looks at them: fetched by their ops, fresh again with each news.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import type { RaCertificateRow, RaPreRegistrationRow, RaRow } from '#contract/model.ts'
import { useOp } from '../../composables/use-op.ts'
import { usePages } from '../../composables/use-pages.ts'
import type { Pages } from '../../composables/use-pages.ts'
import { useFeed } from '../../stores/feeds.ts'

/** The authority's row; null until it is known. */
export function useAuthority(): ComputedRef<RaRow | null> {
  const feed = useFeed('ra')
  return computed(() => feed.rows.value[0] ?? null)
}

type List<Row> = Pages<Row> & { readonly failure: ReturnType<typeof useOp>['failure'] }

export function useCertificates(search: () => string, only: () => 'all' | 'expiring' | 'revoked'): List<RaCertificateRow> {
  const row = useAuthority()
  const { run, failure } = useOp('ra.certificates')
  const pages = usePages<RaCertificateRow>({
    query: () => `${only()} ${search()}`,
    version: () => row.value?.version ?? 0,
    async load(page, size) {
      const filter = only() === 'expiring' ? { endsWithinDays: 30 } : only() === 'revoked' ? ({ state: 'revoked' } as const) : {}
      const rows = await run({ offset: page * size, limit: size, search: search(), ...filter })
      return rows === undefined ? undefined : { rows, total: null }
    },
  })
  return { ...pages, failure }
}

export function useExpected(): List<RaPreRegistrationRow> {
  const row = useAuthority()
  const { run, failure } = useOp('ra.preRegistrations')
  const pages = usePages<RaPreRegistrationRow>({
    query: () => 'all',
    version: () => row.value?.version ?? 0,
    load: (page, size) => run({ offset: page * size, limit: size }),
  })
  return { ...pages, failure }
}
