// The members of a group under one Gid, and their Recipient Contexts, which are made when a message needs one and of which only so many
// are kept (draft-ietf-core-oscore-groupcomm-28 §2.2, §2.6.1.2).
import { AppError, importAesKey, sha256, sharedSecret, toHex, toX25519PublicKey, type AesKey, type PrivateKey } from '#main/base/index.ts'
import { readCredential, type Credential } from './credentials.ts'
import { deriveKey, derivePairwiseKey } from './derivation.ts'
import type { CommonContext, GroupMemberInput } from './group-material.ts'
import { ReplayWindow } from './replay-window.ts'

/** What a Recipient Context has besides keys: made once for a member and an epoch. */
export interface Recipient {
  readonly id: Uint8Array
  /** Of its credential: stays the same when the Sender ID changes. */
  readonly fingerprint: string
  readonly credential: Credential
  readonly roles: { readonly requester: boolean; readonly responder: boolean }
  readonly window: ReplayWindow
  /** The Echo value that it was asked to repeat (§9). */
  echo: Uint8Array | undefined
  /** For messages of both modes, made when the first needs them. */
  groupKey: AesKey | undefined
  pairwise: PairwiseKeys | undefined
}

export interface PairwiseKeys {
  readonly sending: AesKey | undefined
  readonly receiving: AesKey
}

/** The own part, as key derivation needs it. */
export interface OwnSender {
  readonly id: Uint8Array
  readonly key: Uint8Array
}

export interface MembersOptions {
  readonly common: CommonContext
  readonly credentialFormat: number
  readonly ownId: Uint8Array | undefined
  readonly maxRecipients: number
  readonly received: 'fresh' | 'unknown'
}

const BOTH_ROLES = { requester: true, responder: true }

/** A key for maps: one character a byte. */
export function idKey(id: Uint8Array): string {
  let key = ''
  for (const byte of id) key += String.fromCharCode(byte)
  return key
}

export class Members {
  readonly #options: MembersOptions
  readonly #known = new Map<string, GroupMemberInput>()
  /** The same by credential, made when somebody asks. */
  #byCredential: Map<string, GroupMemberInput> | undefined
  /** The longest unused first. */
  readonly #recipients = new Map<string, Recipient>()
  /** A Recipient Context was deleted: what it had received is forgotten, so that new ones begin with an invalid window. */
  #forgotten: boolean

  constructor(options: MembersOptions, members: readonly GroupMemberInput[]) {
    this.#options = options
    this.#forgotten = options.received === 'unknown'
    for (const member of members) this.add(member)
  }

  get recipients(): number {
    return this.#recipients.size
  }

  get size(): number {
    return this.#known.size
  }

  /** Fails with `input.invalid` for a Sender ID that is too long for the group's nonces. */
  add(member: GroupMemberInput): void {
    const { common, ownId } = this.#options
    if (member.senderId.length > common.maxSenderIdBytes) {
      throw new AppError('input.invalid', 'The Sender ID is too long', { details: { maxBytes: common.maxSenderIdBytes } })
    }
    const key = idKey(member.senderId)
    if (ownId !== undefined && key === idKey(ownId)) return
    const before = this.#known.get(key)
    this.#byCredential = undefined
    this.#known.set(key, member)
    // Another credential behind the same ID is another member.
    if (before !== undefined && idKey(before.credential) !== idKey(member.credential)) this.#drop(key)
  }

  remove(senderId: Uint8Array): void {
    const key = idKey(senderId)
    this.#known.delete(key)
    this.#byCredential = undefined
    this.#drop(key)
  }

  clear(): void {
    this.#known.clear()
    this.#byCredential = undefined
    this.#forgotten ||= this.#recipients.size > 0
    this.#recipients.clear()
  }

  ids(): readonly Uint8Array[] {
    return [...this.#known.values()].map((member) => member.senderId)
  }

  credentialOf(senderId: Uint8Array): Uint8Array | undefined {
    return this.#known.get(idKey(senderId))?.credential
  }

  /** The Recipient Context of the member with that credential; `last` is the one that it had before, which mostly is the same. */
  recipientOf(credential: Uint8Array, last: Recipient | undefined): Recipient | undefined {
    if (last !== undefined && this.#recipients.get(idKey(last.id)) === last) return last
    const member = this.byCredential(credential)
    return member === undefined ? undefined : this.recipient(member.senderId)
  }

  /** The member with that credential, whatever its Sender ID is now. */
  byCredential(credential: Uint8Array): GroupMemberInput | undefined {
    if (this.#byCredential === undefined) {
      this.#byCredential = new Map()
      for (const member of this.#known.values()) this.#byCredential.set(idKey(member.credential), member)
    }
    return this.#byCredential.get(idKey(credential))
  }

  /** Undefined for who is no member, or whose credential cannot be used. */
  recipient(senderId: Uint8Array): Recipient | undefined {
    const key = idKey(senderId)
    const existing = this.#recipients.get(key)
    if (existing !== undefined) {
      if (this.#recipients.size >= this.#options.maxRecipients / 2) {
        this.#recipients.delete(key)
        this.#recipients.set(key, existing)
      }
      return existing
    }
    const member = this.#known.get(key)
    return member === undefined ? undefined : this.#make(key, member)
  }

  #make(key: string, member: GroupMemberInput): Recipient | undefined {
    let credential: Credential
    try {
      credential = readCredential(member.credential, this.#options.credentialFormat)
    } catch {
      this.#known.delete(key)
      this.#byCredential = undefined
      return undefined
    }
    if (this.#recipients.size >= this.#options.maxRecipients) {
      const oldest = this.#recipients.keys().next().value
      if (oldest !== undefined) this.#drop(oldest)
    }
    const recipient: Recipient = {
      id: member.senderId,
      fingerprint: toHex(sha256(member.credential).subarray(0, 8)),
      credential,
      roles: member.roles ?? BOTH_ROLES,
      window: new ReplayWindow(!this.#forgotten),
      echo: undefined,
      groupKey: undefined,
      pairwise: undefined,
    }
    this.#recipients.set(key, recipient)
    return recipient
  }

  /** One that has received nothing may go without trace: it was made for a message that failed (§7.2). */
  #drop(key: string): void {
    const recipient = this.#recipients.get(key)
    if (recipient === undefined) return
    this.#recipients.delete(key)
    if (recipient.window.largest >= 0 || !recipient.window.valid) this.#forgotten = true
  }
}

export function groupKeyOf(common: CommonContext, recipient: Recipient): AesKey {
  recipient.groupKey ??= importAesKey(deriveKey(common.source, recipient.id, common.keying.coseId, common.keying.keyBytes))
  return recipient.groupKey
}

/** §2.5.1: from the ECDH of the two long-term keys, whatever they sign with. */
export function pairwiseKeysOf(
  common: CommonContext,
  own: { readonly credential: Credential; readonly agreementKey: PrivateKey; readonly sender: OwnSender | undefined },
  recipient: Recipient,
): PairwiseKeys {
  if (recipient.pairwise !== undefined) return recipient.pairwise
  const { source, keying, pairwiseMode } = common
  if (pairwiseMode === undefined) throw new AppError('internal', 'The group has no pairwise mode')
  const { coseId, keyBytes } = pairwiseMode.encryption
  const peer = recipient.credential.publicKey
  const secret = sharedSecret(own.agreementKey, peer.curve === 'Ed25519' ? toX25519PublicKey(peer) : peer)
  const recipientKey = deriveKey(source, recipient.id, keying.coseId, keying.keyBytes)
  const derive = (from: { key: Uint8Array; id: Uint8Array; credential: Uint8Array }, to: Uint8Array): AesKey =>
    importAesKey(derivePairwiseKey(source, from, to, secret, coseId, keyBytes))
  const ownBytes = own.credential.bytes
  const peerBytes = recipient.credential.bytes
  recipient.pairwise = {
    sending: own.sender === undefined ? undefined : derive({ ...own.sender, credential: ownBytes }, peerBytes),
    receiving: derive({ key: recipientKey, id: recipient.id, credential: peerBytes }, ownBytes),
  }
  secret.fill(0)
  return recipient.pairwise
}
