// The ports of exchange, and the facts of a site that only the core knows.
import type { DemoOptions, ExportFormat, SiteDetails, SiteKind } from '#contract/model.ts'

/** A file that was handed over. */
export interface ExportRecord {
  /** Stands for the path towards the window. */
  readonly handle: string
  readonly format: ExportFormat
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly at: number
  /** Site revision that it shows. */
  readonly revision: number
}

/** Port: what was exported, at rest. Every write is durable when the call returns. */
export interface ExportStore {
  /** Newest first. */
  list(limit?: number): readonly ExportRecord[]
  add(record: ExportRecord): void
}

/** What identifies a site and describes it. */
export interface SiteFacts {
  readonly id: string
  readonly kind: SiteKind
  readonly details: SiteDetails
  readonly createdAt: number
  readonly demo: DemoOptions | null
}
