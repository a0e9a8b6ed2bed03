// Which entries of the trace are shown. Pure.
import type { TraceEntryRow, TraceKind } from '#contract/model.ts'

export type TraceLens = TraceKind | 'all'

/** Every word must stand somewhere in the other end, the channel or the label. */
export function matchesTrace(row: TraceEntryRow, lens: TraceLens, text: string): boolean {
  if (lens !== 'all' && row.kind !== lens) return false
  const words = text.toLowerCase().split(/\s+/)
  const where = `${row.peer ?? ''} ${row.channel} ${row.label} ${row.note ?? ''}`.toLowerCase()
  return words.every((word) => where.includes(word))
}

/** `08:15:02.123` in the person's own time. */
export function clockOf(at: number): string {
  const time = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** Hex as lines of sixteen bytes with their offset. */
export function hexLines(hex: string): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < hex.length; at += 32) {
    const bytes = hex.slice(at, at + 32).match(/../g) ?? []
    lines.push(`${(at / 2).toString(16).padStart(4, '0')}  ${bytes.join(' ')}`)
  }
  return lines
}
