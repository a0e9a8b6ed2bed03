// A role for the commands of one run, taken up right after the site is open.
import { AppError } from '#main/base/index.ts'
import { lockableRole } from '#contract/model.ts'
import { pinOf } from './secrets.ts'
import type { Session } from './session.ts'

export interface RoleOptions {
  readonly role?: string | undefined
  readonly pinFile?: string | undefined
  readonly person?: string | undefined
}

/** Throws `access.*`, `input.invalid` where the role is none or its PIN was not given. */
export async function takeUpRole(session: Session, { role, pinFile, person }: RoleOptions): Promise<void> {
  if (role === undefined) return
  const parsed = lockableRole.safeParse(role)
  if (!parsed.success)
    throw new AppError('input.invalid', `Roles are ${lockableRole.options.join(', ')}`, { details: { option: '--role' } })
  const pin = pinOf(pinFile)
  if (pin === undefined)
    throw new AppError('input.invalid', 'The PIN comes from --pin-file or GROUPWRIGHT_PIN', { details: { option: '--pin-file' } })
  await session.call('access.unlock', { role: parsed.data, pin, person: person ?? '' })
}
