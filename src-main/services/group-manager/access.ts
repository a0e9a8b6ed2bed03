// Who a client is and what it may do: by the record of its enrolment, or by an access token that it has brought
// (RFC 9594 §3, §4.1.2; key-groupcomm-oscore-21 §5, §8.5). Also the challenges (N_S) that clients sign.
import { encodeCbor, equalBytes, type Clock, type Random } from '#main/base/index.ts'
import type { IncomingRequest, OutgoingResponse } from '#main/wire/coap/index.ts'
import { AceFormat, Hint } from './labels.ts'
import { includesRoles, type Roles } from './scope.ts'
import type { GroupManagerStore } from './store.ts'
import type { AdminPermission, Authorisation, GroupPermission } from './types.ts'

export interface Caller {
  /** Of the device, whichever context it speaks through. */
  readonly identity: string
  /** The OSCORE context of the request. */
  readonly context: string
  readonly groups: readonly GroupPermission[]
  readonly admin: readonly AdminPermission[]
  readonly provenCredentials: readonly Uint8Array[]
}

/** Rights that came with an access token. */
export interface TokenRights {
  readonly identity: string
  readonly groups: readonly GroupPermission[]
  readonly admin: readonly AdminPermission[]
}

export interface AccessOptions {
  readonly store: GroupManagerStore
  readonly clock: Clock
  readonly random: Random
  /** Rights of a context that an access token has made; undefined for other contexts. */
  readonly rightsOfContext: (context: string) => TokenRights | undefined
  /** Where tokens are to be had, and for whom: AS Request Creation Hints. */
  readonly hints: () => { readonly as: string; readonly audience: string } | undefined
}

interface Challenge {
  readonly nonce: Uint8Array
  readonly spent: boolean
}

const CHALLENGE_BYTES = 8
/** Clients that have some; who was given none for the longest time goes. */
const MAX_CHALLENGES = 16_384
/** For one client: each of them may cost a signature check. */
const PENDING_CHALLENGES = 4

export class AccessControl {
  readonly #options: AccessOptions
  readonly #records = new Map<string, Authorisation>()
  /** The newest first. */
  readonly #challenges = new Map<string, readonly Challenge[]>()

  constructor(options: AccessOptions) {
    this.#options = options
    for (const record of options.store.authorisations()) this.#records.set(record.identity, record)
  }

  records(): Iterable<Authorisation> {
    return this.#records.values()
  }

  record(identity: string): Authorisation | undefined {
    return this.#records.get(identity)
  }

  save(record: Authorisation): void {
    this.#options.store.saveAuthorisation(record)
    this.#records.set(record.identity, record)
  }

  remove(identity: string): void {
    this.#options.store.removeAuthorisation(identity)
    this.#records.delete(identity)
    this.#challenges.delete(identity)
  }

  /** Undefined for whom nobody has let in, and for whom that time is over. */
  callerOf(request: IncomingRequest): Caller | undefined {
    const { peer } = request
    if (peer?.scheme !== 'oscore') return undefined
    const rights = this.#options.rightsOfContext(peer.name)
    if (rights !== undefined) return { ...rights, context: peer.name, provenCredentials: [] }
    const record = this.#valid(peer.name)
    if (record === undefined) return undefined
    const { identity, groups, admin = [], provenCredentials = [] } = record
    return { identity, context: peer.name, groups, admin, provenCredentials }
  }

  #valid(identity: string): Authorisation | undefined {
    const record = this.#records.get(identity)
    return record?.notAfterMs !== undefined && record.notAfterMs <= this.#options.clock.now() ? undefined : record
  }

  /** When the next record ends; Infinity where none does. */
  nextExpiryMs(): number {
    return Math.min(...[...this.#records.values()].map(({ notAfterMs }) => notAfterMs ?? Infinity))
  }

  /** Identities whose time is over; their records go. */
  takeExpired(): readonly string[] {
    const nowMs = this.#options.clock.now()
    const expired = [...this.#records.values()].filter(({ notAfterMs }) => notAfterMs !== undefined && notAfterMs <= nowMs)
    for (const { identity } of expired) this.remove(identity)
    return expired.map(({ identity }) => identity)
  }

  /** What an identity may be given tokens for. */
  grantable(identity: string): Authorisation | undefined {
    return this.#valid(identity)
  }

  /** 4.01 to strangers, 4.03 to whom this is not for; both may say where tokens are (RFC 9200 §5.2, §5.3). */
  refusal(code: '4.01' | '4.03'): OutgoingResponse {
    const hints = this.#options.hints()
    if (hints === undefined) return { code }
    const payload = encodeCbor(
      new Map([
        [Hint.AS, hints.as],
        [Hint.AUDIENCE, hints.audience],
      ]),
    )
    return { code, payload, contentFormat: AceFormat.ACE }
  }

  // ---- Challenges ------------------------------------------------------------------------------------------------

  /** N_S as the client knows it last. */
  challengeOf(identity: string): Uint8Array | undefined {
    return this.#challenges.get(identity)?.[0]?.nonce
  }

  /** All that the client may be answering: it may be joining several groups at a time, and answers get lost. The newest first. */
  challengesOf(identity: string): readonly Uint8Array[] {
    return (this.#challenges.get(identity) ?? []).map(({ nonce }) => nonce)
  }

  /** It has served. The last one may serve again, as long as the client has been given no other (RFC 9594 §4.3.1). */
  spend(identity: string, nonce: Uint8Array): void {
    const pending = this.#challenges.get(identity) ?? []
    const at = pending.findIndex((challenge) => challenge.nonce === nonce)
    if (at >= 0) this.#challenges.set(identity, at === 0 ? [{ nonce, spent: true }] : pending.slice(0, at))
  }

  newChallenge(identity: string): Uint8Array {
    const challenge = this.#options.random.bytes(CHALLENGE_BYTES)
    const unspent = (this.#challenges.get(identity) ?? []).filter(({ spent }) => !spent)
    const pending = [{ nonce: challenge, spent: false }, ...unspent.slice(0, PENDING_CHALLENGES - 1)]
    this.#challenges.delete(identity)
    this.#challenges.set(identity, pending)
    for (const oldest of this.#challenges.keys()) {
      if (this.#challenges.size <= MAX_CHALLENGES) break
      this.#challenges.delete(oldest)
    }
    return challenge
  }
}

/** What the caller may be in a group; undefined where it has no business there. */
export function permittedRoles({ groups }: Pick<Caller, 'groups'>, group: string): readonly Roles[] | undefined {
  const entries = groups.filter((entry) => entry.group === group).map(({ roles }) => roles)
  return entries.length === 0 ? undefined : entries
}

export function mayBe(permitted: readonly Roles[], wanted: Roles): boolean {
  return permitted.some((roles) => includesRoles(roles, wanted))
}

export function isVerifier(permitted: readonly Roles[]): boolean {
  return permitted.some(({ verifier }) => verifier)
}

/** Whether it may be in the group at all, rather than verify signatures from outside alone. */
export function isCandidate(permitted: readonly Roles[]): boolean {
  return permitted.some(({ requester, responder, monitor }) => requester || responder || monitor)
}

export function hasProven({ provenCredentials }: Caller, credential: Uint8Array): boolean {
  return provenCredentials.some((proven) => equalBytes(proven, credential))
}
