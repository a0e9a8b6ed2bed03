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
]
