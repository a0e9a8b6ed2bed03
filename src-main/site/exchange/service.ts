// Hands a site over as files: one snapshot for all formats of a run, each file whole or absent, each with its digest on record.
import { basename, join } from 'node:path'
import { AppError, KeyedFeed, newId, sha256, toHex, utf8ToText, type Clock, type Logger, type Random } from '#main/base/index.ts'
import type { ExportFormat, ExportRow } from '#contract/model.ts'
import { redactDocument } from './details.ts'
import type { SiteDocument } from './document.ts'
import { writeWhole } from './files.ts'
import type { ReportLocale } from './report-text.ts'
import { fleetFiles, parcelsFor, type Packing, type Snapshot } from './packing.ts'
import { exportSite, type ExportedFile } from './serialise.ts'
import type { Parcel, StoredTarget } from './targets/types.ts'
import type { ExportRecord, ExportStore } from './types.ts'

export interface ExchangeOptions {
  readonly store: ExportStore
  /** Folder that the files go into; it is made when it is missing. */
  readonly directory: string
  /** The site as it is now. */
  readonly model: () => { readonly document: SiteDocument; readonly revision: number }
  /** Name and version of this program, as the report shows them. */
  readonly tool: string
  readonly printPdf: (html: string) => Promise<Uint8Array>
  readonly canPrintPdf: () => boolean
  /** What bundles and things need besides. */
  readonly packing: Packing
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly timeZone?: string
}

export interface Exchange {
  /** The newest files. */
  readonly feed: KeyedFeed<ExportRow>
  /** The report as HTML, without writing it. A preview has the long lists cut, for a window that must stay quick. */
  report(locale: ReportLocale, options?: { readonly preview?: boolean }): string
  /** Values that look like secrets are left out unless `redact` is false. Throws `export.failed` (with what was written before it kept), `export.pdf-unavailable`. */
  export(
    formats: readonly ExportFormat[],
    options: { readonly locale: ReportLocale; readonly redact?: boolean; readonly receiver?: string | undefined },
  ): Promise<readonly ExportRow[]>
  /** What a destination is sent, of the site as it is now. */
  parcels(target: StoredTarget, redact: boolean): Promise<{ readonly parcels: readonly Parcel[]; readonly revision: number }>
  /** The path behind a handle. */
  path(handle: string): string | undefined
}

const ROWS_SHOWN = 200

export function createExchange(options: ExchangeOptions): Exchange {
  const { store, clock, random } = options
  const feed = new KeyedFeed<ExportRow>((row) => row.handle)
  feed.setAll(
    store
      .list()
      .toSorted((a, b) => a.at - b.at)
      .slice(-ROWS_SHOWN)
      .map(rowOf),
  )

  function snapshotNow(redact: boolean): Snapshot {
    const { document, revision } = options.model()
    return { document: redact ? redactDocument(document) : document, revision }
  }

  function reportOptions(locale: ReportLocale, revision: number) {
    return { locale, at: clock.now(), tool: options.tool, revision, timeZone: options.timeZone }
  }

  function report(locale: ReportLocale, { preview = false }: { readonly preview?: boolean } = {}): string {
    const { document, revision } = options.model()
    const [file] = exportSite(redactDocument(document), 'report-html', { ...reportOptions(locale, revision), preview })
    return file === undefined ? '' : (utf8ToText(file.bytes) ?? '')
  }

  async function filesOf(
    snapshot: Snapshot,
    format: ExportFormat,
    locale: ReportLocale,
    receiver: string | undefined,
  ): Promise<readonly ExportedFile[]> {
    const { document, revision } = snapshot
    if (format === 'bundle' || format === 'td' || format === 'ditto' || format === 'rd-links')
      return fleetFiles(format, snapshot, receiver, options)
    if (format !== 'report-pdf') return exportSite(document, format, reportOptions(locale, revision))
    const [page] = exportSite(document, 'report-html', reportOptions(locale, revision))
    return [{ ending: '-report.pdf', bytes: await options.printPdf(utf8ToText(page?.bytes ?? new Uint8Array()) ?? '') }]
  }

  async function write(file: ExportedFile, stem: string, format: ExportFormat, revision: number): Promise<ExportRow> {
    const path = join(options.directory, `${stem}${file.ending}`)
    const handle = newId('export', random)
    await writeWhole(path, file.bytes, handle)
    const record: ExportRecord = {
      handle,
      format,
      path,
      bytes: file.bytes.length,
      sha256: toHex(sha256(file.bytes)),
      at: clock.now(),
      revision,
    }
    store.add(record)
    const row = rowOf(record)
    feed.set(row)
    if (feed.size > ROWS_SHOWN)
      feed.delete(
        feed
          .rows()
          .slice(0, feed.size - ROWS_SHOWN)
          .map((old) => old.handle),
      )
    return row
  }

  return {
    feed,
    report,
    async export(formats, { locale, redact = true, receiver }) {
      if (formats.includes('report-pdf') && !options.canPrintPdf()) {
        throw new AppError('export.pdf-unavailable', 'Nothing here can print to PDF; the HTML report can be printed from a browser')
      }
      const { document, revision } = snapshotNow(redact)
      const stem = fileStem(document.site.name, clock.now(), revision)
      const rows: ExportRow[] = []
      for (const format of new Set(formats)) {
        for (const file of await filesOf({ document, revision }, format, locale, receiver))
          rows.push(await write(file, stem, format, revision))
      }
      options.logger.info({ files: rows.length, revision }, 'Site handed over')
      return rows
    },
    async parcels(target, redact) {
      const snapshot = snapshotNow(redact)
      return { parcels: await parcelsFor(target, snapshot, options), revision: snapshot.revision }
    },
    path: (handle) => store.list().find((record) => record.handle === handle)?.path,
  }
}

function rowOf({ handle, format, path, bytes, sha256: digest, at, revision }: ExportRecord): ExportRow {
  return { handle, format, fileName: basename(path), bytes, sha256: digest, at, revision }
}

/** `office-floor-2-r17-20260105T080000Z`: sorts by time, and is a file name on every system. */
function fileStem(siteName: string, at: number, revision: number): string {
  const slug = siteName
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60)
  const stamp = new Date(at)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:]/g, '')
  return `${slug === '' ? 'site' : slug}-r${revision}-${stamp}`
}
