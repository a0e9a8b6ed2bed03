// What a table shows, as the views describe it.
import type { SortValue } from '../../lib/natural.ts'

export interface DataColumn<T> {
  readonly id: string
  readonly header: string
  /** CSS track size, e.g. `120px` or `minmax(120px, 2fr)`. */
  readonly width: string
  /** What it sorts by, and shows where there is no `cell-<id>` slot. */
  readonly value: (row: T) => SortValue
  readonly sortable?: boolean
  readonly align?: 'start' | 'end'
}

export interface DataSort {
  readonly id: string
  readonly desc: boolean
}
