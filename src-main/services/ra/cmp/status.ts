// PKIStatusInfo and PKIFailureInfo (RFC 9810 §5.2.3), and the error by which this room refuses a message.
import { AppError } from '#main/base/index.ts'
import {
  DerFields,
  elementsOf,
  integer,
  integerValue,
  namedBitList,
  namedBits,
  sequence,
  Tag,
  textValue,
  utf8String,
  type Der,
} from '../der/index.ts'

export const PkiStatus = {
  accepted: 0,
  grantedWithMods: 1,
  rejection: 2,
  waiting: 3,
  revocationWarning: 4,
  revocationNotification: 5,
} as const

/** By the number of their bits. */
export const FAIL_INFOS = [
  'badAlg',
  'badMessageCheck',
  'badRequest',
  'badTime',
  'badCertId',
  'badDataFormat',
  'wrongAuthority',
  'incorrectData',
  'missingTimeStamp',
  'badPOP',
  'certRevoked',
  'certConfirmed',
  'wrongIntegrity',
  'badRecipientNonce',
  'timeNotAvailable',
  'unacceptedPolicy',
  'unacceptedExtension',
  'addInfoNotAvailable',
  'badSenderNonce',
  'badCertTemplate',
  'signerNotTrusted',
  'transactionIdInUse',
  'unsupportedVersion',
  'notAuthorized',
  'systemUnavail',
  'systemFailure',
  'duplicateCertReq',
] as const
export type FailInfo = (typeof FAIL_INFOS)[number]

export interface StatusInfo {
  readonly status: number
  readonly text: readonly string[]
  /** Numbers of bits; names for those that are known are in `FAIL_INFOS`. */
  readonly failBits: readonly number[] | undefined
}

const MAX_TEXTS = 32

export function readFreeText(element: Der, tag: number = Tag.SEQUENCE): string[] {
  return elementsOf(element, tag)
    .slice(0, MAX_TEXTS)
    .map((text) => textValue(text))
}

export function encodeFreeText(text: readonly string[]): Uint8Array | undefined {
  return text.length === 0 ? undefined : sequence(...text.map(utf8String))
}

export function readStatus(element: Der): StatusInfo {
  const fields = new DerFields(element)
  const status = integerValue(fields.field(Tag.INTEGER))
  const text = fields.optional(Tag.SEQUENCE)
  const failure = fields.optional(Tag.BIT_STRING)
  fields.end()
  return { status, text: text === undefined ? [] : readFreeText(text), failBits: failure === undefined ? undefined : namedBits(failure) }
}

export function encodeStatus({ status, text, failBits }: StatusInfo): Uint8Array {
  return sequence(integer(status), encodeFreeText(text), failBits === undefined ? undefined : namedBitList(failBits))
}

export function statusOf(status: keyof typeof PkiStatus, text?: string, failInfo?: FailInfo): StatusInfo {
  return {
    status: PkiStatus[status],
    text: text === undefined ? [] : [text],
    failBits: failInfo === undefined ? undefined : [FAIL_INFOS.indexOf(failInfo)],
  }
}

export function failInfosOf({ failBits }: StatusInfo): readonly FailInfo[] {
  return (failBits ?? []).map((bit) => FAIL_INFOS[bit]).filter((name) => name !== undefined)
}

/** A message that is refused, with the reason that its sender is told. */
export class Refusal extends AppError {
  readonly failInfo: FailInfo

  constructor(failInfo: FailInfo, message: string, cause?: unknown) {
    super('ra.refused', message, { details: { failInfo }, cause })
    this.failInfo = failInfo
  }
}

/** What was thrown as a refusal: syntax errors are badDataFormat, keys that are none badAlg. Defects stay what they are. */
export function toRefusal(thrown: unknown): Refusal | undefined {
  if (thrown instanceof Refusal) return thrown
  if (!(thrown instanceof AppError)) return undefined
  if (thrown.code === 'der.invalid') return new Refusal('badDataFormat', thrown.message, thrown)
  if (thrown.code === 'crypto.parameter-invalid' || thrown.code === 'crypto.unsupported')
    return new Refusal('badAlg', thrown.message, thrown)
  return undefined
}
