// Who may give all keys of a site away, or take them: keys of groups are the engineer's, those of the authority the operator's.
import { AppError } from '#main/base/index.ts'
import type { Access } from './types.ts'

/** Throws `access.role-needed` unless both are held. */
export function requireKeyRoles(access: Pick<Access, 'holds'>): void {
  for (const role of ['engineer', 'operator'] as const)
    if (!access.holds(role)) throw new AppError('access.role-needed', `The role ${role} is needed as well`, { details: { role } })
}
