// LAST_STATUS: why an NCP refuses, in words (draft-rquattle-spinel-unified §5.2.1; OpenThread's own errors from 16384 on).
import { AppError } from '#main/base/index.ts'

export const STATUS = {
  OK: 0,
  FAILURE: 1,
  UNIMPLEMENTED: 2,
  INVALID_ARGUMENT: 3,
  INVALID_STATE: 4,
  INVALID_COMMAND: 5,
  INVALID_INTERFACE: 6,
  INTERNAL_ERROR: 7,
  SECURITY_ERROR: 8,
  PARSE_ERROR: 9,
  IN_PROGRESS: 10,
  NOMEM: 11,
  BUSY: 12,
  PROP_NOT_FOUND: 13,
  DROPPED: 14,
  EMPTY: 15,
  CMD_TOO_BIG: 16,
  NO_ACK: 17,
  CCA_FAILURE: 18,
  ALREADY: 19,
  ITEM_NOT_FOUND: 20,
  INVALID_COMMAND_FOR_PROP: 21,
  UNKNOWN_NEIGHBOR: 22,
  NOT_CAPABLE: 23,
  RESPONSE_TIMEOUT: 24,
  JOIN_FAILURE: 104,
  JOIN_SECURITY: 105,
  JOIN_NO_PEERS: 106,
  JOIN_INCOMPATIBLE: 107,
  JOIN_RSP_TIMEOUT: 108,
  JOIN_SUCCESS: 109,
  RESET_POWER_ON: 112,
  RESET_EXTERNAL: 113,
  RESET_SOFTWARE: 114,
  RESET_FAULT: 115,
  RESET_CRASH: 116,
  RESET_ASSERT: 117,
  RESET_OTHER: 118,
  RESET_UNKNOWN: 119,
  RESET_WATCHDOG: 120,
} as const

const FIRST_RESET = 112
const LAST_RESET = 127
const FIRST_JOIN = 104
const LAST_JOIN = 111
const FIRST_OPENTHREAD = 16_384

const names: ReadonlyMap<number, string> = new Map(Object.entries(STATUS).map(([name, code]) => [code, name]))

/** What can be done about it, for those codes where something can. */
const remedies: ReadonlyMap<number, string> = new Map([
  [STATUS.INVALID_STATE, 'Bring the interface and the stack up first, or down to change them'],
  [STATUS.NOMEM, 'The dongle has no buffer or table entry left: wait, or use fewer groups and addresses'],
  [STATUS.BUSY, 'The dongle is at something else: try again in a moment'],
  [STATUS.PROP_NOT_FOUND, 'The firmware does not know this: install a newer NCP firmware'],
  [STATUS.UNIMPLEMENTED, 'The firmware does not know this: install a newer NCP firmware'],
  [STATUS.DROPPED, 'The dongle may not send this: check the source address and that the network is up'],
  [STATUS.JOIN_FAILURE, 'No device of this network answered: check channel, network key and distance'],
  [STATUS.JOIN_SECURITY, 'The joining passphrase is wrong'],
  [STATUS.JOIN_NO_PEERS, 'Nobody lets devices join: start a commissioner in this network first'],
  [STATUS.JOIN_INCOMPATIBLE, 'The network is of another Thread version'],
  [STATUS.JOIN_RSP_TIMEOUT, 'The commissioner did not answer in time: try again'],
])

export function statusName(code: number): string {
  const name = names.get(code)
  if (name !== undefined) return name
  return code >= FIRST_OPENTHREAD ? `OPENTHREAD_ERROR_${code - FIRST_OPENTHREAD}` : `STATUS_${code}`
}

export function statusRemedy(code: number): string | undefined {
  return remedies.get(code)
}

/** Whether the code tells that the dongle has just started. */
export function isResetStatus(code: number): boolean {
  return code >= FIRST_RESET && code <= LAST_RESET
}

/** Whether the code is the outcome of joining. */
export function isJoinStatus(code: number): boolean {
  return code >= FIRST_JOIN && code <= LAST_JOIN
}

/** The refusal as a failure; `doing` says what was asked. */
export function statusError(code: number, doing: string): AppError {
  const remedy = remedies.get(code)
  const message = `The dongle refused to ${doing}: ${statusName(code)}${remedy === undefined ? '' : `. ${remedy}`}`
  return new AppError('link.refused', message, {
    retryable: code === STATUS.BUSY || code === STATUS.NOMEM || code === STATUS.IN_PROGRESS,
    details: { status: code, name: statusName(code), doing, ...(remedy === undefined ? {} : { remedy }) },
  })
}

/** The status that a failure of `statusError` carries. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof AppError) || error.code !== 'link.refused') return undefined
  const status = error.details.status
  return typeof status === 'number' ? status : undefined
}
