// The tree at /ace-group: who may ask what of which resource, and the answers (RFC 9594 §4, key-groupcomm-oscore-21 §8, §9, §11.3.1).
import { toHex, type Clock, type Random } from '#main/base/index.ts'
import type { IncomingRequest, Method, OutgoingResponse } from '#main/wire/coap/index.ts'
import { permittedRoles, isCandidate, isVerifier, type AccessControl, type Caller } from './access.ts'
import { cborItem, groupcomm, groupcommError, groupcommNothing, malformed } from './answers.ts'
import type { GroupBook } from './book.ts'
import type { CredentialIssuers } from './credential-trust.ts'
import type { GroupState } from './group-state.ts'
import { staleSince } from './group-state.ts'
import { handleCredentialUpdate, handleJoin, managerProof, selectCredentials } from './join.ts'
import { AceFormat, ErrorId, KeyParam, Param } from './labels.ts'
import { algorithmEntries, credentialEntries, keyMap, mapOf, policyMap, versionEntries } from './payloads.ts'
import { byteStringsOf, bytesOf, readFields, readGetCreds, readItem, uintOf } from './reading.ts'
import type { Roster } from './roster.ts'
import type { StoredMember } from './store.ts'
import { signatureEncryptionKeyOf } from './verification.ts'

export interface ResourcePorts {
  readonly book: GroupBook
  readonly access: AccessControl
  readonly roster: Roster
  readonly clock: Clock
  readonly random: Random
  readonly issuers?: CredentialIssuers | undefined
}

export const GROUPS_PATH = 'ace-group'

/** Methods of the resources below a group, by the first segments of their paths. */
const METHODS: Readonly<Record<string, readonly Method[]>> = {
  '': ['GET', 'POST'],
  active: ['GET'],
  'verif-data': ['GET'],
  creds: ['GET', 'FETCH'],
  'kdc-cred': ['GET', 'FETCH'],
  'stale-sids': ['FETCH'],
  policies: ['GET'],
  num: ['GET'],
  nodes: ['GET', 'POST', 'PUT', 'DELETE'],
  cred: ['POST'],
}
/** What a verifier from outside may reach besides /ace-group (key-groupcomm-oscore-21 §8.5.1). */
const FOR_VERIFIERS = new Set(['verif-data', 'creds', 'kdc-cred'])
const MAX_GIDS_ASKED = 256

/** One request, its client, the group that it is about, and what the client is there. */
interface Call {
  readonly request: IncomingRequest
  readonly caller: Caller
  readonly state: GroupState
  readonly member: StoredMember | undefined
}

export class GroupResources {
  readonly #ports: ResourcePorts

  constructor(ports: ResourcePorts) {
    this.#ports = ports
  }

  handle(request: IncomingRequest): OutgoingResponse {
    const { access, book } = this.#ports
    const caller = access.callerOf(request)
    if (caller === undefined) return access.refusal('4.01')
    const [, name, kind = '', node, last, ...more] = request.path
    if (name === undefined) return request.method === 'FETCH' ? this.#namesOf(request) : { code: '4.05' }
    const permitted = permittedRoles(caller, name)
    if (permitted === undefined) return access.refusal('4.03')
    const state = book.get(name)
    if (state === undefined) return book.wasDeleted(name) ? groupcommError(ErrorId.DELETED) : { code: '4.04' }
    const member = state.members.get(caller.identity)
    const resource = last === 'cred' && kind === 'nodes' ? 'cred' : kind
    const methods = METHODS[resource]
    const tooLong = more.length > 0 || (kind !== 'nodes' && node !== undefined) || (last !== undefined && resource !== 'cred')
    if (methods === undefined || tooLong || (kind === 'nodes' && node === undefined)) return { code: '4.04' }
    if (!methods.includes(request.method)) return { code: '4.05' }
    if (member === undefined && !isCandidate(permitted) && !FOR_VERIFIERS.has(kind)) return access.refusal('4.03')
    const call: Call = { request, caller, state, member }
    if (kind === 'nodes') return this.#ofNode(call, node ?? '', resource === 'cred')
    return this.#ofGroup(call, kind)
  }

  #ofGroup(call: Call, kind: string): OutgoingResponse {
    const { request, caller, state, member } = call
    const { stored } = state
    if (kind === '' && request.method === 'POST') return handleJoin(this.#ports, request, caller, state)
    const verifier = member === undefined && isVerifier(permittedRoles(caller, stored.name) ?? [])
    if (kind === 'verif-data' || (kind === 'kdc-cred' && request.method === 'FETCH')) {
      if (!verifier) return groupcommError(ErrorId.VERIFIERS_ONLY)
      if (stored.configuration.groupMode === undefined) return groupcommError(ErrorId.NO_SIGNATURES)
      return kind === 'verif-data' ? this.#verificationData(state) : this.#credentialForVerifier(call)
    }
    if (member === undefined && !(verifier && kind === 'creds')) return groupcommError(ErrorId.MEMBERS_ONLY)
    if (member !== undefined) this.#heard(call, member, kind === '')
    switch (kind) {
      case 'active':
        return cborItem(stored.configuration.active)
      case 'num':
        return cborItem(stored.generation)
      case 'policies':
        return groupcomm('2.05', [[Param.GROUP_POLICIES, policyMap(stored.configuration)]])
      case 'stale-sids':
        return staleSenderIds(request, state)
      case 'creds':
        return credentials(request, state)
      case 'kdc-cred':
        return groupcomm('2.05', managerProof(state, member, member?.clientNonce ?? new Uint8Array(0), this.#ports.random))
      default:
        return groupcomm('2.05', [...versionEntries(stored, this.#ports.clock.now()), [Param.KEY, keyMap(state, undefined)]])
    }
  }

  #ofNode(call: Call, node: string, isCredential: boolean): OutgoingResponse {
    const { request, caller, state, member } = call
    const { roster, clock } = this.#ports
    const { name, configuration } = state.stored
    if (member === undefined) {
      const former = roster.formerNode(name, caller.identity)
      return groupcommError(former === node ? ErrorId.TERMINATED : ErrorId.MEMBERS_ONLY)
    }
    // Nobody speaks for another (RFC 9594 §4.8): a name that is not its own, given out or not, tells nothing of others.
    if (member.node !== node) return groupcommError(ErrorId.MEMBERS_ONLY)
    if (isCredential) return handleCredentialUpdate(this.#ports, request, caller, state, member)
    if (request.method === 'DELETE') {
      roster.end(name, [caller.identity], 'left')
      return { code: '2.02' }
    }
    if (request.method === 'GET') {
      this.#heard(call, member, true)
      return groupcomm('2.05', [...versionEntries(state.stored, clock.now()), [Param.KEY, keyMap(state, member.senderId)]])
    }
    if (request.payload.length > 0) return malformed('A Key Renewal Request has no payload')
    if (!configuration.active) return groupcommError(ErrorId.INACTIVE)
    if (member.roles.monitor) return groupcommError(ErrorId.ROLES)
    const renewed = roster.renew(name, caller.identity)
    if (renewed === undefined) return groupcommError(ErrorId.NO_SENDER_ID)
    // RFC 9594 as PUT answered 2.05; to POST the answer is that of a change.
    return groupcomm(request.method === 'PUT' ? '2.05' : '2.04', [[Param.GROUP_SENDER_ID, renewed.senderId]])
  }

  #heard({ request, caller, state }: Call, member: StoredMember, gotKeys: boolean): void {
    const heard = { context: caller.context, address: request.source, channelId: request.channelId }
    this.#ports.roster.markTold(state.stored.name, member.identity, heard, gotKeys)
  }

  /** Names and paths of groups by their Gids (§9.10). Only the present Gid of a group leads to it. */
  #namesOf(request: IncomingRequest): OutgoingResponse {
    const fields = request.contentFormat === AceFormat.GROUPCOMM ? readFields(request.payload) : undefined
    const gids = byteStringsOf(fields?.get(Param.GID))
    if (gids === undefined || gids.length === 0 || gids.length > MAX_GIDS_ASKED) return malformed('gid: an array of byte strings')
    const asked = new Map(gids.map((gid) => [toHex(gid), gid]))
    const found = [...asked.values()].flatMap((gid) => this.#ports.book.byGid(gid)?.stored ?? [])
    if (found.length === 0) return groupcommNothing()
    return groupcomm('2.05', [
      [Param.GID, found.map(({ gid }) => gid)],
      [Param.GNAME, found.map(({ name }) => name)],
      [Param.GURI, found.map(({ name }) => groupPath(name))],
    ])
  }

  #verificationData(state: GroupState): OutgoingResponse {
    const { stored } = state
    const wanted = new Set<unknown>([
      KeyParam.HKDF,
      KeyParam.CRED_FMT,
      KeyParam.GP_ENC_ALG,
      KeyParam.SIGN_ALG,
      KeyParam.SIGN_PARAMS,
      KeyParam.ALG,
      KeyParam.ECDH_ALG,
    ])
    const key = mapOf([...algorithmEntries(stored.configuration).filter(([label]) => wanted.has(label)), [KeyParam.CONTEXT_ID, stored.gid]])
    return groupcomm('2.05', [
      ...versionEntries(stored, this.#ports.clock.now()),
      [Param.KEY, key],
      [Param.SIGN_ENC_KEY, signatureEncryptionKeyOf(state)],
    ])
  }

  #credentialForVerifier({ request, state }: Call): OutgoingResponse {
    const fields = request.contentFormat === AceFormat.GROUPCOMM ? readFields(request.payload) : undefined
    const clientNonce = bytesOf(fields?.get(Param.CNONCE))
    if (clientNonce === undefined || clientNonce.length === 0 || clientNonce.length > 64) return malformed('cnonce')
    return groupcomm('2.05', managerProof(state, undefined, clientNonce, this.#ports.random))
  }
}

/** Percent-encoded as a URI has it (RFC 3986 §3.3). */
export function groupPath(name: string): string {
  return `/${GROUPS_PATH}/${encodeURIComponent(name)}`
}

function credentials(request: IncomingRequest, state: GroupState): OutgoingResponse {
  const num: readonly [number, number] = [Param.NUM, state.stored.generation]
  if (request.method === 'GET') return groupcomm('2.05', [num, ...credentialEntries(selectCredentials(state, undefined, null))])
  const fields = request.contentFormat === AceFormat.GROUPCOMM ? readFields(request.payload) : undefined
  const filter = fields === undefined ? undefined : readGetCreds(fields.get(Param.GET_CREDS))
  if (filter === undefined || filter === null || filter.roles.length + filter.senderIds.length === 0) return malformed('get_creds')
  const found = selectCredentials(state, undefined, filter)
  return found.length === 0 ? groupcommNothing() : groupcomm('2.05', [num, ...credentialEntries(found)])
}

function staleSenderIds({ payload }: IncomingRequest, { stored }: GroupState): OutgoingResponse {
  const version = uintOf(readItem(payload))
  if (version === undefined || version >= stored.generation) return malformed('A version older than the present one')
  const stale = staleSince(stored, version)
  return stale === undefined ? { code: '2.05' } : cborItem(stale)
}
