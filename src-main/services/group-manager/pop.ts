// Proof of possession, both ways: the member's of its credential's key, the Group Manager's of its own
// (RFC 9594 §4.3.1, key-groupcomm-oscore-21 §6.1, §6.2, §6.3).
import {
  concatBytes,
  encodeCbor,
  equalInConstantTime,
  hkdf,
  sharedSecret,
  sign,
  toX25519PublicKey,
  verifySignature,
  type PrivateKey,
  type PublicKey,
} from '#main/base/index.ts'
import { readCredential, type Credential } from '#main/wire/oscore/index.ts'
import type { GroupConfiguration } from './configuration.ts'
import { isVouchedFor, type CredentialIssuers } from './credential-trust.ts'

const NO_BYTES = new Uint8Array(0)
const MAC_BYTES = 8

/** Scope, N_S and N_C, each as a CBOR byte string. */
export function memberPopInput(scope: Uint8Array, serverNonce: Uint8Array, clientNonce: Uint8Array): Uint8Array {
  return concatBytes(encodeCbor(scope), encodeCbor(serverNonce), encodeCbor(clientNonce))
}

/** N_C and N_KDC, each as a CBOR byte string. */
export function managerPopInput(clientNonce: Uint8Array, managerNonce: Uint8Array): Uint8Array {
  return concatBytes(encodeCbor(clientNonce), encodeCbor(managerNonce))
}

/** A signature, or in a group without signatures a MAC from the secret that both ends share. */
export function makeEvidence(
  { groupMode }: Pick<GroupConfiguration, 'groupMode'>,
  own: PrivateKey,
  peer: PublicKey,
  input: Uint8Array,
): Uint8Array {
  return groupMode !== undefined ? sign(own, input) : macOf(own, peer, input)
}

/** Whether the peer has the private key. `own` is needed where there are no signatures. */
export function checkEvidence(
  { groupMode }: Pick<GroupConfiguration, 'groupMode'>,
  own: PrivateKey,
  peer: PublicKey,
  input: Uint8Array,
  evidence: Uint8Array,
): boolean {
  if (groupMode !== undefined) return verifySignature(peer, input, evidence)
  try {
    return equalInConstantTime(macOf(own, peer, input), evidence)
  } catch {
    // A key of low order agrees on nothing.
    return false
  }
}

function macOf(own: PrivateKey, peer: PublicKey, input: Uint8Array): Uint8Array {
  return hkdf('sha256', sharedSecret(own, peer), NO_BYTES, input, MAC_BYTES)
}

/** The credential where it fits the group: format, curve, algorithm, a key that pairwise keys can be made from, and an issuer (§6.2). */
export function eligibleCredential(
  bytes: Uint8Array,
  configuration: GroupConfiguration,
  trust: { readonly issuers: CredentialIssuers | undefined; readonly nowMs: number },
): Credential | undefined {
  if (!isVouchedFor(bytes, configuration.credentialFormat, trust.issuers, trust.nowMs)) return undefined
  try {
    const credential = readCredential(bytes, configuration.credentialFormat)
    const { publicKey, alg } = credential
    if (publicKey.curve !== configuration.curve) return undefined
    if (configuration.groupMode !== undefined && alg !== undefined && alg !== configuration.groupMode.signature) return undefined
    if (publicKey.curve === 'Ed25519') toX25519PublicKey(publicKey)
    return credential
  } catch {
    return undefined
  }
}
