// The migrations in order: the n-th takes a file from version n-1 to version n. What was released never changes.
import { sql as first } from './0001-first.ts'
import { sql as registrations } from './0002-registrations.ts'
import { sql as ra } from './0003-ra.ts'
import { sql as oscoreSenders } from './0004-oscore-senders.ts'
import { sql as groupManager } from './0005-group-manager.ts'
import { sql as securityGroups } from './0006-security-groups.ts'
import { sql as raUpstream } from './0007-ra-upstream.ts'
import { sql as vouchers } from './0008-vouchers.ts'
import { sql as admission } from './0009-admission.ts'
import { sql as joining } from './0010-joining.ts'
import { sql as history } from './0011-history.ts'
import { sql as fleet } from './0012-fleet.ts'
import { sql as survey } from './0013-survey.ts'
import { sql as templates } from './0014-templates.ts'

export const migrations: readonly string[] = [
  first,
  registrations,
  ra,
  oscoreSenders,
  groupManager,
  securityGroups,
  raUpstream,
  vouchers,
  admission,
  joining,
  history,
  fleet,
  survey,
  templates,
]
