// What the checks of the security layer have found, among the findings of all checks, with what can be pressed there.
import type { FindingRow, SecurityFindingRow, SecurityRule } from '#contract/model.ts'
import type { RemedyWish } from './catalogue.ts'

const REMEDIES: Readonly<Partial<Record<SecurityRule, ReadonlyArray<RemedyWish['id']>>>> = {
  'nosec-open': ['protect'],
  'nosec-chosen': ['protect'],
  'nosec-global': ['protect', 'own-address'],
  'nosec-beside-secured': ['protect'],
  'leaves-waiting': ['rekey'],
  unused: ['remove-security-group'],
}

export function findingOfSecurity(row: SecurityFindingRow): FindingRow {
  const { id, rule, severity, section, subject, params } = row
  return {
    id,
    source: 'security',
    rule,
    severity: severity === 'info' ? 'advice' : severity,
    sections: [section],
    subject,
    params,
    remedies: (REMEDIES[rule] ?? []).map((remedy) => ({ id: remedy, params: { name: subject.name } })),
  }
}
