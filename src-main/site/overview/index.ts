// The face of overview.
export { problemsOf, progressOf, checklistOf, testEvidence, LISTED_PER_KIND } from './conclusions.ts'
export { createOverview } from './overview.ts'
export { createPreflight } from './preflight.ts'
export type { Finding, Preflight, Probes } from './preflight.ts'
export type { GroupEvidence, Overview, OverviewSources, SiteSnapshot } from './types.ts'
