// Whether what answers is a firmware that a host can use, and what to do where it is not.
import { AppError } from '#main/base/index.ts'
import { CAP, PROP } from './properties.ts'
import type { SpinelSession } from './session.ts'
import { STATUS, statusOf } from './status.ts'

export type FirmwareKind = 'ncp' | 'rcp' | 'other'

/** What the capabilities say: a network co-processor runs the Thread stack itself, a radio co-processor has none. */
export function firmwareKind(capabilities: readonly number[]): FirmwareKind {
  const has = (capability: number): boolean => capabilities.includes(capability)
  if (has(CAP.CONFIG_FTD) || has(CAP.CONFIG_MTD)) return 'ncp'
  return has(CAP.CONFIG_RADIO) || has(CAP.MAC_RAW) ? 'rcp' : 'other'
}

const OLDEST_MINOR = 1
const MAJOR = 4
const THREAD_INTERFACE = 3

/** Asks and fails with `link.wrong-firmware`, its details naming `reason` and `remedy`, where a host cannot use it. */
export async function checkFirmware(session: SpinelSession): Promise<void> {
  const { major, minor } = await session.get(PROP.PROTOCOL_VERSION)
  if (major !== MAJOR || minor < OLDEST_MINOR) {
    throw wrong('too-old', `It speaks version ${major}.${minor} of the protocol, not ${MAJOR}`, 'Install a current OpenThread NCP firmware')
  }
  const capabilities = await session.get(PROP.CAPS)
  const kind = firmwareKind(capabilities)
  if (kind === 'rcp') {
    throw wrong(
      'spinel-rcp',
      'The dongle runs radio firmware (RCP), which leaves the Thread stack to a border router',
      'Install NCP firmware (for nRF52840: Zephyr’s OpenThread co-processor sample), or reach the mesh through a Thread border router on the local network',
    )
  }
  const interfaceType = await optional(session.get(PROP.INTERFACE_TYPE))
  if (kind === 'other' || (interfaceType !== undefined && interfaceType !== THREAD_INTERFACE)) {
    throw wrong('not-thread', 'The dongle’s firmware is not a Thread network co-processor', 'Install OpenThread NCP firmware')
  }
}

function wrong(reason: string, message: string, remedy: string): AppError {
  return new AppError('link.wrong-firmware', `${message}. ${remedy}`, { details: { reason, remedy } })
}

/** Undefined where the firmware does not know the property, or not in its present state. */
export async function optional<Value>(question: Promise<Value>): Promise<Value | undefined> {
  try {
    return await question
  } catch (error) {
    const status = statusOf(error)
    if (status === undefined) throw error
    if (
      status === STATUS.PROP_NOT_FOUND ||
      status === STATUS.INVALID_STATE ||
      status === STATUS.UNIMPLEMENTED ||
      status === STATUS.NOT_CAPABLE
    ) {
      return undefined
    }
    throw error
  }
}
