// What a command prints: tables for people, JSON for programs, failures with their help.
import { toAppError } from '#main/base/index.ts'
import type { AppError } from '#main/base/index.ts'
import failureHelp from '../../../src-renderer/locales/en/failures.json' with { type: 'json' }

/** Exit codes: documented in the help of the command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, incomplete: 3, locked: 4 } as const

export interface Output {
  readonly json: boolean
  /** One line for people; silent with `--json`. */
  line(text: string): void
  /** The result: a JSON document with `--json`, a table otherwise. */
  table(rows: ReadonlyArray<Readonly<Record<string, unknown>>>, columns: readonly string[]): void
  value(value: unknown, text: string): void
  failure(thrown: unknown): number
}

export function createOutput(json: boolean): Output {
  const write = (text: string): void => {
    process.stdout.write(`${text}\n`)
  }
  return {
    json,
    line: (text) => {
      if (!json) write(text)
    },
    table(rows, columns) {
      write(json ? JSON.stringify(rows) : formatTable(rows, columns))
    },
    value(value, text) {
      write(json ? JSON.stringify(value) : text)
    },
    failure(thrown) {
      const error = toAppError(thrown)
      if (json)
        write(JSON.stringify({ error: { code: error.code, message: error.message, retryable: error.retryable, details: error.details } }))
      else process.stderr.write(`${describeFailure(error)}\n`)
      if (error.code === 'input.invalid') return EXIT.usage
      return error.code === 'site.locked' ? EXIT.locked : EXIT.failed
    },
  }
}

interface Help {
  readonly title: string
  readonly cause: string
  readonly try: readonly string[]
}

/** Title, cause and what to try, as the window shows them. */
export function describeFailure(error: AppError): string {
  const help = lookUp(error.code)
  const facts = Object.entries(error.details).map(
    ([name, value]) => `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  if (help === undefined) return [`${error.message} (${error.code})`, ...facts].join('\n')
  return [
    `${help.title} (${error.code})`,
    `  ${error.message}`,
    ...facts,
    `Cause: ${help.cause}`,
    ...help.try.map((step) => `Try: ${step}`),
  ].join('\n')
}

/** The window's help for a code; its keys have no dots, because those mean nesting there. */
function lookUp(code: string): Help | undefined {
  const help: Readonly<Record<string, Help>> = failureHelp
  return help[code.replaceAll('.', '_')]
}

function formatTable(rows: ReadonlyArray<Readonly<Record<string, unknown>>>, columns: readonly string[]): string {
  const cells = rows.map((row) => columns.map((column) => cellText(row[column])))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)))
  const format = (row: readonly string[]): string =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd()
  return [format(columns.map((column) => column.toUpperCase())), ...cells.map(format)].join('\n')
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
