// Whose registration it is: first come, first remembered, by address and channel (RFC 9176 §7.1).
import { AppError } from '#main/base/index.ts'
import type { RegistrationRecord, RegistrationSource } from './types.ts'

/** Throws `access.denied` to all but who made it. The port may change: small devices send from whichever is free. */
export function checkOwner(record: RegistrationRecord, source: RegistrationSource): void {
  const owner = record.source
  const isSameAddress = owner?.address.address === source.address.address && owner.address.zone === source.address.zone
  if (!isSameAddress || owner.channelId !== source.channelId) {
    throw new AppError('access.denied', 'The registration belongs to another endpoint')
  }
}
