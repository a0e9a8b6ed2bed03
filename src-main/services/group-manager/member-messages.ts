// What a member reads from the Group Manager's answers, and what it asks with (key-groupcomm-oscore-21 §6.1, §6.3, §9, §11).
import { AppError, encodeCbor, isCborMap, toHex, type CborKey, type CborValue, type Curve } from '#main/base/index.ts'
import { decodeProblem, PROBLEM_DETAILS, type ClientResponse } from '#main/wire/coap/index.ts'
import type { GroupContextInput, GroupMemberInput } from '#main/wire/oscore/index.ts'
import { curveOfCapabilities } from './configuration.ts'
import { AceFormat, KeyParam, Param, Policy, PROBLEM_ENTRY, PROBLEM_ERROR_ID } from './labels.ts'
import { bytesOf, byteStringsOf, readFields, uintOf, uintsOf, type Fields } from './reading.ts'
import { decodeRoles, listOf } from './scope.ts'

/** How the group wants credentials, and the challenge to prove them with. */
export interface JoinHints {
  readonly curve: Curve
  /** To be written into the credential; of groups with signatures. */
  readonly alg: number | undefined
  readonly signs: boolean
  readonly format: number
  readonly challenge: Uint8Array | undefined
  /** In groups without signatures: whom to agree with. */
  readonly managerCredential: Uint8Array | undefined
}

export type GroupAlgorithms = Pick<
  GroupContextInput,
  'hkdf' | 'groupEncryption' | 'signature' | 'aead' | 'keyAgreement' | 'credentialFormat'
>

/** Keying material as any of the answers has it; what an answer leaves out stays as it was. */
export interface KeyMessage {
  readonly generation: number
  readonly masterSecret: Uint8Array
  readonly masterSalt: Uint8Array
  readonly gid: Uint8Array
  readonly senderId: Uint8Array | undefined
  readonly algorithms: GroupAlgorithms | undefined
  /** Absent where the answer does not say. */
  readonly stale: readonly Uint8Array[] | undefined
  readonly members: readonly GroupMemberInput[]
  readonly lifetimeS: number | undefined
}

export function readHints(response: ClientResponse): JoinHints {
  const fields = response.contentFormat === AceFormat.GROUPCOMM ? readFields(response.payload) : undefined
  if (response.code !== '4.00' || fields === undefined) throw responseError(response)
  const sign = listOf(listOf(fields.get(Param.SIGN_INFO))[0])
  const ecdh = listOf(listOf(fields.get(Param.ECDH_INFO))[0])
  const signs = sign.length > 0
  const [, alg, ...rest] = signs ? sign : ecdh
  const [general, special, format] = rest
  const curve = curveOfCapabilities(JSON.stringify([general, special]))
  if (curve === undefined || typeof format !== 'number') throw unreadable('algorithms of the group')
  return {
    curve,
    alg: signs && typeof alg === 'number' ? alg : undefined,
    signs,
    format,
    challenge: bytesOf(fields.get(Param.KDC_CHALLENGE)),
    managerCredential: bytesOf(listOf(listOf(fields.get(Param.KDC_DH_CREDS))[0])[2]),
  }
}

/** Fields of a successful answer; fails with `coap.response-error` for others. */
export function readAnswer(response: ClientResponse): Fields {
  if (!response.code.startsWith('2.')) throw responseError(response)
  const fields = response.contentFormat === AceFormat.GROUPCOMM ? readFields(response.payload) : undefined
  if (fields === undefined) throw unreadable('answer')
  return fields
}

/** Undefined for what announces that the group is deleted (gm-admin-17 §6.8.1). Fails with `cbor.invalid`. */
export function readKeys(fields: Fields): KeyMessage | undefined {
  const key = fields.get(Param.KEY)
  if (!isCborMap(key)) throw unreadable('key')
  if (key.size === 0) return undefined
  const generation = uintOf(fields.get(Param.NUM))
  const masterSecret = bytesOf(key.get(KeyParam.MS))
  const gid = bytesOf(key.get(KeyParam.CONTEXT_ID))
  if (generation === undefined || masterSecret === undefined || gid === undefined) throw unreadable('keying material')
  return {
    generation,
    masterSecret,
    masterSalt: bytesOf(key.get(KeyParam.SALT)) ?? new Uint8Array(0),
    gid,
    senderId: bytesOf(key.get(KeyParam.GROUP_SENDER_ID)),
    algorithms: key.has(KeyParam.CRED_FMT) ? readAlgorithms(key) : undefined,
    stale: fields.has(Param.STALE_NODE_IDS) ? byteStringsOf(fields.get(Param.STALE_NODE_IDS)) : undefined,
    members: readMembers(fields),
    lifetimeS: uintOf(fields.get(Param.EXI)),
  }
}

function readAlgorithms(key: ReadonlyMap<CborKey, CborValue>): GroupAlgorithms {
  const number = (label: number): number | undefined => {
    const value = key.get(label)
    return typeof value === 'number' ? value : undefined
  }
  const entries = {
    hkdf: number(KeyParam.HKDF) ?? 5,
    groupEncryption: number(KeyParam.GP_ENC_ALG),
    signature: number(KeyParam.SIGN_ALG),
    aead: number(KeyParam.ALG),
    keyAgreement: number(KeyParam.ECDH_ALG),
    credentialFormat: number(KeyParam.CRED_FMT),
  }
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined))
}

/** creds, peer_roles and peer_identifiers, of one length or nothing. */
export function readMembers(fields: Fields): readonly GroupMemberInput[] {
  const credentials = byteStringsOf(fields.get(Param.CREDS)) ?? []
  const roles = uintsOf(fields.get(Param.PEER_ROLES)) ?? []
  const ids = byteStringsOf(fields.get(Param.PEER_IDENTIFIERS)) ?? []
  if (credentials.length !== roles.length || credentials.length !== ids.length) throw unreadable('members')
  return credentials.flatMap((credential, index) => {
    const senderId = ids[index]
    const role = decodeRoles(roles[index])
    return senderId === undefined || role === undefined
      ? []
      : [{ senderId, credential, roles: { requester: role.requester, responder: role.responder } }]
  })
}

export function readCheckIntervalS(fields: Fields): number | undefined {
  const policies = fields.get(Param.GROUP_POLICIES)
  return isCborMap(policies) ? uintOf(policies.get(Policy.KEY_UPDATE_CHECK_INTERVAL)) : undefined
}

/** error-id of problem details; undefined where none is said. */
export function errorIdOf({ contentFormat, payload }: ClientResponse): number | undefined {
  if (contentFormat !== PROBLEM_DETAILS) return undefined
  try {
    const id = decodeProblem(payload).custom?.get(PROBLEM_ENTRY)?.get(PROBLEM_ERROR_ID)
    return typeof id === 'number' ? id : undefined
  } catch {
    return undefined
  }
}

export function responseError(response: ClientResponse): AppError {
  const id = errorIdOf(response)
  return new AppError('coap.response-error', `The Group Manager answered ${response.code}`, {
    details: { code: response.code, ...(id === undefined ? {} : { errorId: id }) },
  })
}

function unreadable(what: string): AppError {
  return new AppError('cbor.invalid', `The Group Manager's answer cannot be read: ${what}`)
}

export function encodeGroupcomm(entries: ReadonlyArray<readonly [number, CborValue]>): {
  readonly payload: Uint8Array
  readonly contentFormat: number
} {
  return { payload: encodeCbor(new Map(entries.filter(([, value]) => value !== undefined))), contentFormat: AceFormat.GROUPCOMM }
}

export function idKey(senderId: Uint8Array): string {
  return toHex(senderId)
}
