// Whose registration it is: first come, first remembered (RFC 9176 §7.1, §7.5), by credential where the registrant has shown one, by
// address and channel else.
import { AppError } from '#main/base/index.ts'
import type { RegistrationRecord, RegistrationSource } from './types.ts'

/** Throws `access.denied` to all but who made it. The port may change: small devices send from whichever is free. */
export function checkOwner({ source: owner }: Pick<RegistrationRecord, 'source'>, source: RegistrationSource): void {
  if (owner === undefined || !isSame(owner, source)) throw new AppError('access.denied', 'The registration belongs to another endpoint')
}

function isSame(owner: RegistrationSource, source: RegistrationSource): boolean {
  // A credential goes with its holder to other addresses, and nobody without it speaks for him from his old one.
  if (owner.identity !== undefined) return owner.identity === source.identity
  return (
    owner.address.address === source.address.address && owner.address.zone === source.address.zone && owner.channelId === source.channelId
  )
}
