// What the parts of the authority share: its ports, its settings, and the small things each of them needs.
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { SiteCa } from '../ca/site-ca.ts'
import { Refusal } from '../cmp/status.ts'
import type { AuditSink, CertificateProfile, KeyVault, RaAuditEvent, RaStore } from '../types.ts'
import type { ApprovalPolicy } from './policy.ts'
import type { Replies } from './replies.ts'

export interface RaSettings {
  readonly policy: ApprovalPolicy
  /** The first one is for requests that name none. */
  readonly profiles: readonly CertificateProfile[]
  /** How long a device may take to confirm its certificate before that is revoked. */
  readonly confirmWaitS: number
  /** How long a request waits for approval, and an approved certificate for its device. */
  readonly approvalWaitS: number
  /** What a waiting device is told (checkAfter). */
  readonly checkAfterS: number
  /** How far messageTime may be from this machine's clock. */
  readonly messageTimeWindowS: number
  /** Whether messages without messageTime are refused. Devices without a clock have none. */
  readonly requireMessageTime: boolean
  /** Requests that wait for approval at most. */
  readonly maxWaiting: number
  /** Closed transactions that are remembered, so that their identifiers are not taken up again. */
  readonly rememberedTransactions: number
  /** `poll`: a delayed response carries the nonce of the poll it answers. `request`: that of the first request (RFC 9483 §4.4). */
  readonly delayedNonce: 'poll' | 'request'
}

export interface RaContext {
  readonly store: RaStore
  readonly ca: SiteCa
  readonly vault: KeyVault
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly replies: Replies
  /** Does the work in a transaction; what it wrote is durable when the promise resolves. */
  readonly commit: <Result>(work: () => Result) => Promise<Result>
  readonly audit: AuditSink
  settings: RaSettings
  /** A transaction ends then if nothing happens. */
  readonly expire: (atMs: number) => void
  /** Tells that a list which people look at has changed. */
  readonly changed: () => void
}

export function audit(context: RaContext, action: RaAuditEvent['action'], actor: string, details: RaAuditEvent['details']): void {
  context.audit({ action, actor, details })
}

/** The profile that path and header name. Throws `Refusal`. */
export function profileOf(settings: RaSettings, byPath: string | undefined, byHeader: string | undefined): CertificateProfile {
  if (byPath !== undefined && byHeader !== undefined && byPath !== byHeader)
    throw new Refusal('badRequest', 'The path and the message name different profiles')
  const name = byPath ?? byHeader
  const found = name === undefined ? settings.profiles[0] : settings.profiles.find((profile) => profile.name === name)
  if (found === undefined) throw new Refusal('badRequest', 'There is no such certificate profile')
  return found
}
