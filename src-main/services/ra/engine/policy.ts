// Who gets a certificate without anybody being asked, who waits, and who is refused.
import { Refusal } from '../cmp/status.ts'
import type { CertificateProfile, RaStore, Requester } from '../types.ts'
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
  /** Certificates that a device of the list may have at the same time; `DEFAULT_MOST_CERTIFICATES` unless told otherwise. */
  readonly perDevice?: number
  /** The same for whoever has proven who it is, listed or not. Registration authorities speak for many: for them it does not count. */
  readonly perRequester?: number
}

/** One for each thing that a device does under a name of its own, and room for those that were lost. */
export const DEFAULT_MOST_CERTIFICATES = 8

const DAY_MS = 86_400_000
/** So many times what one may have is issued within a day. */
const A_DAY = 10

/** Whose line of certificates it is: a certificate of this authority leads back to the credential that it was had by. */
export function holderOf({ requester, record }: Pick<Credential, 'requester' | 'record'>): string {
  return record?.holder ?? record?.requester.key ?? requester.key
}

/** Throws `Refusal` notAuthorized where there are as many certificates already as the policy allows. `replaced`: the one that makes room. */
export function requireRoom(
  { policy, store, now }: { readonly policy: ApprovalPolicy; readonly store: RaStore; readonly now: number },
  whose: { readonly holder: string; readonly deviceId: string | undefined; readonly kind: Requester['kind'] },
  replaced: string | undefined,
): void {
  const { perDevice = DEFAULT_MOST_CERTIFICATES, perRequester = DEFAULT_MOST_CERTIFICATES } = policy
  const { holder, deviceId, kind } = whose
  const ofDevice = deviceId === undefined ? 0 : store.countLive({ deviceId }, now, replaced)
  if (ofDevice >= perDevice) throw tooMany('device', perDevice)
  // Of most who ask it is the first.
  if (kind === 'ra' || store.countIssued(holder, 0) === 0) return
  if (store.countLive({ holder }, now, replaced) >= perRequester) throw tooMany('requester', perRequester)
  // What is issued only to be refused or let lapse makes the list of revoked certificates long.
  if (store.countIssued(holder, now - DAY_MS) >= perRequester * A_DAY)
    throw new Refusal('notAuthorized', 'The requester has asked for too many certificates today: find out why it does not keep them')
}

function tooMany(who: 'device' | 'requester', most: number): Refusal {
  return new Refusal(
    'notAuthorized',
    `The ${who} has ${most} certificates already: revoke one that is not used any more, or raise the limit`,
  )
}

export type Decision = 'issue' | 'wait'

/** Throws `Refusal` notAuthorized. */
export function decide(policy: ApprovalPolicy, credential: Credential, request: EnrolmentRequest, profile: CertificateProfile): Decision {
  const { requester, preRegistration, record } = credential
  if (requester.kind === 'own') {
    // Whoever was admitted was admitted under that profile: another is another decision.
    if (record === undefined || record.profile === profile.name) return 'issue'
    if (request.kind === 'kur') throw new Refusal('notAuthorized', 'A certificate is renewed under its own profile')
  } else if (request.kind === 'kur') throw new Refusal('wrongIntegrity', 'A key update is protected with the certificate that is updated')
  if (policy.mode === 'deny') throw new Refusal('notAuthorized', 'No devices are admitted at present')
  if (preRegistration?.profile !== undefined && preRegistration.profile !== profile.name) {
    throw new Refusal('notAuthorized', 'The device is expected under another profile')
  }
  if (requester.kind === 'secret') {
    if (preRegistration?.usedAt !== undefined) throw new Refusal('notAuthorized', 'The secret has served its enrolment')
    return (policy.secretsApprove ?? policy.mode === 'automatic') ? 'issue' : 'wait'
  }
  if (requester.kind === 'ra') return policy.mode === 'automatic' ? 'issue' : 'wait'
  if (preRegistration !== undefined && policy.mode === 'automatic') return credential.isUncertain === true ? 'wait' : 'issue'
  if (preRegistration === undefined && policy.unlistedMayWait === false)
    throw new Refusal('notAuthorized', 'The device is not expected here')
  return 'wait'
}
