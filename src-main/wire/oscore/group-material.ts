// What a member knows of its group under one Gid, as the Group Manager hands it out, and the Common Context that follows from it
// (draft-ietf-core-oscore-groupcomm-28 §2, §2.1).
import { AppError, importSecretKey, type PrivateKey, type SecretKey } from '#main/base/index.ts'
import {
  aeadOf,
  groupEncryptionOf,
  hashOf,
  requireAgreement,
  signatureOf,
  type ContentEncryption,
  type SignatureAlgorithm,
} from './algorithms.ts'
import { byteString } from './cbor-bytes.ts'
import { deriveCommonIv, deriveSignatureEncryptionKey, type KeySource } from './derivation.ts'
import { maxIdBytes } from './nonce.ts'
import { algorithmArray, type CountersignElements } from './structures.ts'

export interface GroupMemberInput {
  readonly senderId: Uint8Array
  readonly credential: Uint8Array
  /** What the Group Manager lets it do; both unless told. */
  readonly roles?: { readonly requester: boolean; readonly responder: boolean }
}

export interface OwnMembershipInput {
  /** Absent in a silent server (monitor), which only listens. */
  readonly senderId: Uint8Array | undefined
  readonly credential: Uint8Array
  readonly privateKey: PrivateKey
}

/** All algorithms by COSE number. Group mode is on where group encryption and signature are set, pairwise mode where AEAD and key agreement are. */
export interface GroupContextInput {
  /** Stays the same over all rekeyings. */
  readonly groupName: string
  readonly gid: Uint8Array
  readonly masterSecret: Uint8Array
  readonly masterSalt?: Uint8Array
  /** HMAC with SHA-256 (5), SHA-384 (6) or SHA-512 (7). */
  readonly hkdf?: number
  readonly groupEncryption?: number
  readonly signature?: number
  readonly aead?: number
  readonly keyAgreement?: number
  /** cred_fmt: CCS (14) unless told. */
  readonly credentialFormat?: number
  readonly groupManagerCredential: Uint8Array
  readonly own: OwnMembershipInput
  /** Without the own entry, or with it; it is left aside. */
  readonly members: readonly GroupMemberInput[]
  /** Elements of Countersign_structure: 5 as everybody sends it, 4 as RFC 9338 has it. */
  readonly countersignElements?: CountersignElements
  /** `fresh`: keys received just now. `unknown`: kept from before; requests must prove that they are new (§2.6.1.1). */
  readonly received?: 'fresh' | 'unknown'
}

export interface GroupMode {
  readonly encryption: ContentEncryption
  readonly signature: SignatureAlgorithm
  readonly signatureEncryptionKey: SecretKey
}

export interface PairwiseMode {
  readonly encryption: ContentEncryption
}

/** Everything that is the same for all members. */
export interface CommonContext {
  readonly source: KeySource
  readonly gid: Uint8Array
  readonly commonIv: Uint8Array
  readonly algorithms: Uint8Array
  readonly groupMode: GroupMode | undefined
  readonly pairwiseMode: PairwiseMode | undefined
  /** Whose number, key and nonce lengths the Sender and Recipient Keys go by. */
  readonly keying: ContentEncryption
  readonly groupManagerCredential: Uint8Array
  readonly maxSenderIdBytes: number
  readonly countersignElements: CountersignElements
}

const NO_BYTES = new Uint8Array(0)
const SHA256 = 5

/** Fails with `input.invalid` where neither mode is on, `crypto.unsupported` for unknown algorithms. */
export function commonContext(input: GroupContextInput): CommonContext {
  const { gid, masterSecret, masterSalt = NO_BYTES, hkdf = SHA256, groupEncryption, signature, aead, keyAgreement } = input
  const source: KeySource = { hash: hashOf(hkdf), masterSecret, masterSalt, idContext: gid }
  const encryption = groupEncryption === undefined ? undefined : groupEncryptionOf(groupEncryption)
  const pairwise = aead === undefined ? undefined : aeadOf(aead)
  const keying = encryption ?? pairwise
  const groupOn = encryption !== undefined && signature !== undefined
  const pairwiseOn = pairwise !== undefined && keyAgreement !== undefined
  if (keying === undefined || !(groupOn || pairwiseOn) || gid.length > 255) {
    throw new AppError('input.invalid', 'The group has neither group mode nor pairwise mode')
  }
  if (keyAgreement !== undefined) requireAgreement(keyAgreement)
  const nonceLengths = [encryption?.nonceBytes, pairwise?.nonceBytes].filter((length) => length !== undefined)
  const groupMode: GroupMode | undefined = groupOn
    ? {
        encryption,
        signature: signatureOf(signature),
        signatureEncryptionKey: importSecretKey(deriveSignatureEncryptionKey(source, encryption.coseId, encryption.keyBytes)),
      }
    : undefined
  return {
    source,
    gid,
    commonIv: deriveCommonIv(source, keying.coseId, Math.max(...nonceLengths)),
    algorithms: algorithmArray(aead ?? null, groupEncryption ?? null, signature ?? null, keyAgreement ?? null),
    groupMode,
    pairwiseMode: pairwiseOn ? { encryption: pairwise } : undefined,
    keying,
    groupManagerCredential: byteString(input.groupManagerCredential),
    maxSenderIdBytes: maxIdBytes(Math.min(...nonceLengths)),
    countersignElements: input.countersignElements ?? 5,
  }
}
