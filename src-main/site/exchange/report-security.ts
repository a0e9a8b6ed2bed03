// Who can read what is sent, in the report: security groups with their algorithms, members and keys, and every group that is unprotected.
import type { SiteDocument } from './document.ts'
import { html, type Html } from './html.ts'
import type { ReportText } from './report-text.ts'

interface Parts {
  readonly document: SiteDocument
  readonly text: ReportText
  readonly time: (iso: string | number | null) => string
  readonly number: (value: number) => string
}

/** What protects an application group, in words; `bare` where nothing does. */
export function protectionWords(
  document: SiteDocument,
  groupId: string,
  text: ReportText,
): { readonly words: string; readonly bare: boolean } {
  const protection = document.protections.find((one) => one.groupId === groupId)
  if (protection === undefined) return { words: text.unprotected, bare: true }
  if (protection.securityGroupIds.length === 0) return { words: text.noSecFor(protection.reason ?? ''), bare: true }
  const names = new Map(document.securityGroups.map(({ id, name }) => [id, name]))
  return { words: protection.securityGroupIds.map((id) => names.get(id) ?? id).join(', '), bare: false }
}

export function securityTable({ document, text, time, number }: Parts): Html {
  const groups = new Map(document.applicationGroups.map(({ id, name }) => [id, name]))
  const protects = Map.groupBy(
    document.protections.flatMap(({ groupId, securityGroupIds }) =>
      securityGroupIds.map((id) => ({ id, name: groups.get(groupId) ?? groupId })),
    ),
    ({ id }) => id,
  )
  if (document.securityGroups.length === 0)
    return html`<section>
      <h2>${text.securityGroups}</h2>
      <p>${text.noSecurityGroups}</p>
    </section>`
  const rows = document.securityGroups
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    .map(({ id, name, suite, algorithms, keys, members }) => {
      const current = members.filter(
        (member) => member.keys === 'current' || (member.keys === 'told' && member.generation === keys?.generation),
      )
      const mode = algorithms.pairwise === null ? text.groupMode : `${text.groupMode}, ${text.pairwiseMode}`
      return html`<tr>
        <th scope="row">${name}</th>
        <td>${text.suites[suite]}</td>
        <td>${mode}</td>
        <td>${(protects.get(id) ?? []).map((one) => one.name).join(', ')}</td>
        <td class="number">${number(current.length)} / ${number(members.length)}</td>
        <td>${keys === null ? text.noKeys : `${number(keys.generation)}, ${time(keys.rekeyedAt)}`}</td>
        <td class="code">${keys?.gid ?? ''}</td>
      </tr> `
    })
  const columns = [text.group, text.algorithms, text.modes, text.protects, text.withNewestKeys, text.keyVersion, 'Gid']
  return html`<section>
    <h2>${text.securityGroups}</h2>
    <table>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`
}
