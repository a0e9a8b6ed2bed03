// Rows that stay in the core and come in pages: those in sight are fetched, few are kept, and news makes what is in sight fresh again.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import type { Ref, ShallowRef } from 'vue'

export interface Page<Row> {
  readonly rows: readonly Row[]
  /** Null where nobody counts: then the end is known when a page is not full. */
  readonly total: number | null
}

export interface PagesOptions<Row> {
  /** Another value is another list: it begins anew. */
  readonly query: () => unknown
  /** Another value means that rows may have changed. */
  readonly version: () => number
  /** Undefined where it failed. */
  readonly load: (page: number, size: number) => Promise<Page<Row> | undefined>
  readonly size?: number
}

export interface Pages<Row> {
  readonly total: Readonly<Ref<number>>
  /** Whether `total` is the count of all rows, or only of those known so far. */
  readonly isCounted: Readonly<Ref<boolean>>
  /** True from the first page on. */
  readonly ready: Readonly<Ref<boolean>>
  readonly rowAt: (index: number) => Row | undefined
  /** Which rows are in sight. */
  readonly need: (first: number, last: number) => void
  /** Fetches what is in sight again. */
  readonly refresh: () => void
  readonly pages: Readonly<ShallowRef<ReadonlyMap<number, readonly Row[]>>>
}

const PAGE_SIZE = 100
/** Pages that are kept besides those in sight. */
const MOST_PAGES = 30
/** News come up to ten times a second; a list that is read need not dance. */
const REFRESH_MS = 1000

export function usePages<Row>({ query, version, load, size = PAGE_SIZE }: PagesOptions<Row>): Pages<Row> {
  const pages = shallowRef<ReadonlyMap<number, readonly Row[]>>(new Map())
  const total = ref(0)
  const isCounted = ref(true)
  const ready = ref(false)
  /** Answers to questions of an older list are not taken. */
  let generation = 0
  let wanted = { first: 0, last: 0 }
  /** Pages that were fetched before the last news. */
  let stale = new Set<number>()
  /** The pages at hand are those of an older list. */
  let isOld = false
  let ended = false
  let loading = false
  let refreshedAt = -Infinity
  let timer: ReturnType<typeof setTimeout> | undefined

  const missing = (): number | undefined => {
    for (let page = wanted.first; page <= wanted.last; page++) if (!pages.value.has(page) || stale.has(page)) return page
    return undefined
  }
  const take = (page: number, { rows, total: count }: Page<Row>): void => {
    stale.delete(page)
    const kept = isOld ? [] : [...pages.value].filter(([each]) => each !== page)
    if (isOld) stale.clear()
    isOld = false
    pages.value = new Map([...kept.slice(-MOST_PAGES), [page, rows]])
    isCounted.value = count !== null || rows.length < size
    // One row more than is known: who comes to see it asks for its page.
    total.value = count ?? Math.max(isCounted.value ? 0 : total.value, page * size + rows.length + (isCounted.value ? 0 : 1))
    ready.value = true
  }
  const fetchMissing = async (): Promise<void> => {
    if (loading) return
    loading = true
    try {
      for (let page = missing(); page !== undefined && !ended; page = missing()) {
        const asked = generation
        const found = await load(page, size)
        if (asked !== generation) continue
        if (found === undefined) return
        take(page, found)
      }
    } finally {
      loading = false
    }
  }
  const refresh = (): void => {
    clearTimeout(timer)
    timer = undefined
    refreshedAt = performance.now()
    // Pages out of sight are fetched when they are looked at again; until then nobody misses them.
    const inSight = [...pages.value].filter(([page]) => page >= wanted.first && page <= wanted.last)
    pages.value = new Map(inSight)
    stale = new Set(inSight.map(([page]) => page))
    void fetchMissing()
  }

  watch(
    query,
    () => {
      generation += 1
      // What was there stays in sight until the first page of the new list is here.
      wanted = { first: 0, last: Math.min(wanted.last, 1) }
      isOld = true
      stale = new Set(pages.value.keys())
      void fetchMissing()
    },
    { immediate: true },
  )
  watch(version, () => {
    const waitMs = refreshedAt + REFRESH_MS - performance.now()
    if (waitMs <= 0) refresh()
    else timer ??= setTimeout(refresh, waitMs)
  })
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
  })

  return {
    total,
    isCounted,
    ready,
    pages,
    rowAt: (index) => pages.value.get(Math.floor(index / size))?.[index % size],
    need(first, last) {
      wanted = { first: Math.floor(Math.max(0, first) / size), last: Math.floor(Math.max(0, last) / size) }
      void fetchMissing()
    },
    refresh,
  }
}
