// A Group OSCORE Security Context: one group under one Gid, with the sealing and opening of both modes
// (draft-ietf-core-oscore-groupcomm-28 §2, §7, §8).
import {
  AppError,
  importAesKey,
  publicKeyOf,
  sign,
  toX25519PrivateKey,
  verifySignature,
  exportPublicKey,
  equalBytes,
  type AesKey,
  type PrivateKey,
} from '#main/base/index.ts'
import { CredentialFormat, readCredential, type Credential } from './credentials.ts'
import { deriveKey, keystreamOf } from './derivation.ts'
import { commonContext, type CommonContext, type GroupContextInput } from './group-material.ts'
import { groupKeyOf, Members, pairwiseKeysOf, type OwnSender, type Recipient } from './members.ts'
import { encodePartialIv, nonceOf } from './nonce.ts'
import { SenderSequence, sequenceKey, type SequenceStore } from './sender-sequence.ts'
import { countersignStructure, groupAad, type GroupAad, type GroupBinding } from './structures.ts'
import { openOrUndefined } from './unicast-context.ts'

/** What a message has besides its plaintext. `partialIv` is its own; without one, which only a first response may be, the request's serves. */
export interface MessageFrame {
  readonly request: GroupBinding
  readonly isRequest: boolean
  readonly option: Uint8Array
  readonly partialIv: Uint8Array | undefined
}

/** The own Sender Context (§2.2). */
interface Sender extends OwnSender {
  readonly groupKey: AesKey
  readonly sequence: SenderSequence
}

export class GroupContext {
  readonly groupName: string
  readonly gid: Uint8Array
  readonly common: CommonContext
  readonly members: Members
  readonly #own: Credential
  readonly #privateKey: PrivateKey
  readonly #sender: Sender | undefined
  #agreementKey: PrivateKey | undefined

  /** `sender`: whether the own Sender ID was given out just now; by default it is as fresh as the rest. */
  constructor(
    input: GroupContextInput,
    ports: { readonly sequences: SequenceStore; readonly maxRecipients: number },
    sender: 'fresh' | 'unknown' = input.received ?? 'fresh',
  ) {
    const { own, received = 'fresh', credentialFormat = CredentialFormat.CCS } = input
    const common = commonContext(input)
    this.groupName = input.groupName
    this.gid = input.gid
    this.common = common
    this.#own = readCredential(own.credential, credentialFormat)
    this.#privateKey = own.privateKey
    requireKeys(common, this.#own, own.privateKey)
    const made = own.senderId === undefined ? undefined : senderOf(common, own.senderId, sender, ports.sequences)
    this.#sender = made?.sender
    // Keys that were in use before are not fresh, whoever says so.
    const windows = made?.isNew === false ? 'unknown' : received
    const options = { common, credentialFormat, ownId: own.senderId, maxRecipients: ports.maxRecipients, received: windows }
    this.members = new Members(options, input.members)
  }

  /** Undefined in a silent server. */
  get senderId(): Uint8Array | undefined {
    return this.#sender?.id
  }

  /** A Partial IV that this context has never used, in either mode (§2.5.3). Fails with `oscore.sender-stale` and the like. */
  takePartialIv(): Uint8Array {
    return encodePartialIv(this.#requireSender().sequence.take())
  }

  // ---- Group mode (§7) -------------------------------------------------------------------------------------------

  sealForGroup(frame: MessageFrame, plaintext: Uint8Array): Uint8Array {
    const { common } = this
    const sender = this.#requireSender()
    const mode = common.groupMode
    if (mode === undefined) throw new AppError('input.invalid', 'The group has no group mode')
    const { externalAad, encStructure } = this.#aad(frame, this.#own)
    const nonce = this.#nonce(frame, sender.id, mode.encryption.nonceBytes)
    const ciphertext = mode.encryption.seal(sender.groupKey, nonce, encStructure, plaintext)
    const signature = sign(this.#privateKey, countersignStructure(common.countersignElements, externalAad, ciphertext))
    const payload = new Uint8Array(ciphertext.length + signature.length)
    payload.set(ciphertext)
    payload.set(signature, ciphertext.length)
    applyKeystream(payload.subarray(ciphertext.length), this.#keystream(frame, sender.id))
    return payload
  }

  /** The signature is looked at first. Undefined where anything is not authentic. */
  openForGroup(frame: MessageFrame, from: Recipient, payload: Uint8Array): Uint8Array | undefined {
    const { common } = this
    const mode = common.groupMode
    if (from.credential.publicKey.curve !== mode?.signature.curve) return undefined
    const border = payload.length - mode.signature.bytes
    if (border <= mode.encryption.tagBytes) return undefined
    const ciphertext = payload.subarray(0, border)
    const signature = payload.slice(border)
    applyKeystream(signature, this.#keystream(frame, from.id))
    const { externalAad, encStructure } = this.#aad(frame, from.credential)
    const signed = countersignStructure(common.countersignElements, externalAad, ciphertext)
    if (!verifySignature(from.credential.publicKey, signed, signature)) return undefined
    const nonce = this.#nonce(frame, from.id, mode.encryption.nonceBytes)
    return openOrUndefined(mode.encryption, groupKeyOf(common, from), nonce, encStructure, ciphertext)
  }

  // ---- Pairwise mode (§8) ----------------------------------------------------------------------------------------

  sealForOne(frame: MessageFrame, to: Recipient, plaintext: Uint8Array): Uint8Array {
    const sender = this.#requireSender()
    const { sending } = this.#pairwise(to)
    const { encryption } = this.#requirePairwise()
    if (sending === undefined) throw new AppError('internal', 'A silent server has no sending keys')
    const nonce = this.#nonce(frame, sender.id, encryption.nonceBytes)
    return encryption.seal(sending, nonce, this.#aad(frame, this.#own).encStructure, plaintext)
  }

  openForOne(frame: MessageFrame, from: Recipient, payload: Uint8Array): Uint8Array | undefined {
    const { encryption } = this.#requirePairwise()
    if (payload.length <= encryption.tagBytes) return undefined
    const nonce = this.#nonce(frame, from.id, encryption.nonceBytes)
    const { receiving } = this.#pairwise(from)
    return openOrUndefined(encryption, receiving, nonce, this.#aad(frame, from.credential).encStructure, payload)
  }

  // ---- Both ------------------------------------------------------------------------------------------------------

  #aad({ request, option }: MessageFrame, sender: Credential): GroupAad {
    const { algorithms, groupManagerCredential } = this.common
    return groupAad({ algorithms, request, option, senderCredential: sender.encoded, groupManagerCredential })
  }

  #nonce({ partialIv, request }: MessageFrame, sender: Uint8Array, nonceBytes: number): Uint8Array {
    return nonceOf(this.common.commonIv, nonceBytes, partialIv === undefined ? request.kid : sender, partialIv ?? request.partialIv)
  }

  #keystream({ partialIv, request, isRequest }: MessageFrame, sender: Uint8Array): Uint8Array {
    const { source, gid, groupMode } = this.common
    if (groupMode === undefined) throw new AppError('internal', 'The group has no group mode')
    const id = partialIv === undefined ? request.kid : sender
    const { signature, signatureEncryptionKey } = groupMode
    return keystreamOf(source.hash, signatureEncryptionKey, partialIv ?? request.partialIv, id, gid, isRequest, signature.bytes)
  }

  #pairwise(peer: Recipient): ReturnType<typeof pairwiseKeysOf> {
    if (peer.pairwise !== undefined) return peer.pairwise
    this.#agreementKey ??= this.#privateKey.curve === 'Ed25519' ? toX25519PrivateKey(this.#privateKey) : this.#privateKey
    return pairwiseKeysOf(this.common, { credential: this.#own, agreementKey: this.#agreementKey, sender: this.#sender }, peer)
  }

  #requireSender(): Sender {
    if (this.#sender === undefined) throw new AppError('oscore.sender-stale', 'A silent server does not send')
    return this.#sender
  }

  #requirePairwise(): { readonly encryption: NonNullable<CommonContext['pairwiseMode']>['encryption'] } {
    const mode = this.common.pairwiseMode
    if (mode === undefined) throw new AppError('input.invalid', 'The group has no pairwise mode')
    return mode
  }

  toJSON(): string {
    return `[group context ${this.groupName}]`
  }
}

function senderOf(
  common: CommonContext,
  id: Uint8Array,
  received: 'fresh' | 'unknown',
  sequences: SequenceStore,
): { readonly sender: Sender; readonly isNew: boolean } {
  if (id.length > common.maxSenderIdBytes) {
    throw new AppError('input.invalid', 'The own Sender ID is too long', { details: { maxBytes: common.maxSenderIdBytes } })
  }
  const key = deriveKey(common.source, id, common.keying.coseId, common.keying.keyBytes)
  const context = sequenceKey(key, common.commonIv)
  const isNew = received === 'fresh' && sequences.establish(context)
  return { sender: { id, key, groupKey: importAesKey(key), sequence: new SenderSequence(sequences, context) }, isNew }
}

/** The own credential is that of the own key, and of a kind that the group's algorithms can use (§2.4). */
function requireKeys(common: CommonContext, own: Credential, privateKey: PrivateKey): void {
  const fits = common.groupMode === undefined || common.groupMode.signature.curve === own.publicKey.curve
  if (
    fits &&
    privateKey.curve === own.publicKey.curve &&
    equalBytes(exportPublicKey(publicKeyOf(privateKey)), exportPublicKey(own.publicKey))
  )
    return
  throw new AppError('oscore.credential-invalid', 'The own credential does not fit the own key or the group')
}

function applyKeystream(signature: Uint8Array, keystream: Uint8Array): void {
  for (let index = 0; index < signature.length; index++) signature[index] = (signature[index] ?? 0) ^ (keystream[index] ?? 0)
}
