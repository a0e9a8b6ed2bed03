// Roles and their PINs, and the audit's own proof.
import { z } from 'zod'
import { lockableRole } from '../model.ts'
import { done, nothing } from './common.ts'

/** Digits or words; short ones are slowed down by the waiting time after wrong ones. */
const pin = z.string().min(4).max(64)

export const accessOps = {
  /** Takes up a role until it is laid down or nothing is done for a while. */
  'access.unlock': { in: z.object({ role: lockableRole, pin, person: z.string().trim().max(80).default('') }), out: done },
  /** Lays down every role that was taken up by PIN. */
  'access.lock': { in: nothing, out: done },
  /** Sets, changes or takes away the PIN of a role; who does it holds that role. */
  'access.setPin': { in: z.object({ role: lockableRole, pin: pin.nullable() }), out: done },
  /** Recomputes the chain of the audit; `brokenAt` is the first entry that does not fit. */
  'audit.verify': { in: nothing, out: z.object({ entries: z.number().int(), brokenAt: z.number().int().nullable() }) },
} as const
