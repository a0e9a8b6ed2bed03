// The built-in authorisation server: `/token` gives enrolled devices access tokens for what their records allow (RFC 9200 §5.8, RFC 9203 §3).
import { encodeCbor, equalBytes, isCborMap, type CborValue, type Clock, type Random } from '#main/base/index.ts'
import type { IncomingRequest, OutgoingResponse, Resource } from '#main/wire/coap/index.ts'
import type { AccessControl } from './access.ts'
import { materialMap, type InputMaterial } from './cwt.ts'
import { AceFormat, AceParam, Cnf, GRANT_CLIENT_CREDENTIALS, PROFILE_COAP_OSCORE, TokenError } from './labels.ts'
import { encodeEntries, mapOf } from './payloads.ts'
import { bytesOf, readFields } from './reading.ts'
import { decodeScope, encodeScope, type Scope } from './scope.ts'
import { intersection, type TokenContexts } from './token-contexts.ts'

export interface AuthorisationServerOptions {
  readonly access: AccessControl
  readonly tokens: TokenContexts
  readonly clock: Clock
  readonly random: Random
  readonly audience: string
  readonly lifetimeS: number
}

const MATERIAL_ID_BYTES = 8
const SECRET_BYTES = 16
const SALT_BYTES = 8

export class AuthorisationServer {
  readonly #options: AuthorisationServerOptions

  constructor(options: AuthorisationServerOptions) {
    this.#options = options
  }

  resource(): Resource {
    return { handlers: { POST: (request) => this.#issue(request) } }
  }

  #issue({ peer, contentFormat, payload }: IncomingRequest): OutgoingResponse {
    const { access, tokens, clock, random, audience, lifetimeS } = this.#options
    const record = peer?.scheme === 'oscore' ? access.grantable(peer.name) : undefined
    if (record === undefined) return { code: '4.01' }
    const fields = contentFormat === AceFormat.ACE ? readFields(payload) : undefined
    if (fields === undefined) return refused(TokenError.INVALID_REQUEST)
    const wantedAudience = fields.get(AceParam.AUDIENCE)
    const grantType = fields.get(AceParam.GRANT_TYPE)
    if (grantType !== undefined && grantType !== GRANT_CLIENT_CREDENTIALS) return refused(TokenError.UNSUPPORTED_GRANT_TYPE)
    if (wantedAudience !== undefined && wantedAudience !== audience) return refused(TokenError.INVALID_REQUEST)
    const allowed: Scope = { groups: record.groups, admin: record.admin ?? [] }
    const asked = fields.has(AceParam.SCOPE) ? bytesOf(fields.get(AceParam.SCOPE)) : encodeScope(allowed)
    const wanted = asked === undefined ? undefined : decodeScope(asked)
    if (asked === undefined || wanted === undefined) return refused(TokenError.INVALID_SCOPE)
    const granted = intersection(wanted, allowed)
    if (granted.groups.length + granted.admin.length === 0) return refused(TokenError.INVALID_SCOPE)
    const kid = keyToKeep(fields.get(AceParam.REQ_CNF))
    if (kid === 'malformed' || (kid !== undefined && !tokens.owns(record.identity, kid))) return refused(TokenError.INVALID_REQUEST)
    const material: InputMaterial = {
      id: random.bytes(MATERIAL_ID_BYTES),
      masterSecret: random.bytes(SECRET_BYTES),
      salt: random.bytes(SALT_BYTES),
    }
    const nowS = Math.floor(clock.now() / 1000)
    const untilS = record.notAfterMs === undefined ? Infinity : Math.floor(record.notAfterMs / 1000)
    const expiresAtS = Math.min(nowS + lifetimeS, untilS)
    const scope = encodeScope(granted)
    const token = tokens.seal({
      subject: record.identity,
      audience,
      expiresAtS,
      issuedAtS: nowS,
      scope,
      confirmation: kid === undefined ? material : { kid },
    })
    const response = encodeEntries([
      [AceParam.ACCESS_TOKEN, token],
      [AceParam.ACE_PROFILE, PROFILE_COAP_OSCORE],
      [AceParam.EXPIRES_IN, expiresAtS - nowS],
      [AceParam.CNF, kid === undefined ? mapOf([[Cnf.OSC, materialMap(material)]]) : undefined],
      [AceParam.SCOPE, equalBytes(scope, asked) ? undefined : scope],
    ])
    return { code: '2.01', payload: response, contentFormat: AceFormat.ACE }
  }
}

/** The identifier of the material that the client has and keeps, where it asks for other rights alone. */
function keyToKeep(reqCnf: CborValue): Uint8Array | 'malformed' | undefined {
  if (reqCnf === undefined) return undefined
  const kid = isCborMap(reqCnf) ? bytesOf(reqCnf.get(Cnf.KID)) : undefined
  return kid ?? 'malformed'
}

function refused(error: number): OutgoingResponse {
  return { code: '4.00', payload: encodeCbor(new Map([[AceParam.ERROR, error]])), contentFormat: AceFormat.ACE }
}
