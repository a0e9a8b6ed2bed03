// The Join Request: what it must say, in which order it is judged, and the Join Response (RFC 9594 §4.3.1, key-groupcomm-oscore-21 §6).
import { equalBytes, type Clock, type PublicKey, type Random } from '#main/base/index.ts'
import { location, type IncomingRequest, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { hasProven, isCandidate, mayBe, permittedRoles, type AccessControl, type Caller } from './access.ts'
import { groupcomm, groupcommError, malformed } from './answers.ts'
import type { CredentialIssuers } from './credential-trust.ts'
import type { GroupState } from './group-state.ts'
import { AceFormat, ErrorId, Param } from './labels.ts'
import { credentialEntries, joinHints, keyMap, policyMap, versionEntries, type Entries } from './payloads.ts'
import { checkEvidence, eligibleCredential, makeEvidence, managerPopInput, memberPopInput } from './pop.ts'
import { bytesOf, readFields, readGetCreds, textOf, type CredentialFilter, type Fields } from './reading.ts'
import type { Joining, Roster } from './roster.ts'
import { decodeJoinScope, encodeRoles, mayJoinWith, type Roles } from './scope.ts'
import type { ControlPoint, StoredMember } from './store.ts'
import { readCredential } from '#main/wire/oscore/index.ts'

export interface JoinPorts {
  readonly access: AccessControl
  readonly roster: Roster
  readonly random: Random
  readonly clock: Clock
  /** Of members' credentials. */
  readonly issuers?: CredentialIssuers | undefined
}

const NONCE_BYTES = 8
const MIN_NONCE_BYTES = 8
const MAX_NONCE_BYTES = 64
const MAX_SEGMENTS = 16

export function handleJoin(ports: JoinPorts, request: IncomingRequest, caller: Caller, state: GroupState): OutgoingResponse {
  const { name, configuration } = state.stored
  const permitted = permittedRoles(caller, name)
  if (permitted === undefined || !isCandidate(permitted)) return ports.access.refusal('4.03')
  const hints = (): OutgoingResponse => ({
    code: '4.00',
    payload: joinHints(state.stored, ports.access.newChallenge(caller.identity)),
    contentFormat: AceFormat.GROUPCOMM,
  })
  const fields = request.contentFormat === AceFormat.GROUPCOMM ? readFields(request.payload) : undefined
  if (fields === undefined) return hints()
  if (!configuration.active) return groupcommError(ErrorId.INACTIVE)
  const scope = bytesOf(fields.get(Param.SCOPE))
  const entry = scope === undefined ? undefined : decodeJoinScope(scope)
  const clientNonce = bytesOf(fields.get(Param.CNONCE))
  const getCreds = fields.has(Param.GET_CREDS) ? readGetCreds(fields.get(Param.GET_CREDS)) : 'none'
  if (scope === undefined || entry?.group !== name || !mayJoinWith(entry.roles) || getCreds === undefined) return hints()
  if (clientNonce === undefined || clientNonce.length < MIN_NONCE_BYTES || clientNonce.length > MAX_NONCE_BYTES) return hints()
  if (!mayBe(permitted, entry.roles)) return ports.access.refusal('4.03')
  const verdict = entry.roles.monitor ? {} : judgeCredential(ports, caller, state, { fields, scope, clientNonce })
  if ('refused' in verdict) return verdict.refused ?? hints()
  const joining: Joining = {
    group: name,
    identity: caller.identity,
    credential: verdict.credential,
    roles: entry.roles,
    scope,
    clientNonce,
    control: readControl(fields, request),
    context: caller.context,
    address: request.source,
    channelId: request.channelId,
  }
  const joined = ports.roster.join(name, joining)
  if (joined === undefined) return groupcommError(ErrorId.NO_SENDER_ID)
  const { member, again } = joined
  const wanted = getCreds === 'none' ? [] : credentialEntries(selectCredentials(joined.state, member, getCreds))
  return groupcomm(
    again ? '2.04' : '2.01',
    [
      ...versionEntries(joined.state.stored, member.joinedAtMs),
      [Param.KEY, keyMap(joined.state, member.senderId)],
      [Param.GROUP_POLICIES, policyMap(configuration)],
      ...managerProof(joined.state, member, clientNonce, ports.random),
      ...wanted,
    ],
    location(['ace-group', name, 'nodes', member.node]),
  )
}

interface Evidence {
  readonly fields: Fields
  readonly scope: Uint8Array
  readonly clientNonce: Uint8Array
}

type Verdict = { readonly credential?: undefined; readonly refused: OutgoingResponse | undefined } | { readonly credential?: Uint8Array }

/** The credential to join with, once it is eligible and its private key is proven to be there (§6.2). */
function judgeCredential(ports: JoinPorts, caller: Caller, state: GroupState, { fields, scope, clientNonce }: Evidence): Verdict {
  const { configuration } = state.stored
  const trust = { issuers: ports.issuers, nowMs: ports.clock.now() }
  const known = state.members.get(caller.identity)
  const credential = bytesOf(fields.get(Param.CLIENT_CRED))
  const evidence = bytesOf(fields.get(Param.CLIENT_CRED_VERIFY))
  if (credential === undefined) return { refused: undefined }
  if (!fields.has(Param.CLIENT_CRED_VERIFY)) {
    // Only a member may leave it out, and only for the credential that it has.
    if (known?.credential === undefined || (credential.length > 0 && !equalBytes(credential, known.credential)))
      return { refused: undefined }
    const stands = eligibleCredential(known.credential, configuration, trust) !== undefined
    return stands ? { credential: known.credential } : { refused: groupcommError(ErrorId.CREDENTIAL) }
  }
  const eligible = eligibleCredential(credential, configuration, trust)
  if (eligible === undefined) return { refused: groupcommError(ErrorId.CREDENTIAL) }
  if (evidence === undefined) return { refused: undefined }
  if (evidence.length === 0) {
    const proven = hasProven(caller, credential) || (known?.credential !== undefined && equalBytes(known.credential, credential))
    return proven ? { credential } : { refused: groupcommError(ErrorId.POP) }
  }
  const challenges = ports.access.challengesOf(caller.identity)
  if (challenges.length === 0) return { refused: undefined }
  const proven = isProven(ports, caller, state, eligible.publicKey, { challenges, scope, clientNonce, evidence })
  return proven ? { credential } : { refused: groupcommError(ErrorId.POP) }
}

interface Proof {
  readonly challenges: readonly Uint8Array[]
  readonly scope: Uint8Array
  readonly clientNonce: Uint8Array
  readonly evidence: Uint8Array
}

/** Whether the evidence stands for one of the challenges that the client may be answering, which has served then. */
function isProven(ports: JoinPorts, { identity }: Caller, { stored, secrets }: GroupState, key: PublicKey, proof: Proof): boolean {
  const met = proof.challenges.find((challenge) => {
    const input = memberPopInput(proof.scope, challenge, proof.clientNonce)
    return checkEvidence(stored.configuration, secrets.privateKey, key, input, proof.evidence)
  })
  if (met !== undefined) ports.access.spend(identity, met)
  return met !== undefined
}

/** The Group Manager's credential and the proof that it has the key (§6.3). A monitor of a group without signatures cannot be shown any. */
export function managerProof(state: GroupState, member: StoredMember | undefined, clientNonce: Uint8Array, random: Random): Entries {
  const { stored, secrets } = state
  const nonce = random.bytes(NONCE_BYTES)
  const input = managerPopInput(clientNonce, nonce)
  const base: Entries = [
    [Param.KDC_CRED, stored.credential],
    [Param.KDC_NONCE, nonce],
  ]
  const peer = member?.credential ?? (stored.configuration.groupMode === undefined ? undefined : stored.credential)
  if (peer === undefined) return base
  const { publicKey } = readCredential(peer, stored.configuration.credentialFormat)
  return [...base, [Param.KDC_CRED_VERIFY, makeEvidence(stored.configuration, secrets.privateKey, publicKey, input)]]
}

/** Whose credentials are asked for. null: those that the newcomer has to do with (§6.3). */
export function selectCredentials(
  state: GroupState,
  self: StoredMember | undefined,
  filter: CredentialFilter | null,
): readonly StoredMember[] {
  const others = [...state.members.values()].filter(
    ({ identity, senderId, credential }) => identity !== self?.identity && senderId !== undefined && credential !== undefined,
  )
  if (filter === null) return self === undefined ? others : others.filter(({ roles }) => concerns(self.roles, roles))
  const { inclusive, roles: wanted, senderIds } = filter
  const ids = new Set(senderIds.map(String))
  return others.filter(({ senderId, roles }) => {
    const bits = encodeRoles(roles)
    const hasRoles = wanted.some((role) => role !== 0 && (bits & role) === role)
    const isNamed = ids.has(String(senderId))
    if (inclusive) return hasRoles || isNamed
    return (wanted.length === 0 || hasRoles) && !isNamed
  })
}

function concerns(own: Roles, other: Roles): boolean {
  return (own.requester && other.responder) || ((own.responder || own.monitor) && other.requester)
}

/** control_uri: its path and port; the address is always that which the member is heard from, so that nobody is sent to somebody else. */
function readControl(fields: Fields, { source }: IncomingRequest): ControlPoint | undefined {
  const text = textOf(fields.get(Param.CONTROL_URI))
  if (text === undefined || text.length > 512) return undefined
  try {
    const relative = text.startsWith('/')
    const uri = new URL(relative ? `coap://[::]${text}` : text)
    if (uri.protocol !== 'coap:') return undefined
    const path = uri.pathname.split('/').slice(1).map(decodeURIComponent)
    const query = uri.search === '' ? [] : uri.search.slice(1).split('&').map(decodeURIComponent)
    if (path.length > MAX_SEGMENTS || query.length > MAX_SEGMENTS) return undefined
    const port = relative ? source.port : uri.port === '' ? 5683 : Number(uri.port)
    return { path: path.length === 1 && path[0] === '' ? [] : path, query, port }
  } catch {
    return undefined
  }
}

/** What a POST to /cred asks for: a new credential with its proof, never an empty one (§9.4). */
export function handleCredentialUpdate(
  ports: JoinPorts,
  request: IncomingRequest,
  caller: Caller,
  state: GroupState,
  member: StoredMember,
): OutgoingResponse {
  const { name, configuration } = state.stored
  if (!configuration.active) return groupcommError(ErrorId.INACTIVE)
  if (member.roles.monitor) return groupcommError(ErrorId.ROLES)
  const fields = request.contentFormat === AceFormat.GROUPCOMM ? readFields(request.payload) : undefined
  const credential = bytesOf(fields?.get(Param.CLIENT_CRED))
  const clientNonce = bytesOf(fields?.get(Param.CNONCE))
  const evidence = bytesOf(fields?.get(Param.CLIENT_CRED_VERIFY))
  if (credential === undefined || clientNonce === undefined || evidence === undefined)
    return malformed('client_cred, cnonce, client_cred_verify')
  const challenges = ports.access.challengesOf(caller.identity)
  if (challenges.length === 0) {
    return groupcomm('4.00', [[Param.KDC_CHALLENGE, ports.access.newChallenge(caller.identity)]])
  }
  const eligible = eligibleCredential(credential, configuration, { issuers: ports.issuers, nowMs: ports.clock.now() })
  if (eligible === undefined) return groupcommError(ErrorId.CREDENTIAL)
  const { scope } = member
  if (evidence.length === 0 || !isProven(ports, caller, state, eligible.publicKey, { challenges, scope, clientNonce, evidence }))
    return groupcommError(ErrorId.POP)
  ports.roster.change(name, caller.identity, { credential, clientNonce })
  return { code: '2.04' }
}
