// Access tokens at the Group Manager: `/authz-info` takes them, each makes an OSCORE context, and the rights in it are those of its client
// (RFC 9200 §5.10.1, RFC 9203 §4, key-groupcomm-oscore-21 §5.3).
import {
  AppError,
  decodeCbor,
  encodeCbor,
  equalBytes,
  importAesKey,
  toHex,
  type AesKey,
  type CborValue,
  type Clock,
  type Random,
} from '#main/base/index.ts'
import type { IncomingRequest, OutgoingResponse, Resource } from '#main/wire/coap/index.ts'
import { UnicastContext, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'
import type { AccessControl, TokenRights } from './access.ts'
import type { GroupBook } from './book.ts'
import { decodeToken, encodeToken, masterSaltOf, readMaterial, TOKEN_KEY_BYTES, type InputMaterial, type TokenClaims } from './cwt.ts'
import { Deadline } from './deadline.ts'
import { AceFormat, AceParam, KeyParam } from './labels.ts'
import { dhCredential, ecdhInfo, encodeEntries, mapOf, signInfo, type Entries } from './payloads.ts'
import { bytesOf, readFields, type Fields } from './reading.ts'
import { decodeRoles, decodeScope, encodeRoles, listOf, type Scope } from './scope.ts'
import type { GroupManagerStore, StoredGrant } from './store.ts'
import type { AdminPermission, GroupPermission, SecretSealer } from './types.ts'

export interface TokenOptions {
  readonly store: GroupManagerStore
  readonly sealer: SecretSealer
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly clock: Clock
  readonly random: Random
  readonly audience: string
  /** The site file was copied or put back. */
  readonly isCopy?: boolean
  readonly access: AccessControl
  readonly book: GroupBook
  /** Contexts whose tokens have expired or were taken back. */
  readonly onExpired: (contexts: readonly string[]) => void
}

/** What a context is made of besides the material. */
interface Handshake {
  readonly nonce1: Uint8Array
  readonly nonce2: Uint8Array
  readonly clientId: Uint8Array
  readonly serverId: Uint8Array
}

interface Grant {
  stored: StoredGrant
  readonly material: InputMaterial
  readonly scope: Scope
  /** In use, or the first. */
  current: { readonly name: string; readonly handshake: Handshake }
  /** Made since by posting the token again; the first that is used takes the place of the one in use. */
  readonly pending: Map<string, Handshake>
}

const NONCE_BYTES = 8
const SERVER_ID_BYTES = 3
const MAX_CLIENT_ID_BYTES = 7
const MAX_NONCE_BYTES = 64
const MAX_PENDING = 4
/** Tokens of one client that stand beside one another; the oldest goes. */
const MAX_GRANTS_EACH = 4

export class TokenContexts {
  readonly #options: TokenOptions
  readonly #key: AesKey
  readonly #grants = new Map<string, Grant>()
  readonly #byContext = new Map<string, Grant>()
  readonly #deadline: Deadline

  constructor(options: TokenOptions) {
    const { store, sealer, random, clock } = options
    this.#options = options
    // Sender states in a copied file are lost, and with them all contexts: clients come for new tokens, which the other copy cannot read.
    if (options.isCopy === true) for (const { id } of store.grants()) store.removeGrant(id)
    let sealed = options.isCopy === true ? undefined : store.tokenKey()
    if (sealed === undefined) {
      sealed = sealer.seal(random.bytes(TOKEN_KEY_BYTES))
      store.saveTokenKey(sealed)
    }
    this.#key = importAesKey(sealer.open(sealed))
    for (const stored of store.grants()) this.#reopen(stored)
    const due = (): number => Math.min(...[...this.#grants.values()].map(({ stored }) => stored.expiresAtMs))
    this.#deadline = new Deadline(clock, due, () => this.#expire())
    this.#deadline.arm()
  }

  resource(): Resource {
    return { handlers: { POST: (request) => this.#take(request) } }
  }

  /** A token for the claims, sealed. */
  seal(claims: TokenClaims): Uint8Array {
    return encodeToken(claims, this.#key, this.#options.random)
  }

  /** Whether the material was given to that client, and is in use (RFC 9203 §3.1). */
  owns(identity: string, id: Uint8Array): boolean {
    return this.#grants.get(toHex(id))?.stored.identity === identity
  }

  /** Those of the token, as far as its client is authorised still. */
  rightsOf(context: string): TokenRights | undefined {
    const grant = this.#byContext.get(context)
    if (grant === undefined || grant.stored.expiresAtMs <= this.#options.clock.now()) return undefined
    this.#promote(grant, context)
    const { identity } = grant.stored
    const record = this.#options.access.grantable(identity)
    if (record === undefined) return undefined
    return { identity, ...intersection(grant.scope, { groups: record.groups, admin: record.admin ?? [] }) }
  }

  revoke(identity: string): void {
    for (const grant of [...this.#grants.values()]) if (grant.stored.identity === identity) this.#drop(grant)
  }

  close(): void {
    this.#deadline.close()
    for (const grant of this.#grants.values()) for (const name of namesOf(grant)) this.#options.layer.remove(name)
  }

  // ---- /authz-info -----------------------------------------------------------------------------------------------

  #take(request: IncomingRequest): OutgoingResponse {
    const fields = request.contentFormat === AceFormat.ACE ? readFields(request.payload) : undefined
    const token = bytesOf(fields?.get(AceParam.ACCESS_TOKEN))
    if (fields === undefined || token === undefined) return { code: '4.00' }
    const claims = decodeToken(token, this.#key)
    if (claims === undefined) return { code: '4.01' }
    if (claims === 'malformed') return { code: '4.00' }
    if (claims.expiresAtS * 1000 <= this.#options.clock.now()) return { code: '4.01' }
    if (claims.audience !== undefined && claims.audience !== this.#options.audience) return { code: '4.03' }
    const scope = decodeScope(claims.scope)
    if (scope === undefined || claims.subject === undefined) return { code: '4.00' }
    const own = request.peer?.scheme === 'oscore' ? this.#byContext.get(request.peer.name) : undefined
    if (own !== undefined) return this.#update(own, claims, scope)
    const { confirmation } = claims
    // Without the context that the identifier belongs to, nobody shows that the token is its own.
    if ('kid' in confirmation) return { code: '4.01' }
    return this.#open(fields, { ...claims, subject: claims.subject }, confirmation, scope)
  }

  #open(fields: Fields, claims: TokenClaims & { readonly subject: string }, material: InputMaterial, scope: Scope): OutgoingResponse {
    const nonce1 = bytesOf(fields.get(AceParam.NONCE1))
    const clientId = bytesOf(fields.get(AceParam.CLIENT_RECIPIENT_ID))
    if (nonce1 === undefined || nonce1.length === 0 || nonce1.length > MAX_NONCE_BYTES) return { code: '4.00' }
    if (clientId === undefined || clientId.length > MAX_CLIENT_ID_BYTES) return { code: '4.00' }
    const { random, access } = this.#options
    if (access.grantable(claims.subject) === undefined) return { code: '4.01' }
    const handshake: Handshake = { nonce1, nonce2: random.bytes(NONCE_BYTES), clientId, serverId: this.#freeId(clientId) }
    const known = this.#grants.get(toHex(material.id))
    if (known === undefined) this.#create(claims, material, scope, handshake)
    else if (known.stored.identity !== claims.subject || !equalBytes(known.material.masterSecret, material.masterSecret))
      return { code: '4.00' }
    else this.#addPending(known, handshake)
    const joins = scope.groups.some(({ roles }) => roles.requester || roles.responder)
    const payload = encodeEntries([
      [AceParam.NONCE2, handshake.nonce2],
      [AceParam.SERVER_RECIPIENT_ID, handshake.serverId],
      [AceParam.KDC_CHALLENGE, joins ? (access.challengeOf(claims.subject) ?? access.newChallenge(claims.subject)) : undefined],
      ...this.#groupInfo(fields, scope),
    ])
    return { code: '2.01', payload, contentFormat: AceFormat.ACE }
  }

  /** Other rights under the same keys (RFC 9203 §4.2). */
  #update(grant: Grant, claims: TokenClaims, scope: Scope): OutgoingResponse {
    const { confirmation, subject } = claims
    const isOwn = 'kid' in confirmation && equalBytes(confirmation.kid, grant.stored.id) && subject === grant.stored.identity
    if (!isOwn) return { code: '4.01' }
    const stored: StoredGrant = { ...grant.stored, scope: claims.scope, expiresAtMs: claims.expiresAtS * 1000 }
    this.#options.store.saveGrant(stored)
    const next: Grant = { ...grant, stored, scope }
    this.#grants.set(toHex(stored.id), next)
    for (const name of namesOf(next)) this.#byContext.set(name, next)
    this.#deadline.arm()
    return { code: '2.01' }
  }

  /** How credentials must be in the groups of the scope, where the client asks (key-groupcomm-oscore-21 §5.3). */
  #groupInfo(fields: Fields, scope: Scope): Entries {
    const stored = scope.groups.flatMap(({ group }) => this.#options.book.get(group)?.stored ?? [])
    const entries = (label: number, entry: (group: (typeof stored)[number]) => CborValue): CborValue => {
      const all = fields.has(label) ? stored.map(entry).filter((one) => one !== undefined) : []
      return all.length === 0 ? undefined : all
    }
    return [
      [AceParam.SIGN_INFO, entries(AceParam.SIGN_INFO, ({ name, configuration }) => signInfo(name, configuration))],
      [AceParam.ECDH_INFO, entries(AceParam.ECDH_INFO, ({ name, configuration }) => ecdhInfo(name, configuration))],
      [AceParam.KDC_DH_CREDS, entries(AceParam.KDC_DH_CREDS, (group) => dhCredential(group.name, group))],
    ]
  }

  // ---- Grants ----------------------------------------------------------------------------------------------------

  #create(claims: TokenClaims & { readonly subject: string }, material: InputMaterial, scope: Scope, handshake: Handshake): void {
    const { store, sealer } = this.#options
    const sealedMaterial = sealer.seal(encodeMaterial(material, handshake))
    const expiresAtMs = claims.expiresAtS * 1000
    const stored: StoredGrant = { id: material.id, identity: claims.subject, scope: claims.scope, expiresAtMs, sealedMaterial }
    const others = [...this.#grants.values()].filter(({ stored: { identity } }) => identity === claims.subject)
    for (const grant of others.slice(0, Math.max(0, others.length - MAX_GRANTS_EACH + 1))) this.#drop(grant)
    store.saveGrant(stored)
    this.#adopt({ stored, material, scope, current: { name: contextName(material, handshake), handshake }, pending: new Map() }, 'fresh')
    this.#deadline.arm()
  }

  #reopen(stored: StoredGrant): void {
    const [map, ...parts] = listOf(decodeCbor(this.#options.sealer.open(stored.sealedMaterial)))
    const material = readMaterial(map)
    const scope = decodeScope(stored.scope)
    const [nonce1, nonce2, clientId, serverId] = parts.map(bytesOf)
    if (
      material === undefined ||
      scope === undefined ||
      nonce1 === undefined ||
      nonce2 === undefined ||
      clientId === undefined ||
      serverId === undefined
    ) {
      throw new AppError('store.corrupt', 'An access token cannot be read')
    }
    const handshake: Handshake = { nonce1, nonce2, clientId, serverId }
    this.#adopt({ stored, material, scope, current: { name: contextName(material, handshake), handshake }, pending: new Map() }, 'unknown')
  }

  #adopt(grant: Grant, received: 'fresh' | 'unknown'): void {
    this.#grants.set(toHex(grant.stored.id), grant)
    this.#byContext.set(grant.current.name, grant)
    this.#addContext(grant, grant.current.name, grant.current.handshake, received)
  }

  #addContext({ material }: Grant, name: string, { nonce1, nonce2, clientId, serverId }: Handshake, received: 'fresh' | 'unknown'): void {
    const { layer, sequences } = this.#options
    const masterSalt = masterSaltOf(material.salt, nonce1, nonce2)
    const input = { name, masterSecret: material.masterSecret, masterSalt, senderId: clientId, recipientId: serverId }
    layer.add(new UnicastContext(input, { sequences, received }))
  }

  #addPending(grant: Grant, handshake: Handshake): void {
    const name = contextName(grant.material, handshake)
    grant.pending.set(name, handshake)
    this.#byContext.set(name, grant)
    this.#addContext(grant, name, handshake, 'fresh')
    for (const oldest of grant.pending.keys()) {
      if (grant.pending.size <= MAX_PENDING) break
      grant.pending.delete(oldest)
      this.#forget(oldest)
    }
  }

  /** Its client has shown that it has the new keys: those before go (RFC 9203 §4.3). A stranger who posts a token that it saw cannot. */
  #promote(grant: Grant, context: string): void {
    const handshake = grant.pending.get(context)
    if (handshake === undefined) return
    const sealedMaterial = this.#options.sealer.seal(encodeMaterial(grant.material, handshake))
    const stored: StoredGrant = { ...grant.stored, sealedMaterial }
    this.#options.store.saveGrant(stored)
    const before = grant.current.name
    grant.stored = stored
    grant.current = { name: context, handshake }
    grant.pending.delete(context)
    for (const name of [before, ...grant.pending.keys()]) this.#forget(name)
    grant.pending.clear()
  }

  #drop(grant: Grant): void {
    const names = namesOf(grant)
    this.#options.store.removeGrant(grant.stored.id)
    this.#grants.delete(toHex(grant.stored.id))
    for (const name of names) this.#forget(name)
    this.#options.onExpired(names)
  }

  #forget(context: string): void {
    this.#byContext.delete(context)
    // Whoever has seen a token can post it as often as it likes: what comes of that must leave nothing behind.
    this.#options.layer.context(context)?.discard()
    this.#options.layer.remove(context)
  }

  #expire(): void {
    const nowMs = this.#options.clock.now()
    for (const grant of [...this.#grants.values()]) if (grant.stored.expiresAtMs <= nowMs) this.#drop(grant)
  }

  /** A Recipient ID that no other context of a token has, nor the client for its own (RFC 9203 §4.2). */
  #freeId(clientId: Uint8Array): Uint8Array {
    const used = new Set(
      [...this.#grants.values()].flatMap(({ current, pending }) =>
        [current.handshake, ...pending.values()].map(({ serverId }) => toHex(serverId)),
      ),
    )
    for (;;) {
      const id = this.#options.random.bytes(SERVER_ID_BYTES)
      if (!used.has(toHex(id)) && !equalBytes(id, clientId)) return id
    }
  }
}

function contextName({ id }: InputMaterial, { nonce2 }: Handshake): string {
  return `token:${toHex(id)}:${toHex(nonce2)}`
}

function namesOf({ current, pending }: Grant): readonly string[] {
  return [current.name, ...pending.keys()]
}

function encodeMaterial({ id, masterSecret, salt }: InputMaterial, { nonce1, nonce2, clientId, serverId }: Handshake): Uint8Array {
  const map = mapOf([
    [KeyParam.ID, id],
    [KeyParam.MS, masterSecret],
    [KeyParam.SALT, salt],
  ])
  return encodeCbor([map, nonce1, nonce2, clientId, serverId])
}

/** What both allow: of roles their common part, of administrators' rights the entries that the record has alike. */
export function intersection(
  wanted: Scope,
  allowed: Scope,
): { readonly groups: readonly GroupPermission[]; readonly admin: readonly AdminPermission[] } {
  const groups = wanted.groups.flatMap(({ group, roles }) =>
    allowed.groups.flatMap((entry) => {
      const common = entry.group === group ? decodeRoles(encodeRoles(entry.roles) & encodeRoles(roles)) : undefined
      return common === undefined ? [] : [{ group, roles: common }]
    }),
  )
  const admin = wanted.admin.flatMap((entry) =>
    allowed.admin.flatMap((record): AdminPermission[] => {
      const names =
        record.names === true ? entry.names : entry.names === true || sameNames(entry.names, record.names) ? record.names : undefined
      if (names === undefined) return []
      const both = (right: 'create' | 'read' | 'write' | 'delete'): boolean => entry[right] === true && record[right] === true
      return [{ names, create: both('create'), read: both('read'), write: both('write'), delete: both('delete') }]
    }),
  )
  return { groups, admin }
}

function sameNames(a: AdminPermission['names'], b: AdminPermission['names']): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
