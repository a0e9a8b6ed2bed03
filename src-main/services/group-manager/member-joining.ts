// The exchange of joining, as the newcomer has it: asks how credentials must be, proves its own key, and has the Group Manager prove the
// key that it goes by (key-groupcomm-oscore-21 §6.1, §6.2.1, §6.4).
import { AppError, type Curve, type PrivateKey, type Random } from '#main/base/index.ts'
import { locationOf, type ClientRequest, type ClientResponse } from '#main/wire/coap/index.ts'
import { readCredential } from '#main/wire/oscore/index.ts'
import { Param } from './labels.ts'
import {
  encodeGroupcomm,
  readAnswer,
  readHints,
  readKeys,
  responseError,
  type GroupAlgorithms,
  type JoinHints,
  type KeyMessage,
} from './member-messages.ts'
import { checkEvidence, makeEvidence, managerPopInput, memberPopInput } from './pop.ts'
import { bytesOf, type Fields } from './reading.ts'
import { encodeJoinScope, type Roles } from './scope.ts'

export interface MemberKeyPair {
  readonly credential: Uint8Array
  readonly privateKey: PrivateKey
}

export interface JoinWish {
  readonly groupName: string
  readonly roles: Roles
  readonly keysFor: (wanted: { readonly curve: Curve; readonly alg: number | undefined; readonly format: number }) => MemberKeyPair
  readonly isKeyProven: boolean
  readonly controlUri: string | undefined
  readonly random: Random
}

export interface JoinOutcome {
  readonly fields: Fields
  readonly message: KeyMessage & { readonly algorithms: GroupAlgorithms }
  readonly node: string
  readonly keys: MemberKeyPair
  readonly managerCredential: Uint8Array
}

const NONCE_BYTES = 8
const NO_BYTES = new Uint8Array(0)

export async function joinGroup(wish: JoinWish, ask: (request: ClientRequest) => Promise<ClientResponse>): Promise<JoinOutcome> {
  const { groupName, roles, random } = wish
  const path = ['ace-group', groupName]
  const hints = readHints(await ask({ method: 'POST', path }))
  const keys = wish.keysFor({ curve: hints.curve, alg: hints.alg, format: hints.format })
  const scope = encodeJoinScope({ group: groupName, roles })
  const nonce = random.bytes(NONCE_BYTES)
  const request = encodeGroupcomm([
    [Param.SCOPE, scope],
    [Param.GET_CREDS, null],
    [Param.CNONCE, nonce],
    [Param.CLIENT_CRED, roles.monitor ? undefined : keys.credential],
    [Param.CLIENT_CRED_VERIFY, roles.monitor ? undefined : evidenceOf(wish, hints, keys, scope, nonce)],
    [Param.CONTROL_URI, wish.controlUri],
  ])
  const response = await ask({ method: 'POST', path, ...request })
  const fields = readAnswer(response)
  const message = readKeys(fields)
  const node = locationOf(response.options)?.path.at(-1)
  if (message?.algorithms === undefined || node === undefined) throw responseError(response)
  const managerCredential = checkManager(wish, fields, hints, keys, nonce)
  return { fields, message: { ...message, algorithms: message.algorithms }, node, keys, managerCredential }
}

function evidenceOf(wish: JoinWish, hints: JoinHints, keys: MemberKeyPair, scope: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (wish.isKeyProven) return NO_BYTES
  if (hints.challenge === undefined) throw new AppError('cbor.invalid', 'The Group Manager gave no challenge')
  // With signatures nobody else's key is needed: the own one stands in its place.
  const { publicKey } = readCredential(hints.managerCredential ?? keys.credential, hints.format)
  return makeEvidence(modeOf(hints), keys.privateKey, publicKey, memberPopInput(scope, hints.challenge, nonce))
}

/** §6.4: whoever hands out keys shows that the credential in them is its own. */
function checkManager(wish: JoinWish, fields: Fields, hints: JoinHints, keys: MemberKeyPair, nonce: Uint8Array): Uint8Array {
  const credential = bytesOf(fields.get(Param.KDC_CRED))
  const managerNonce = bytesOf(fields.get(Param.KDC_NONCE))
  const evidence = bytesOf(fields.get(Param.KDC_CRED_VERIFY))
  // A monitor of a group without signatures has no key to agree with.
  if (credential !== undefined && wish.roles.monitor && !hints.signs) return credential
  if (credential !== undefined && managerNonce !== undefined && evidence !== undefined) {
    const { publicKey } = readCredential(credential, hints.format)
    const input = managerPopInput(nonce, managerNonce)
    if (checkEvidence(modeOf(hints), keys.privateKey, publicKey, input, evidence)) return credential
  }
  throw new AppError('crypto.authentication-failed', 'The Group Manager has not proven its key')
}

function modeOf({ signs }: JoinHints): Parameters<typeof makeEvidence>[0] {
  return { groupMode: signs ? { encryption: 0, signature: 0 } : undefined }
}
