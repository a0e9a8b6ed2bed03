// Painting with the pointer: a stroke begins in a cell, stretches to the cell under the pointer and is taken when it is let go.
import { onScopeDispose, shallowRef } from 'vue'
import type { ShallowRef } from 'vue'
import type { CellRange } from './matrix-model.ts'

export interface Spot {
  readonly row: number
  readonly column: number
}
export interface Stroke {
  readonly range: CellRange
  readonly desired: boolean
}

const EDGE_PX = 28
const SCROLL_PX = 14

export function useStroke(options: {
  readonly scroller: () => HTMLElement | null
  readonly spotAt: (x: number, y: number) => Spot | null
  readonly desiredAt: (spot: Spot) => boolean
  readonly take: (stroke: Stroke) => void
}): {
  readonly stroke: Readonly<ShallowRef<Stroke | null>>
  readonly begin: (event: PointerEvent, spot: Spot) => void
  readonly cancel: () => void
} {
  const stroke = shallowRef<Stroke | null>(null)
  let pointer: { x: number; y: number } | null = null
  let frame = 0

  function stretch(): void {
    if (stroke.value === null || pointer === null) return
    const spot = options.spotAt(pointer.x, pointer.y)
    if (spot === null) return
    const { fromRow, fromColumn, toRow, toColumn } = stroke.value.range
    if (spot.row === toRow && spot.column === toColumn) return
    stroke.value = { ...stroke.value, range: { fromRow, fromColumn, toRow: spot.row, toColumn: spot.column } }
  }
  /** While the pointer rests near an edge the matrix keeps scrolling under it. */
  function follow(): void {
    const element = options.scroller()
    if (stroke.value === null || pointer === null || element === null) return
    const box = element.getBoundingClientRect()
    const along = (at: number, from: number, to: number): number => (at < from + EDGE_PX ? -SCROLL_PX : at > to - EDGE_PX ? SCROLL_PX : 0)
    element.scrollBy(along(pointer.x, box.left + 200, box.right), along(pointer.y, box.top + 100, box.bottom))
    stretch()
    frame = requestAnimationFrame(follow)
  }
  function move(event: PointerEvent): void {
    pointer = { x: event.clientX, y: event.clientY }
    stretch()
  }
  function end(): void {
    const done = stroke.value
    cancel()
    if (done !== null) options.take(done)
  }
  function key(event: KeyboardEvent): void {
    if (event.key !== 'Escape') return
    event.preventDefault()
    cancel()
  }
  function cancel(): void {
    stroke.value = null
    pointer = null
    cancelAnimationFrame(frame)
    window.removeEventListener('pointermove', move)
    window.removeEventListener('pointerup', end)
    window.removeEventListener('pointercancel', cancel)
    window.removeEventListener('keydown', key, true)
  }
  onScopeDispose(cancel)
  return {
    stroke,
    begin: (event, spot) => {
      cancel()
      pointer = { x: event.clientX, y: event.clientY }
      stroke.value = {
        range: { fromRow: spot.row, toRow: spot.row, fromColumn: spot.column, toColumn: spot.column },
        desired: options.desiredAt(spot),
      }
      window.addEventListener('pointermove', move)
      window.addEventListener('pointerup', end)
      window.addEventListener('pointercancel', cancel)
      window.addEventListener('keydown', key, true)
      frame = requestAnimationFrame(follow)
    },
    cancel,
  }
}
