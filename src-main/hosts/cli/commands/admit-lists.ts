// groupwright admit …: labels, the deny list, vouchers.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { z } from 'zod'
import { AppError } from '#main/base/index.ts'
import { deviceType } from '#contract/model.ts'
import type { ListEntryRow, ScanResult } from '#contract/model.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import type { Session } from '../session.ts'
import { readText } from './devices.ts'
import { findDevice } from './find.ts'
import { oneOf, PAGE } from './ra-shared.ts'
import { withSite } from './with-site.ts'

const STANDARD_INPUT = 0
/** Outcomes after which a label is not expected though it was scanned to be. */
const NOT_EXPECTED: ReadonlySet<ScanResult['outcome']> = new Set(['unreadable', 'mismatch', 'denied'])

export async function scanLabels(context: CommandContext, file?: string): Promise<number> {
  const { label, unknown = 'list', type = 'unknown', device } = context.options
  const how = oneOf(z.enum(['tell', 'list', 'create']), unknown, '--unknown')
  const create = { type: oneOf(deviceType, type, '--type'), roomId: null }
  if ((file === undefined) === (label === undefined))
    throw new AppError('input.invalid', 'Name a file with labels, - for standard input, or --label', { details: {} })
  const text = label?.join('\n') ?? (file === '-' ? readFileSync(STANDARD_INPUT, 'utf8') : readText(file ?? ''))
  return withSite(context, async ({ session }) => {
    const { results } = await session.call('admission.scan', {
      text,
      unknown: how,
      ...(how === 'create' ? { create } : {}),
      ...(device === undefined ? {} : { deviceId: findDevice(session, device).id }),
    })
    const names = new Map(session.rows('devices').map(({ id, name }) => [id, name]))
    const shown = context.output.json
      ? results
      : results.map((result) => ({
          line: String(result.index + 1),
          format: result.label?.format ?? result.problem?.format,
          serial: result.label?.serial,
          eui64: result.label?.eui64,
          device: result.deviceId === null ? null : names.get(result.deviceId),
          outcome: result.outcome,
          problem: result.problem === null ? null : [result.problem.reason, result.problem.field ?? ''].join(' ').trim(),
          example: result.problem?.example,
        }))
    context.output.table(shown, ['line', 'format', 'serial', 'eui64', 'device', 'outcome', 'problem', 'example'])
    return results.some(({ outcome }) => NOT_EXPECTED.has(outcome)) ? EXIT.incomplete : EXIT.ok
  })
}

export async function labels(context: CommandContext, ...words: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const rows = await allLabels(session, words.join(' '))
    const shown = context.output.json
      ? rows
      : rows.map(({ id, label, joined, by }) => ({
          id,
          format: label.format,
          serial: label.serial,
          eui64: label.eui64,
          product: label.product,
          secrets: label.secrets.join(', '),
          joined: joined ? 'yes' : 'no',
          by,
        }))
    context.output.table(shown, ['id', 'format', 'serial', 'eui64', 'product', 'secrets', 'joined', 'by'])
    return EXIT.ok
  })
}

export async function unlist(context: CommandContext, ...names: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const all = await allLabels(session, '')
    const wanted = new Set(names.map((name) => name.toLowerCase()))
    const ids = all
      .filter(({ id, label }) => [id, label.serial, label.eui64].some((name) => name !== null && wanted.has(name.toLowerCase())))
      .map(({ id }) => id)
    const { count } = ids.length === 0 ? { count: 0 } : await session.call('admission.unlist', { ids })
    context.output.value({ count }, `${count} taken off the list`)
    return count >= names.length ? EXIT.ok : EXIT.incomplete
  })
}

export async function denials(context: CommandContext, ...words: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const rows = await pages((offset) => session.call('admission.denied', { offset, limit: PAGE, search: words.join(' ') }))
    const shown = context.output.json ? rows : rows.map((row) => ({ ...row, at: new Date(row.at).toISOString() }))
    context.output.table(shown, ['subject', 'reason', 'by', 'at'])
    return EXIT.ok
  })
}

/** The vouchers at hand; `import FILES`, `rm IDS`. */
export async function vouchers(context: CommandContext, action = 'list', ...what: readonly string[]): Promise<number> {
  switch (oneOf(z.enum(['list', 'import', 'rm']), action, 'vouchers')) {
    case 'import':
      return importVouchers(context, what)
    case 'rm':
      return withSite(context, async ({ session }) => {
        const { count } = await session.call('admission.removeVouchers', { ids: [...what] })
        context.output.value({ count }, `${count} removed`)
        return count === what.length ? EXIT.ok : EXIT.incomplete
      })
    case 'list':
      return withSite(context, async ({ session }) => {
        const rows = await pages((offset) => session.call('admission.vouchers', { offset, limit: PAGE, search: what.join(' ') }))
        const shown = context.output.json
          ? rows
          : rows.map((row) => ({ ...row, until: row.expiresAt === null ? null : new Date(row.expiresAt).toISOString().slice(0, 10) }))
        context.output.table(shown, ['id', 'serialNumber', 'signer', 'source', 'state', 'until'])
        return EXIT.ok
      })
  }
}

async function importVouchers(context: CommandContext, names: readonly string[]): Promise<number> {
  const files = names.map((file) => ({ fileName: basename(file), base64: read(file).toString('base64') }))
  return withSite(context, async ({ session }) => {
    const results = await session.call('admission.importVouchers', { files })
    const shown = context.output.json
      ? results
      : results.map(({ fileName, ok, code, voucher }) => ({
          file: fileName,
          taken: ok ? 'yes' : 'no',
          serial: voucher?.serialNumber,
          why: code,
        }))
    context.output.table(shown, ['file', 'taken', 'serial', 'why'])
    return results.every(({ ok }) => ok) ? EXIT.ok : EXIT.incomplete
  })
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${file}`, { cause, details: { file } })
  }
}

async function allLabels(session: Session, search: string): Promise<readonly ListEntryRow[]> {
  return pages((offset) => session.call('admission.list', { offset, limit: PAGE, search }))
}

async function pages<Row>(
  pull: (offset: number) => Promise<{ readonly total: number; readonly rows: readonly Row[] }>,
): Promise<readonly Row[]> {
  const all: Row[] = []
  for (;;) {
    const { total, rows } = await pull(all.length)
    all.push(...rows)
    if (rows.length === 0 || all.length >= total) return all
  }
}
