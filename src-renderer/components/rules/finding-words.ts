// The words of findings, and how they are filtered and ranked. Pure but for the words, which are handed in.
import type { FindingRow, FindingSeverity, RemedyId } from '#contract/model.ts'

export type Words = (key: string, params: Readonly<Record<string, string | number>>, count: number) => string

/** A finding as a problem knows it. */
export type ToldFinding = Pick<FindingRow, 'id' | 'source' | 'rule' | 'remedies'>

export function findingSentence(t: Words, { source, rule }: ToldFinding, params: FindingRow['params']): string {
  return t(`${source === 'security' ? 'security' : 'rules'}.rule.${rule}`, params, Number(params.count ?? 1))
}

const SETTINGS: ReadonlySet<RemedyId> = new Set<RemedyId>(['name-by-path', 'short-delimiter', 'allocate-by-prefix'])
const FOR_GOOD: ReadonlySet<RemedyId> = new Set<RemedyId>(['apply', 'rekey'])

/** How what a remedy does is taken back: a key of `rules.confirm`. */
export function takenBackBy(id: RemedyId): 'undo' | 'no-undo' | 'setting' {
  return FOR_GOOD.has(id) ? 'no-undo' : SETTINGS.has(id) ? 'setting' : 'undo'
}

const rank: Readonly<Record<FindingSeverity, number>> = { error: 0, warning: 1, advice: 2 }

export function severityRank(severity: FindingSeverity): number {
  return rank[severity]
}

export function shownFindings(
  findings: readonly FindingRow[],
  filter: { readonly text: string; readonly severity: FindingSeverity | 'all' },
): readonly FindingRow[] {
  const text = filter.text.trim().toLowerCase()
  return findings
    .filter(({ severity }) => filter.severity === 'all' || severity === filter.severity)
    .filter(({ subject, rule }) => text === '' || subject.name.toLowerCase().includes(text) || rule.includes(text))
    .toSorted(
      (a, b) =>
        rank[a.severity] - rank[b.severity] ||
        a.subject.name.localeCompare(b.subject.name, undefined, { numeric: true }) ||
        a.id.localeCompare(b.id),
    )
}
