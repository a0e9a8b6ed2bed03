// The face of exchange.
export { collectSite, type DeviceSource, type GroupSource } from './collect.ts'
export { SITE_FORMAT, SITE_VERSION, siteJsonSchema, type SiteDocument } from './document.ts'
export { parseSiteExport, type ImportIssue } from './parse.ts'
export type { ReportLocale } from './report-text.ts'
export { importInto, siteFactsOf, type ImportTargets } from './restore.ts'
export { exportSite, siteDigest, siteJson, type ExportedFile } from './serialise.ts'
export { createExchange, type Exchange, type ExchangeOptions } from './service.ts'
export type { ExportRecord, ExportStore, SiteFacts } from './types.ts'
