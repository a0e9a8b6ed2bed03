// Which problems are shown, and where each is put right. Pure.
import type { ProblemRow, Step } from '#contract/model.ts'

export interface ProblemFilter {
  readonly text: string
  readonly severity: ProblemRow['severity'] | 'all'
  readonly step: Step | 'all'
}

const rank: Readonly<Record<ProblemRow['severity'], number>> = { error: 0, warning: 1, info: 2 }

export function shownProblems(problems: readonly ProblemRow[], filter: ProblemFilter): readonly ProblemRow[] {
  const text = filter.text.trim().toLowerCase()
  return problems
    .filter((problem) => filter.severity === 'all' || problem.severity === filter.severity)
    .filter((problem) => filter.step === 'all' || problem.step === filter.step)
    .filter(
      (problem) =>
        text === '' ||
        problem.subject.name.toLowerCase().includes(text) ||
        problem.kind.includes(text) ||
        problem.finding?.rule.includes(text) === true,
    )
    .sort((a, b) => rank[a.severity] - rank[b.severity] || a.subject.name.localeCompare(b.subject.name, undefined, { numeric: true }))
}

/** One row for very many of a kind: nothing to press, no single place. */
export function isCondensed(problem: ProblemRow): boolean {
  return problem.subject.id === '*' && problem.subject.name === ''
}

/** The address of the view with what it concerns: views read `focus` from the query. */
export function placeOfProblem(problem: ProblemRow): { readonly path: string; readonly query: Readonly<Record<string, string>> } {
  const path = problem.subject.kind === 'device' ? '/devices' : `/${problem.step}`
  return { path, query: problem.subject.id === '*' ? {} : { focus: problem.subject.id } }
}
