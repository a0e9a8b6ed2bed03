// The checks of groups by name: how bad it is and where it is written. Words are the window's (`rules.rule.<rule>`).
import type { FindingParams, FindingRemedy, FindingRow, FindingSeverity, GroupRule, RemedyId } from '#contract/model.ts'

const GROUPCOMM = 'draft-ietf-core-groupcomm-bis-18'

interface RuleFacts {
  readonly severity: FindingSeverity
  readonly sections: readonly string[]
}

function rule(severity: FindingSeverity, ...sections: readonly string[]): RuleFacts {
  return { severity, sections: sections.map((section) => (section.startsWith('§') ? `${GROUPCOMM} ${section}` : section)) }
}

export const GROUP_RULES: Readonly<Record<GroupRule, RuleFacts>> = {
  'port-coaps': rule('error', '§3.4'),
  'port-not-dynamic': rule('advice', '§2.2.1.2', '§B.3', 'RFC 6335 §6'),
  'ports-on-one-address': rule('warning', '§3.4'),
  'members-elsewhere': rule('warning', '§3.4', '§2.2.4'),
  'address-invalid': rule('error', '§2.2.2', 'RFC 4291 §2.7', 'RFC 3306 §4', 'RFC 7252 §12.8'),
  'address-ipv4-mesh': rule('error', '§3.9.2', '§3.9.3'),
  'address-on-link': rule('warning', 'RFC 3307 §2', 'RFC 2464 §7', 'RFC 1112 §6.4'),
  'address-on-mesh': rule('advice', 'RFC 4944 §9'),
  'address-outside-policy': rule('advice', '§2.2.2', 'RFC 3307 §4'),
  'scope-wide': rule('advice', '§2.2.2', '§3.9.2', 'RFC 7346 §2'),
  'scope-narrow': rule('error', '§3.9.1', '§3.9.2', 'RFC 7346 §2'),
  'coap-group-unused': rule('advice', '§2.1.4', '§2.2.4'),
  'group-without-members': rule('warning', '§2.1.2'),
  'group-without-clients': rule('advice', '§2.2.2'),
  'members-differ': rule('advice', '§2.1.2', '§3.3'),
  'member-without-key': rule('error', '§2.1.3', '§5.1'),
  'memberships-exceeded': rule('error', '§2.1.1', '§2.2.2'),
  'name-nosec': rule('warning', '§2.2.1.3', '§4'),
  'name-ambiguous': rule('error', '§2.1.4', '§2.2.1.2'),
  'name-not-carried': rule('error', '§2.2.1.2'),
  'name-long': rule('advice', '§2.2.1.2', '§3.9.2'),
  'naming-not-recommended': rule('advice', '§2.2.1.2'),
  'naming-option-unregistered': rule('warning', '§2.2.1.2', 'draft-ietf-core-groupcomm-bis-11 §B.6', 'RFC 7252 §12.2'),
  'naming-without-dns': rule('error', '§2.2.1.1'),
  'delimiter-long': rule('advice', '§2.2.1.2'),
  'addresses-used-up': rule('error', '§2.2.2'),
}

export interface RemedyWish {
  readonly id: RemedyId
  readonly params?: FindingParams
}

export interface FoundMore {
  readonly params?: FindingParams
  readonly remedies?: ReadonlyArray<RemedyWish | false>
  /** Where this case is worse, or less bad, than the rule in general. */
  readonly severity?: FindingSeverity
}

export function groupFinding(name: GroupRule, subject: FindingRow['subject'], more: FoundMore = {}): FindingRow {
  const { severity, sections } = GROUP_RULES[name]
  const remedies: FindingRemedy[] = (more.remedies ?? []).flatMap((remedy) =>
    remedy === false ? [] : [{ id: remedy.id, params: remedy.params ?? {} }],
  )
  return {
    id: `${name} ${subject.id}`,
    source: 'groups',
    rule: name,
    severity: more.severity ?? severity,
    sections: [...sections],
    subject,
    params: more.params ?? {},
    remedies,
  }
}

/** Names that a finding lists; the rest is counted. */
const LISTED = 5

export function listed(names: readonly string[]): string {
  return names.length > LISTED ? `${names.slice(0, LISTED).join(', ')}, …` : names.join(', ')
}
