// Who gets a certificate without anybody being asked, who waits, and who is refused.
import { Refusal } from '../cmp/status.ts'
import type { CertificateProfile } from '../types.ts'
import type { Credential } from './credentials.ts'
import type { EnrolmentRequest } from './requests.ts'

export interface ApprovalPolicy {
  /**
   * `automatic`: devices that are pre-registered get their certificates at once, others wait. `manual`: all first enrolments wait.
   * `deny`: first enrolments are refused. Renewals by one's own certificate are granted under all of them.
   */
  readonly mode: 'automatic' | 'manual' | 'deny'
  /** Whether a one-time secret is approval enough; unless told otherwise it is where the mode is `automatic`. */
  readonly secretsApprove?: boolean
  /** Whether devices of known manufacturers that are not pre-registered may wait at all; they may unless told otherwise. */
  readonly unlistedMayWait?: boolean
}

export type Decision = 'issue' | 'wait'

/** Throws `Refusal` notAuthorized. */
export function decide(policy: ApprovalPolicy, credential: Credential, request: EnrolmentRequest, profile: CertificateProfile): Decision {
  const { requester, preRegistration } = credential
  if (requester.kind === 'own') return 'issue'
  if (request.kind === 'kur') throw new Refusal('wrongIntegrity', 'A key update is protected with the certificate that is updated')
  if (policy.mode === 'deny') throw new Refusal('notAuthorized', 'No devices are admitted at present')
  if (preRegistration?.profile !== undefined && preRegistration.profile !== profile.name) {
    throw new Refusal('notAuthorized', 'The device is expected under another profile')
  }
  if (requester.kind === 'secret') {
    if (preRegistration?.usedAt !== undefined) throw new Refusal('notAuthorized', 'The secret has served its enrolment')
    return (policy.secretsApprove ?? policy.mode === 'automatic') ? 'issue' : 'wait'
  }
  if (requester.kind === 'ra') return policy.mode === 'automatic' ? 'issue' : 'wait'
  if (preRegistration !== undefined && policy.mode === 'automatic') return 'issue'
  if (preRegistration === undefined && policy.unlistedMayWait === false)
    throw new Refusal('notAuthorized', 'The device is not expected here')
  return 'wait'
}
