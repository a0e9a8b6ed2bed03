// What a person can do about each reason, the likeliest first.
import type { JoinAction } from '#contract/model.ts'

const ACTIONS: Readonly<Record<string, readonly JoinAction[]>> = {
  'join.denied': ['undeny'],
  'join.site-closed': ['change-policy'],
  'join.window-closed': ['open-window', 'admit'],
  'join.awaits-decision': ['admit', 'scan-label', 'assign-device', 'deny'],
  'join.not-listed': ['scan-label', 'admit', 'change-policy'],
  'join.maker-unknown': ['import-maker', 'admit', 'deny'],
  'join.identity-conflict': ['assign-device', 'resolve-duplicate', 'deny'],
  'join.duplicate-device': ['replace-device', 'deny'],
  'join.step-timeout': ['power-cycle', 'check-network'],
  'join.too-many-attempts': ['admit', 'wait'],
  'join.identity-missing': ['deny'],
  'join.registrar-absent': ['create-authority', 'check-network'],
  'join.certificate-refused': ['check-clock', 'import-maker', 'deny'],
  'join.certificate-revoked': ['deny', 'power-cycle'],
  'join.voucher-rejected': ['import-voucher', 'check-clock', 'power-cycle'],
  'join.awaits-approval': ['approve-request'],
  'join.enrolment-refused': ['power-cycle'],
  'join.enrolment-rejected': ['check-clock', 'power-cycle'],
  'join.registrar-unreachable': ['check-network', 'power-cycle'],
  'voucher.missing': ['import-voucher'],
  'voucher.invalid': ['import-voucher'],
  'voucher.format-unsupported': ['import-voucher'],
  'voucher.assertion-refused': ['import-voucher', 'deny'],
  'voucher.offline': ['import-voucher', 'check-network'],
  'voucher.masa-unknown': ['import-voucher'],
  'voucher.masa-unreachable': ['check-network', 'import-voucher'],
  'voucher.masa-untrusted': ['import-maker', 'import-voucher'],
  'voucher.masa-refused': ['import-voucher', 'deny'],
  'voucher.masa-waiting': ['wait'],
  'voucher.expired': ['import-voucher', 'check-clock'],
  'voucher.clock-wrong': ['check-clock'],
  'voucher.signer-untrusted': ['import-maker', 'import-voucher'],
  'voucher.signature-invalid': ['import-voucher'],
  'voucher.wrong-device': ['import-voucher', 'assign-device'],
  'voucher.wrong-owner': ['import-voucher'],
  'voucher.wrong-registrar': ['import-voucher'],
  'voucher.wrong-nonce': ['power-cycle'],
  'voucher.limit-reached': ['wait'],
  'dtls.peer-untrusted': ['import-maker'],
  'dtls.timeout': ['check-network', 'power-cycle'],
  'dtls.handshake-failed': ['power-cycle'],
  'dtls.closed': ['power-cycle'],
  'dtls.busy': ['wait'],
  'ra.no-authority': ['create-authority'],
  'ra.vault-locked': ['unlock-keys'],
  'ra.upstream-unreachable': ['check-network'],
  'security.locked': ['unlock-keys'],
  'coap.timeout': ['check-network', 'power-cycle'],
}
const BY_DEFAULT: readonly JoinAction[] = ['power-cycle']

export function actionsFor(code: string | null): readonly JoinAction[] {
  if (code === null) return []
  return Object.hasOwn(ACTIONS, code) ? (ACTIONS[code] ?? BY_DEFAULT) : BY_DEFAULT
}
