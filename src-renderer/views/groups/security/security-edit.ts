// What may still be changed of a security group. Once members have credentials, algorithms that sign with other keys are those of another
// group (draft-ietf-ace-key-groupcomm-oscore-21 §6.2: the credential's format and algorithm are agreed on when joining).
import type { SecurityGroupRow, SecurityPolicy, SecuritySuite } from '#contract/model.ts'

export const securitySuites: readonly SecuritySuite[] = ['standard', 'p256', 'long-tag', 'counter']
const CURVES: Readonly<Record<SecuritySuite, 'Ed25519' | 'P-256'>> = {
  standard: 'Ed25519',
  'long-tag': 'Ed25519',
  counter: 'Ed25519',
  p256: 'P-256',
}

/** The suites that the group can go over to as it is. */
export function suitesWithin({ suite, generation }: Pick<SecurityGroupRow, 'suite' | 'generation'>): readonly SecuritySuite[] {
  return generation === null ? securitySuites : securitySuites.filter((other) => CURVES[other] === CURVES[suite])
}

export interface PolicyForm {
  rekeyOnJoin: boolean
  rekeyAfterLeaves: string | number
  rekeyWithinMinutes: string | number
  lifetimeDays: string | number
}

const LIMITS = { rekeyAfterLeaves: 1000, rekeyWithinMinutes: 10_080, lifetimeDays: 3650 } as const
export type PolicyNumber = keyof typeof LIMITS

export function isWithinLimits(field: PolicyNumber, value: string | number): boolean {
  const number = Number(value)
  return value !== '' && Number.isInteger(number) && number >= 1 && number <= LIMITS[field]
}

/** Undefined where a number is none, or too large. */
export function policyOf(form: PolicyForm): SecurityPolicy | undefined {
  const fields: readonly PolicyNumber[] = ['rekeyAfterLeaves', 'rekeyWithinMinutes', 'lifetimeDays']
  if (!fields.every((field) => isWithinLimits(field, form[field]))) return undefined
  return {
    rekeyOnJoin: form.rekeyOnJoin,
    rekeyAfterLeaves: Number(form.rekeyAfterLeaves),
    rekeyWithinMinutes: Number(form.rekeyWithinMinutes),
    lifetimeDays: Number(form.lifetimeDays),
  }
}

const HEX = /^(?:[0-9a-f]{2})*$/i

export interface EnrolForm {
  masterSecret: string | number
  masterSalt: string | number
  deviceSenderId: string | number
  toolSenderId: string | number
}

/** Which field cannot be right (RFC 8613 §3.2, §3.3: two different Sender IDs; at most 7 bytes fit every nonce). */
export function enrolFault(form: EnrolForm): keyof EnrolForm | 'same-ids' | null {
  const text = (field: keyof EnrolForm): string => String(form[field]).replace(/[\s:-]/g, '')
  const within = (field: keyof EnrolForm, least: number, most: number): boolean => {
    const value = text(field)
    return HEX.test(value) && value.length >= 2 * least && value.length <= 2 * most
  }
  if (!within('masterSecret', 16, 64)) return 'masterSecret'
  if (!within('masterSalt', 0, 32)) return 'masterSalt'
  if (!within('deviceSenderId', 0, 7)) return 'deviceSenderId'
  if (!within('toolSenderId', 0, 7)) return 'toolSenderId'
  return text('deviceSenderId').toLowerCase() === text('toolSenderId').toLowerCase() ? 'same-ids' : null
}

export function plainHex(value: string | number): string {
  return String(value)
    .replace(/[\s:-]/g, '')
    .toLowerCase()
}
