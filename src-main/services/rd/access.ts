// Who may make and change which registration (RFC 9176 §7, §8.2, §8.3).
import { AppError } from '#main/base/index.ts'
import { checkOwner } from './ownership.ts'
import type { DirectoryOptions, RegistrationPolicy, RegistrationRecord, RegistrationSource } from './types.ts'

export class AccessPolicy {
  readonly #policy: () => RegistrationPolicy
  readonly #isEnrolled: DirectoryOptions['isEnrolled']

  constructor(policy: () => RegistrationPolicy, isEnrolled: DirectoryOptions['isEnrolled']) {
    this.#policy = policy
    this.#isEnrolled = isEnrolled
  }

  /** Throws `access.denied` unless the source may register under that name; `known` is what is registered there. */
  checkRegister(endpointName: string, sector: string, source: RegistrationSource, known: RegistrationRecord | undefined): void {
    this.#checkEnrolled(endpointName, sector, source)
    if (known !== undefined) this.#checkOwned(known, source)
  }

  /** Throws `access.denied` unless the source may update and remove the registration. */
  checkChange(record: RegistrationRecord, source: RegistrationSource): void {
    this.#checkEnrolled(record.endpointName, record.sector, source)
    this.#checkOwned(record, source)
  }

  /** Asked before every operation, not the first one alone: §8.2 wants the name checked on each. */
  #checkEnrolled(endpointName: string, sector: string, source: RegistrationSource): void {
    if (this.#policy() !== 'enrolled-only') return
    if (this.#isEnrolled?.({ endpointName, sector, source }) !== true) {
      throw new AppError('access.denied', 'The endpoint is not enrolled under this name')
    }
  }

  #checkOwned(record: RegistrationRecord, source: RegistrationSource): void {
    // What this program announces, its groups above all, belongs to no endpoint under any policy.
    if (this.#policy() === 'first-come' || record.source === undefined) checkOwner(record, source)
  }
}
