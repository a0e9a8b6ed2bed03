// The files of one format, from one document: the same document gives the same bytes on every machine.
import { stringify as stringifyYaml } from 'yaml'
import { sha256, toHex, utf8 } from '#main/base/index.ts'
import type { ExportFormat } from '#contract/model.ts'
import { csvTables } from './csv.ts'
import { bundleJsonSchema } from './bundle/document.ts'
import { siteJsonSchema, type SiteDocument } from './document.ts'
import { renderReport, type ReportOptions } from './report.ts'

export interface ExportedFile {
  /** What comes after the site's name in the file name, with the extension. */
  readonly ending: string
  readonly bytes: Uint8Array
}

export function siteJson(document: SiteDocument): Uint8Array {
  return utf8(`${JSON.stringify(document, null, 2)}\n`)
}

/** The digest that the report names: that of the JSON export. */
export function siteDigest(document: SiteDocument): string {
  return toHex(sha256(siteJson(document)))
}

/** What needs nothing but the document. */
export type PlainFormat = Exclude<ExportFormat, 'report-pdf' | 'bundle' | 'td' | 'ditto' | 'rd-links'>

/** Report in PDF is printed from `report-html` by the host. */
export function exportSite(document: SiteDocument, format: PlainFormat, report: Omit<ReportOptions, 'sha256'>): readonly ExportedFile[] {
  switch (format) {
    case 'json':
      return [{ ending: '.json', bytes: siteJson(document) }]
    case 'yaml':
      return [{ ending: '.yaml', bytes: utf8(stringifyYaml(document, { lineWidth: 0, aliasDuplicateObjects: false })) }]
    case 'csv': {
      const { devices, groups, memberships, securityGroups } = csvTables(document)
      return [
        { ending: '-devices.csv', bytes: devices },
        { ending: '-groups.csv', bytes: groups },
        { ending: '-memberships.csv', bytes: memberships },
        { ending: '-security-groups.csv', bytes: securityGroups },
      ]
    }
    case 'report-html':
      return [{ ending: '-report.html', bytes: utf8(renderReport(document, { ...report, sha256: siteDigest(document) })) }]
    case 'json-schema':
      return [
        { ending: '-schema.json', bytes: utf8(siteJsonSchema()) },
        { ending: '-bundle-schema.json', bytes: utf8(bundleJsonSchema()) },
      ]
  }
}
