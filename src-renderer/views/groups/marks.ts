// How the marks of cells look: shape (a symbol of MatrixMarks) and tone. Every mark also has a word, `groups.mark.<mark>`.
import type { CellMark } from './matrix-model.ts'

export interface MarkLook {
  readonly symbol: string
  readonly tone: 'planned' | 'sent' | 'confirmed' | 'failed' | 'unknown'
}

export const markLooks: Readonly<Record<Exclude<CellMark, 'none'>, MarkLook>> = {
  planned: { symbol: '#mark-planned', tone: 'planned' },
  sent: { symbol: '#mark-sent', tone: 'sent' },
  confirmed: { symbol: '#mark-confirmed', tone: 'confirmed' },
  failed: { symbol: '#mark-failed', tone: 'failed' },
  unknown: { symbol: '#mark-unknown', tone: 'unknown' },
  'to-remove': { symbol: '#mark-remove', tone: 'planned' },
  'removal-sent': { symbol: '#mark-remove', tone: 'sent' },
  'removal-failed': { symbol: '#mark-remove', tone: 'failed' },
  'removal-unknown': { symbol: '#mark-remove', tone: 'unknown' },
}
export const cellMarks = Object.keys(markLooks) as ReadonlyArray<Exclude<CellMark, 'none'>>
