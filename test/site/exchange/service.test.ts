// Handing over as files: whole or absent, with digest and record; every failure with its reason.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError, generateKeyPair, seededRandom, silentLogger } from '#main/base/index.ts'
import {
  collectSite,
  createExchange,
  parseSiteExport,
  receiverJwk,
  type ExchangeOptions,
  type ExportRecord,
} from '#main/site/exchange/index.ts'
import { exportFailure } from '#main/site/exchange/files.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { testPacking } from './fleet-bench.ts'
import { randomSite } from './sites.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'groupwright-exchange-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function exchangeIn(directory: string, change: Partial<ExchangeOptions> = {}) {
  const records: ExportRecord[] = []
  const site = fc.sample(randomSite, { numRuns: 1, seed: 3 })[0]!
  const facts = { ...site.facts, details: { ...site.facts.details, name: 'Büro: Nord / 2. OG' } }
  const clock = new VirtualClock(Date.UTC(2026, 0, 5, 8))
  const options: ExchangeOptions = {
    store: { list: () => records, add: (record) => records.push(record) },
    directory,
    model: () => ({ document: collectSite(facts, site.devices, site.groups), revision: 17 }),
    tool: 'Groupwright',
    printPdf: (html) => Promise.resolve(new TextEncoder().encode(`%PDF of ${html.length}`)),
    canPrintPdf: () => true,
    packing: testPacking(),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    ...change,
  }
  return { exchange: createExchange(options), records, options }
}

async function failureOf(work: Promise<unknown>): Promise<AppError | undefined> {
  return work.then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof AppError ? thrown : undefined),
  )
}

describe('handing over', () => {
  it('writes every format with its digest on record, and leaves nothing else behind', async () => {
    const { exchange, records, options } = exchangeIn(join(folder, 'new', 'folder'))
    const rows = await exchange.export(['json', 'yaml', 'csv', 'report-html', 'report-pdf', 'json-schema'], { locale: 'de' })
    const stem = 'buro-nord-2-og-r17-20260105T080000Z'
    const endings = [
      '.json',
      '.yaml',
      '-devices.csv',
      '-groups.csv',
      '-memberships.csv',
      '-security-groups.csv',
      '-report.html',
      '-report.pdf',
      '-schema.json',
      '-bundle-schema.json',
    ]
    expect(rows.map((row) => row.fileName)).toEqual(endings.map((ending) => stem + ending))
    expect(readdirSync(options.directory).sort()).toEqual(rows.map((row) => row.fileName).sort())
    for (const row of rows) {
      const bytes = readFileSync(exchange.path(row.handle)!)
      expect(row).toMatchObject({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), revision: 17 })
    }
    expect(records).toHaveLength(10)
    expect(exchange.feed.size).toBe(10)
    const report = readFileSync(exchange.path(rows[6]!.handle)!, 'utf8')
    expect(report).toContain(rows[0]!.sha256)
  })

  it('previews the report with long lists cut, and writes it whole', async () => {
    const site = fc.sample(randomSite, { numRuns: 1, seed: 3 })[0]!
    const document = collectSite(site.facts, site.devices, site.groups)
    const devices = Array.from({ length: 300 }, (_, index) => ({ ...document.devices[0]!, id: `d${index}`, name: `Lamp ${index}` }))
    const { exchange } = exchangeIn(folder, { model: () => ({ document: { ...document, devices }, revision: 1 }) })
    expect(exchange.report('en', { preview: true })).toContain('… and 100 more in the exported report')
    expect(exchange.report('en')).not.toContain('more in the exported report')
    const [row] = await exchange.export(['report-html'], { locale: 'en' })
    expect(readFileSync(exchange.path(row!.handle)!, 'utf8')).toBe(exchange.report('en'))
  })

  it('shows what was handed over before', async () => {
    const { exchange, options } = exchangeIn(folder)
    await exchange.export(['json'], { locale: 'en' })
    expect(createExchange(options).feed.rows()).toEqual(exchange.feed.rows())
  })

  it('masks what looks like a secret unless told otherwise', async () => {
    const documents = randomSite.map((site) => collectSite(site.facts, site.devices, site.groups))
    const document = fc.sample(
      documents.filter(({ memberships }) => memberships.length > 0),
      { numRuns: 1, seed: 3 },
    )[0]!
    const failure = { code: 'coap.timeout', message: '', retryable: false, details: { psk: 'hidden', place: 'door' } }
    const cell = { ...document.memberships[0]!, failure }
    const { exchange } = exchangeIn(folder, { model: () => ({ document: { ...document, memberships: [cell] }, revision: 1 }) })
    const detailsOf = async (redact: boolean): Promise<unknown> => {
      const [row] = await exchange.export(['json'], { locale: 'en', redact })
      return parseSiteExport(readFileSync(exchange.path(row!.handle)!, 'utf8')).memberships[0]?.failure?.details
    }
    expect(await detailsOf(true)).toEqual({ place: 'door', psk: '[redacted]' })
    expect(await detailsOf(false)).toEqual({ place: 'door', psk: 'hidden' })
  })

  it('says so before writing anything where nothing prints to PDF', async () => {
    const { exchange } = exchangeIn(folder, { canPrintPdf: () => false })
    expect((await failureOf(exchange.export(['json', 'report-pdf'], { locale: 'en' })))?.code).toBe('export.pdf-unavailable')
    expect(readdirSync(folder)).toEqual([])
  })

  it('fails with the reason and leaves no partial file where the folder cannot be', async () => {
    writeFileSync(join(folder, 'file'), '')
    const { exchange, records } = exchangeIn(join(folder, 'file', 'inside'))
    const failure = await failureOf(exchange.export(['json'], { locale: 'en' }))
    expect(failure).toMatchObject({ code: 'export.failed', details: { reason: 'folder', system: 'ENOTDIR' } })
    expect(records).toEqual([])
  })

  it('removes the partial file when the last step fails', async () => {
    const { exchange } = exchangeIn(folder)
    const [row] = await exchange.export(['json'], { locale: 'en' })
    const path = exchange.path(row!.handle)!
    rmSync(path)
    // A folder in the place of the file cannot be replaced by it.
    mkdirSync(join(path, 'occupied'), { recursive: true })
    expect((await failureOf(exchange.export(['json'], { locale: 'en' })))?.code).toBe('export.failed')
    expect(readdirSync(folder)).toEqual([row!.fileName])
  })

  it.each([
    ['ENOSPC', 'disk-full'],
    ['EACCES', 'permission'],
    ['EROFS', 'permission'],
    ['EIO', 'io'],
  ])('calls %s %s', (code, reason) => {
    expect(exportFailure(Object.assign(new TypeError('x'), { code }), 'a.json')).toMatchObject({
      code: 'export.failed',
      retryable: true,
      details: { reason, fileName: 'a.json' },
    })
  })
})

describe('what a destination is known to have', () => {
  const settings = {
    kind: 'https' as const,
    name: 'Fleet',
    url: 'https://fleet.example/site',
    method: 'PUT' as const,
    content: 'bundle' as const,
    auth: 'none' as const,
    user: '',
    anchors: null,
    certificate: null,
    ditto: { namespace: 'org.example', subject: 'nginx:ditto' },
  }

  it('is another bundle once its keys have changed, and the same where it holds none', async () => {
    const { publicKey } = generateKeyPair('P-256')
    const receiver = receiverJwk(publicKey).text
    let mark = 'one'
    const { exchange } = exchangeIn(folder, { packing: testPacking(undefined, { secretsMark: () => mark }) })
    const digest = async (to: string | null): Promise<string | undefined> => {
      const target = { id: 'target-1', settings: { ...settings, receiver: to }, sealed: undefined, createdAt: 0 }
      return (await exchange.parcels(target, true)).parcels[0]?.sha256
    }
    const before = [await digest(receiver), await digest(null)]
    expect([await digest(receiver), await digest(null)]).toEqual(before)
    mark = 'two'
    const after = [await digest(receiver), await digest(null)]
    expect(after[0]).not.toBe(before[0])
    expect(after[1]).toBe(before[1])
  })
})
