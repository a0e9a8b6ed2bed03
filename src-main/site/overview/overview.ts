// Keeps progress, problems and checklist up to date: any change of a source is answered once, a moment later.
import { KeyedFeed } from '#main/base/index.ts'
import type { Clock, Timer } from '#main/base/index.ts'
import type { ChecklistRow, ProblemRow, ProgressRow } from '#contract/model.ts'
import { checklistOf, problemsOf, progressOf, testEvidence } from './conclusions.ts'
import type { Overview, OverviewSources, SiteSnapshot } from './types.ts'

/** Conclusions cost one pass over the site; floods of changes share it. */
const REFRESH_AFTER_MS = 150

export function createOverview(sources: OverviewSources, clock: Clock): Overview {
  const progress = new KeyedFeed<ProgressRow>((row) => row.step)
  const problems = new KeyedFeed<ProblemRow>((row) => row.id)
  const checklist = new KeyedFeed<ChecklistRow>((row) => row.item)
  let timer: Timer | undefined

  const refresh = (): void => {
    timer?.cancel()
    timer = undefined
    const site = snapshot(sources)
    replaceChanged(progress, progressOf(site), (row) => row.step)
    replaceChanged(problems, problemsOf(site), (row) => row.id)
    replaceChanged(checklist, checklistOf(site), (row) => row.item)
  }
  const schedule = (): void => {
    timer ??= clock.setTimer(REFRESH_AFTER_MS, refresh)
  }
  const { devices, rooms, applicationGroups, memberships, plan, testRuns, exports, checks } = sources
  const followed = [devices, rooms, applicationGroups, memberships, plan, testRuns, exports, checks]
  const { securityPlan, securityFindings, findings, admission, authority } = sources
  const ends = [...followed, securityPlan, securityFindings, findings, admission, authority].flatMap(
    (feed) => feed?.subscribe(schedule) ?? [],
  )
  refresh()
  return {
    progress,
    problems,
    checklist,
    evidence: () => testEvidence(snapshot(sources)),
    refreshSoon: schedule,
    close() {
      timer?.cancel()
      for (const end of ends) end()
    },
  }
}

function snapshot(sources: OverviewSources): SiteSnapshot {
  return {
    devices: sources.devices.rows(),
    rooms: sources.rooms.rows(),
    applicationGroups: sources.applicationGroups.rows(),
    memberships: sources.memberships.rows(),
    plan: sources.plan.rows(),
    securityPlan: sources.securityPlan?.rows() ?? [],
    securityFindings: sources.securityFindings?.rows() ?? [],
    findings: sources.findings?.rows() ?? [],
    testRuns: sources.testRuns.rows(),
    exports: sources.exports.rows(),
    checks: sources.checks.rows(),
    admission: sources.admission?.rows()[0],
    authority: sources.authority?.rows()[0],
    revision: sources.revision(),
  }
}

/** Tells followers of rows that really changed, so that a screen reader is not told the same again. */
function replaceChanged<Row>(feed: KeyedFeed<Row>, rows: readonly Row[], keyOf: (row: Row) => string): void {
  const keys = new Set(rows.map(keyOf))
  feed.delete(
    feed
      .rows()
      .map(keyOf)
      .filter((key) => !keys.has(key)),
  )
  feed.setAll(rows.filter((row) => JSON.stringify(feed.get(keyOf(row))) !== JSON.stringify(row)))
}
