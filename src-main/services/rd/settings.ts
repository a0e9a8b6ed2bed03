// What the operator may set while the directory runs: who may register, and how much.
import { AppError } from '#main/base/index.ts'
import type { DirectorySettings, DirectorySettingsChange } from './operator-types.ts'
import { DEFAULT_SOURCE_LIMITS } from './source-limits.ts'
import type { DirectoryLimits, DirectoryOptions } from './types.ts'

const DEFAULT_LIMITS: DirectoryLimits = { registrations: 200_000, linkBytes: 65_536, links: 1024, attributeBytes: 2048, graceS: 86_400 }

/** The settings in force; who holds this reads them anew for each request. */
export class Settings {
  #current: DirectorySettings

  constructor({ policy, proveAddresses, limits, sourceLimits }: DirectoryOptions) {
    this.#current = checked({
      policy: policy ?? 'open',
      proveAddresses: proveAddresses === true,
      limits: { ...DEFAULT_LIMITS, ...limits },
      sourceLimits: sourceLimits === undefined ? undefined : { ...DEFAULT_SOURCE_LIMITS, ...sourceLimits },
    })
  }

  get current(): DirectorySettings {
    return this.#current
  }

  /** Throws `rd.parameter-invalid` and leaves all as it is where a limit is no number that can be one. */
  change(change: DirectorySettingsChange): void {
    const before = this.#current
    this.#current = checked({
      policy: change.policy ?? before.policy,
      proveAddresses: change.proveAddresses ?? before.proveAddresses,
      limits: { ...before.limits, ...change.limits },
      sourceLimits: changedLimits(before.sourceLimits, change.sourceLimits),
    })
  }
}

function changedLimits(
  before: DirectorySettings['sourceLimits'],
  change: DirectorySettingsChange['sourceLimits'],
): DirectorySettings['sourceLimits'] {
  if (change === null) return undefined
  return change === undefined ? before : { ...(before ?? DEFAULT_SOURCE_LIMITS), ...change }
}

function checked(settings: DirectorySettings): DirectorySettings {
  for (const [name, value] of Object.entries({ ...settings.limits, ...settings.sourceLimits })) {
    if (!Number.isFinite(value) || value < 0) {
      throw new AppError('rd.parameter-invalid', `${name} must be a number that is not negative`, { details: { parameter: name } })
    }
  }
  return settings
}
