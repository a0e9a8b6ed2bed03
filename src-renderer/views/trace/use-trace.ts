// The newest entries of the trace, pulled in pages as the feed tells that there are more; bounded, so that a flood costs no more than a look.
import { onScopeDispose, readonly, shallowRef, watch } from 'vue'
import type { ShallowRef } from 'vue'
import type { Failure, TraceEntryRow } from '#contract/model.ts'
import { useOp } from '../../composables/use-op.ts'
import { useFeed } from '../../stores/feeds.ts'

const PAGE = 500
const MOST_ROWS = 5_000

export interface TraceRows {
  readonly rows: Readonly<ShallowRef<readonly TraceEntryRow[]>>
  readonly failure: Readonly<ShallowRef<Failure | null>>
}

export function useTrace(): TraceRows {
  const feed = useFeed('trace')
  const page = useOp('trace.page')
  const rows = shallowRef<readonly TraceEntryRow[]>([])
  let last = 0
  let pulling = false
  let over = false
  onScopeDispose(() => (over = true))

  async function pull(): Promise<void> {
    if (pulling) return
    pulling = true
    try {
      for (;;) {
        const row = feed.rows.value[0]
        if (over || row === undefined || row.lastSeq <= last) return
        // What is too old to be shown is not asked for.
        last = Math.max(last, row.lastSeq - MOST_ROWS)
        const found = await page.run({ after: last, limit: PAGE })
        const newest = found?.at(-1)
        if (found === undefined || newest === undefined) return
        last = newest.seq
        rows.value = [...rows.value, ...found].slice(-MOST_ROWS)
      }
    } finally {
      pulling = false
    }
  }
  watch(
    () => feed.rows.value[0],
    (row) => {
      if (row === undefined) return
      // Cleared, or another site.
      if (row.lastSeq < last || row.lastSeq === 0) {
        rows.value = []
        last = row.lastSeq === 0 ? last : 0
      }
      void pull()
    },
    { immediate: true },
  )
  return { rows, failure: readonly(page.failure) }
}
