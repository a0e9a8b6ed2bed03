// A client's side of tokens: asks an authorisation server for one, and brings it to the Group Manager, which makes an OSCORE context
// (RFC 9203 §3.1, §4.1, §4.3).
import { AppError, isCborMap, type Random, type SocketAddress } from '#main/base/index.ts'
import type { ClientResponse, CoapClient, RequestSecurity } from '#main/wire/coap/index.ts'
import { UnicastContext, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'
import { masterSaltOf, readMaterial, type InputMaterial } from './cwt.ts'
import { AceFormat, AceParam, Cnf } from './labels.ts'
import { responseError } from './member-messages.ts'
import { encodeEntries, mapOf } from './payloads.ts'
import { bytesOf, readFields, uintOf, type Fields } from './reading.ts'
import { encodeScope } from './scope.ts'
import type { AdminPermission, GroupPermission } from './types.ts'

export interface IssuedToken {
  readonly token: Uint8Array
  /** Absent where rights were changed under the material that the client has. */
  readonly material: InputMaterial | undefined
  readonly lifetimeS: number | undefined
}

export interface TokenRequest {
  readonly client: CoapClient
  readonly server: SocketAddress
  readonly path?: readonly string[]
  readonly security: RequestSecurity
  readonly audience?: string
  readonly groups?: readonly GroupPermission[]
  readonly admin?: readonly AdminPermission[]
  /** Other rights under the same keys: the identifier of the material. */
  readonly keep?: Uint8Array
}

/** Fails with `coap.response-error`, `cbor.invalid`, and as requests do. */
export async function requestToken(options: TokenRequest): Promise<IssuedToken> {
  const { client, server, path = ['token'], security, audience, groups = [], admin = [], keep } = options
  const scope = groups.length + admin.length === 0 ? undefined : encodeScope({ groups, admin })
  const payload = encodeEntries([
    [AceParam.AUDIENCE, audience],
    [AceParam.SCOPE, scope],
    [AceParam.REQ_CNF, keep === undefined ? undefined : mapOf([[Cnf.KID, keep]])],
  ])
  const response = await client.request(server, { method: 'POST', path, payload, contentFormat: AceFormat.ACE, security })
  const fields = created(response)
  const token = bytesOf(fields.get(AceParam.ACCESS_TOKEN))
  const cnf = fields.get(AceParam.CNF)
  const material = isCborMap(cnf) ? readMaterial(cnf.get(Cnf.OSC)) : undefined
  if (token === undefined || (keep === undefined && material === undefined)) throw new AppError('cbor.invalid', 'The token cannot be read')
  return { token, material, lifetimeS: uintOf(fields.get(AceParam.EXPIRES_IN)) }
}

export interface TokenTransfer {
  readonly client: CoapClient
  readonly manager: SocketAddress
  readonly issued: IssuedToken
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly random: Random
  /** How the context is called in the layer from then on. */
  readonly contextName: string
  /** Recipient ID of this end, one that none of its contexts has. */
  readonly recipientId: Uint8Array
  readonly path?: readonly string[]
}

const NONCE_BYTES = 8

/** The context is in the layer afterwards. Gives the challenge for joining, where there is one. */
export async function transferToken(options: TokenTransfer): Promise<{ readonly challenge: Uint8Array | undefined }> {
  const { client, manager, issued, layer, sequences, random, contextName, recipientId, path = ['authz-info'] } = options
  const { material } = issued
  if (material === undefined) throw new AppError('input.invalid', 'Without new keys a token goes over the context that there is')
  const nonce1 = random.bytes(NONCE_BYTES)
  const payload = encodeEntries([
    [AceParam.ACCESS_TOKEN, issued.token],
    [AceParam.NONCE1, nonce1],
    [AceParam.CLIENT_RECIPIENT_ID, recipientId],
  ])
  const fields = created(await client.request(manager, { method: 'POST', path, payload, contentFormat: AceFormat.ACE }))
  const nonce2 = bytesOf(fields.get(AceParam.NONCE2))
  const senderId = bytesOf(fields.get(AceParam.SERVER_RECIPIENT_ID))
  if (nonce2 === undefined || senderId === undefined) throw new AppError('cbor.invalid', 'The Group Manager named no nonce and no ID')
  const masterSalt = masterSaltOf(material.salt, nonce1, nonce2)
  const input = { name: contextName, masterSecret: material.masterSecret, masterSalt, senderId, recipientId }
  layer.add(new UnicastContext(input, { sequences, received: 'fresh' }))
  return { challenge: bytesOf(fields.get(AceParam.KDC_CHALLENGE)) }
}

/** Other rights under the same keys (RFC 9203 §4.1). */
export async function updateRights(
  options: Pick<TokenTransfer, 'client' | 'manager' | 'issued' | 'layer' | 'contextName' | 'path'>,
): Promise<void> {
  const { client, manager, issued, layer, contextName, path = ['authz-info'] } = options
  const payload = encodeEntries([[AceParam.ACCESS_TOKEN, issued.token]])
  const response = await client.request(manager, {
    method: 'POST',
    path,
    payload,
    contentFormat: AceFormat.ACE,
    security: layer.to(contextName),
  })
  if (response.code !== '2.01') throw responseError(response)
}

function created(response: ClientResponse): Fields {
  const fields = response.code === '2.01' && response.contentFormat === AceFormat.ACE ? readFields(response.payload) : undefined
  if (fields === undefined) throw responseError(response)
  return fields
}
