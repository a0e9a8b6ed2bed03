// What the grid of the matrix hands to its lines.
import type { ApplicationGroupRow } from '#contract/model.ts'
import type { CellMark, RoomLine } from './matrix-model.ts'

export interface ShownColumn {
  readonly index: number
  readonly start: number
  readonly group: ApplicationGroupRow
}

/** Words of the grid, made once for all lines. */
export interface MatrixWords {
  readonly mark: ReadonlyMap<CellMark, string>
  readonly roomCell: (count: number, total: number) => string
  readonly fold: (line: RoomLine) => string
}
