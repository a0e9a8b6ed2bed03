// Admission of the open site: over its store, its device list and the program's keyring. The registrar is connected to it by whoever has one.
import { AppError, concatBytes, equalBytes, utf8, type Clock, type Logger, type Random } from '#main/base/index.ts'
import { createAdmission, type Admission, type LabelVault } from '#main/site/admission/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createAdmissionStore, type SiteFile } from '#main/store/index.ts'
import type { Keyring } from './keyring.ts'

export interface SiteAdmissionPorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  /** Or why there is none. */
  readonly keyring: Keyring | AppError
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export function createSiteAdmission({ file, inventory, keyring, clock, random, logger }: SiteAdmissionPorts): Admission {
  return createAdmission({
    store: createAdmissionStore(file.database),
    devices: inventory,
    vault: keyring instanceof AppError ? undefined : labelVault(keyring),
    audit: (actor, action, details) => {
      file.audit.append(actor, action, details)
    },
    clock,
    random,
    logger,
  })
}

/** What is sealed begins with its purpose, so that nothing sealed for one can be opened as another. */
function labelVault({ sealer }: Keyring): LabelVault {
  return {
    seal: (purpose, secret) => sealer.seal(concatBytes(headOf(purpose), secret)),
    open(purpose, sealed) {
      const head = headOf(purpose)
      const plain = sealer.open(sealed)
      if (!equalBytes(plain.subarray(0, head.length), head))
        throw new AppError('crypto.authentication-failed', 'The secret was sealed for another purpose')
      return plain.slice(head.length)
    },
  }
}

function headOf(purpose: string): Uint8Array {
  const text = utf8(purpose)
  if (text.length > 255) throw new AppError('internal', 'The purpose of a secret is too long')
  return concatBytes(Uint8Array.of(text.length), text)
}
