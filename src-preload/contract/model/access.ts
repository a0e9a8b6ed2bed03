// Roles on a shared laptop: which there are, which are held, and who holds them.
import { z } from 'zod'
import { timeMs } from './states.ts'

export const role = z.enum(['viewer', 'installer', 'engineer', 'operator'])
export type Role = z.infer<typeof role>

/** Roles that can have a PIN: looking is open to everybody. */
export const lockableRole = role.exclude(['viewer'])
export type LockableRole = z.infer<typeof lockableRole>

export const accessRow = z.object({
  key: z.literal('access'),
  roles: z.array(z.object({ role: lockableRole, hasPin: z.boolean(), held: z.boolean() })),
  /** Whose name the audit gets; empty: nobody said. */
  person: z.string(),
  /** When roles taken up by PIN are laid down unless something is done; null: none is. */
  locksAt: timeMs.nullable(),
  /** Before this time no PIN is looked at; null: at once. */
  retryAt: timeMs.nullable(),
})
export type AccessRow = z.infer<typeof accessRow>
