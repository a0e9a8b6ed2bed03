// Text of a device list to rows of cells with the line that each begins on: RFC 4180, with the delimiters that spreadsheets write. A reader of
// our own, in one pass: one open quote must cost one row, and neither the rows behind it nor minutes (papaparse is the tests' oracle).
import { AppError } from '#main/base/index.ts'
import { headerField } from './headers.ts'

export interface TableRow {
  /** 1-based line of the file where the row begins. */
  readonly line: number
  readonly cells: readonly string[]
  /** Whether its quotes do not close where they should. */
  readonly badQuotes: boolean
}

export interface Table {
  readonly delimiter: string
  readonly rows: readonly TableRow[]
}

const DELIMITERS = [',', ';', '\t', '|'] as const
const LARGEST_TEXT = 20_000_000
/** A list has short lines; an endless one is not a list. */
const LONGEST_LINE = 100_000
const MOST_ROWS = 50_000
const MOST_COLUMNS = 200
/** More than any spreadsheet has; reading a row stops there. */
const SHEET_COLUMNS = 20_000
const SAMPLE_ROWS = 20
/** A quoted cell that goes on for longer was never closed. */
const LONGEST_QUOTED = 10_000
/** A file with more of them is not quoted by these rules at all. */
const MOST_BAD_QUOTES = 100

/** Throws `import.empty` and `import.unreadable`, whose `details.reason` says what the text is instead. */
export function readTable(text: string, delimiter?: string): Table {
  const { body, firstLine, announced } = withoutPreamble(plainText(text))
  if (/^[\s,;|"]*$/.test(body)) throw new AppError('import.empty', 'There is nothing in the file')
  const chosen = delimiter ?? announced ?? guessDelimiter(body)
  if (chosen === '"' || chosen === '\n' || chosen === '\r')
    throw new AppError('input.invalid', 'This character cannot separate columns', { details: { field: 'delimiter' } })
  return { delimiter: chosen, rows: readRows(body, chosen, firstLine) }
}

function unreadable(reason: string, line: number, extra: Readonly<Record<string, number>> = {}): AppError {
  return new AppError('import.unreadable', `Not a readable list: ${reason} in line ${line}`, { details: { reason, line, ...extra } })
}

/** The text with one kind of line ending. Refuses what was never a text, or lost characters on its way. */
function plainText(text: string): string {
  if (text.length > LARGEST_TEXT) throw unreadable('too-large', 1, { limit: LARGEST_TEXT })
  // UTF-16 read as UTF-8 has a NUL beside every ASCII character.
  if (/^\uFFFE|^[\uFFFD\uFEFF]{0,2}(?:[^\0]\0|\0[^\0]){4}/.test(text)) throw unreadable('utf-16', 1)
  const clean = text
    .replace(/^\uFEFF/, '')
    .replace(/\u001A+\s*$/, '')
    .replace(/\r\n?/g, '\n')
  const binary = clean.search(NOT_TEXT)
  if (binary >= 0) throw unreadable('binary', lineAt(clean, binary))
  const lost = clean.search(/\uFFFD|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/)
  if (lost >= 0) throw unreadable('encoding', lineAt(clean, lost))
  checkLines(clean)
  return clean
}

/** Control characters other than tab and line feed. */
const NOT_TEXT = /[\u0000-\u0008\u000B-\u001F\u007F]/

function lineAt(text: string, offset: number): number {
  return 1 + lineFeeds(text, 0, offset)
}

function checkLines(text: string): void {
  let line = 1
  for (let start = 0; start <= text.length; line += 1) {
    const next = text.indexOf('\n', start)
    const end = next < 0 ? text.length : next
    if (end - start > LONGEST_LINE) throw unreadable('line-too-long', line, { limit: LONGEST_LINE })
    start = end + 1
  }
}

/** Takes away empty lines and the `sep=;` line that spreadsheets write before the header. */
function withoutPreamble(text: string): { readonly body: string; readonly firstLine: number; readonly announced: string | undefined } {
  const announced = /^"?sep=([^\n"])"?[ \t]*(?:\n|$)/i.exec(text)
  const body = announced === null ? text : text.slice(announced[0].length)
  return { body, firstLine: announced === null ? 1 : 2, announced: announced?.[1] }
}

function readRows(body: string, delimiter: string, firstLine: number): readonly TableRow[] {
  const rows: TableRow[] = []
  let firstBad: number | undefined
  let bad = 0
  for (const row of eachRow(body, delimiter, firstLine)) {
    if (row.badQuotes) firstBad ??= row.line
    if (row.badQuotes && ++bad > MOST_BAD_QUOTES) throw unreadable('bad-quotes', firstBad ?? row.line)
    if (rows.push(row) > MOST_ROWS) throw unreadable('too-many-rows', row.line, { limit: MOST_ROWS })
    if (row.cells.length > MOST_COLUMNS) throw unreadable('too-many-columns', row.line, { limit: MOST_COLUMNS })
  }
  return rows
}

/** The rows that have anything in them. Of a row whose quotes are wrong the first line alone is taken, so that those behind it are saved. */
function* eachRow(body: string, delimiter: string, firstLine: number): Generator<TableRow> {
  let line = firstLine
  for (let start = 0; start < body.length;) {
    const row = quotedRow(body, start, delimiter) ?? brokenRow(body, start, delimiter)
    const cells = withoutBlankTail(row.cells)
    if (cells.length > MOST_COLUMNS || cells.some((cell) => cell.trim() !== '')) yield { line, cells, badQuotes: row.badQuotes }
    line += lineFeeds(body, start, row.end)
    start = row.end
  }
}

/** Spreadsheets write thousands of empty columns when a cell far to the right was touched once. */
function withoutBlankTail(cells: readonly string[]): readonly string[] {
  if (cells.length <= MOST_COLUMNS || cells.length >= SHEET_COLUMNS) return cells
  return cells.slice(0, cells.findLastIndex((cell) => cell.trim() !== '') + 1)
}

interface ReadCells {
  readonly cells: readonly string[]
  /** Behind the line feed that ends the row. */
  readonly end: number
  readonly badQuotes: boolean
}

/** A row by RFC 4180 §2; undefined where a quoted cell does not end, or not before a delimiter or the end of the row. */
function quotedRow(body: string, start: number, delimiter: string): ReadCells | undefined {
  const cells: string[] = []
  let end = endOfLine(body, start)
  for (let at = start; cells.length < SHEET_COLUMNS; at += 1) {
    if (body[at] === '"') {
      const close = closingQuote(body, at)
      if (close === undefined) return undefined
      cells.push(body.slice(at + 1, close).replaceAll('""', '"'))
      at = close + 1
      if (at > end) end = endOfLine(body, at)
    } else {
      // Only this line is searched: a file without the delimiter must not be searched to its end for every row.
      const length = body.slice(at, end).indexOf(delimiter)
      const stop = length < 0 ? end : at + length
      cells.push(body.slice(at, stop))
      at = stop
    }
    if (at >= end) break
    if (body[at] !== delimiter) return undefined
  }
  return { cells, end: end + 1, badQuotes: false }
}

function brokenRow(body: string, start: number, delimiter: string): ReadCells {
  const end = endOfLine(body, start)
  return { cells: body.slice(start, end).split(delimiter, SHEET_COLUMNS), end: end + 1, badQuotes: true }
}

/** Where a quoted cell ends; within it two quotes stand for one. */
function closingQuote(body: string, open: number): number | undefined {
  const window = body.slice(open, open + LONGEST_QUOTED)
  for (let at = window.indexOf('"', 1); at >= 0; at = window.indexOf('"', at + 2)) {
    if (window[at + 1] !== '"') return open + at
  }
  return undefined
}

function endOfLine(text: string, start: number): number {
  const at = text.indexOf('\n', start)
  return at < 0 ? text.length : at
}

function lineFeeds(text: string, start: number, end: number): number {
  let count = 0
  for (let at = text.indexOf('\n', start); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count += 1
  return count
}

/** The delimiter under which the first row reads most like a header, then the one under which rows are most alike. */
function guessDelimiter(body: string): string {
  const scored = DELIMITERS.map((delimiter) => {
    const rows = [...eachRow(body, delimiter, 1).take(SAMPLE_ROWS)].map(({ cells }) => cells)
    const header = rows[0] ?? []
    const known = new Set(header.map(headerField).filter((field) => field !== undefined)).size
    const alike = rows.filter((row) => row.length === header.length).length / Math.max(1, rows.length)
    return { delimiter, known, score: header.length > 1 ? alike * Math.min(header.length, 10) : 0 }
  })
  const best = scored.reduce((a, b) => (b.known > a.known || (b.known === a.known && b.score > a.score) ? b : a))
  return best.delimiter
}
