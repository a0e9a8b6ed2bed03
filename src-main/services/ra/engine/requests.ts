// Reads an enrolment request out of its message and checks the proof of possession (RFC 4211 §4, RFC 9483 §4.1).
import { equalBytes, importVerifyingKey, verifyAs } from '#main/base/index.ts'
import { elementsOf, readDer } from '../der/index.ts'
import type { PkiBody } from '../cmp/body.ts'
import { oldCertIdOf, readSigningKeyInput, type CertId, type CertReqMsg } from '../cmp/crmf.ts'
import type { PkiHeader } from '../cmp/header.ts'
import { Refusal } from '../cmp/status.ts'
import type { Wish } from '../ca/profiles.ts'
import { keyTypeOf, schemeOf } from '../x509/algorithms.ts'
import { encodeGeneralName, NULL_DN, sameName } from '../x509/names.ts'
import { provesPossession, readCertificationRequest } from '../x509/requests.ts'
import type { TransactionKind } from '../types.ts'

export interface EnrolmentRequest {
  readonly kind: Exclude<TransactionKind, 'rr'>
  readonly certReqId: number
  readonly wish: Wish
  readonly oldCertId: CertId | undefined
  readonly keyType: string
  /** Whether it names an authority that is not this one, as OpenSSL does with the issuer of an IDevID: it gets ours, as a modification. */
  readonly foreignIssuer: boolean
}

type EnrolmentBody = Extract<PkiBody, { type: 'ir' | 'cr' | 'kur' | 'p10cr' }>

export interface RequestContext {
  readonly header: PkiHeader
  /** Whether a trusted registration authority vouches for the possession of the key. */
  readonly mayVouch: boolean
  /** The name of the authority that issues. */
  readonly issuer: Uint8Array
}

/** Throws `Refusal`. */
export function readEnrolment(body: EnrolmentBody, context: RequestContext): EnrolmentRequest {
  return body.type === 'p10cr' ? readPkcs10(body.request) : readCrmf(body.type, body.requests, context)
}

function readPkcs10(bytes: Uint8Array): EnrolmentRequest {
  const request = readCertificationRequest(bytes)
  if (!provesPossession(request)) throw new Refusal('badPOP', 'The certification request is not signed by its key')
  const { subject, spki, extensions } = request
  return {
    kind: 'p10cr',
    certReqId: -1,
    wish: { subject, spki, extensions, notBefore: undefined, notAfter: undefined },
    oldCertId: undefined,
    keyType: keyTypeOf(spki),
    foreignIssuer: false,
  }
}

function readCrmf(kind: 'ir' | 'cr' | 'kur', requests: readonly CertReqMsg[], context: RequestContext): EnrolmentRequest {
  const [request, ...more] = requests
  if (request === undefined || more.length > 0) throw new Refusal('badRequest', 'A message asks for exactly one certificate')
  if (request.certReqId !== 0) throw new Refusal('badRequest', 'The request is not numbered 0')
  const { template } = request
  if (template.version !== undefined && template.version !== 2) throw new Refusal('badCertTemplate', 'Certificates are of version 3')
  if (template.serialNumber !== undefined || template.signingAlg !== undefined) {
    throw new Refusal('badCertTemplate', 'The template sets what the authority chooses')
  }
  const spki = template.publicKey
  if (spki === undefined || hasNoKey(spki))
    throw new Refusal('badCertTemplate', 'The request brings no public key, and the authority makes none')
  checkPossession(request, spki, context)
  return {
    kind,
    certReqId: 0,
    wish: {
      subject: template.subject ?? NULL_DN,
      spki,
      notBefore: template.validity?.notBefore,
      notAfter: template.validity?.notAfter,
      extensions: template.extensions ?? [],
    },
    oldCertId: oldCertIdOf(request),
    keyType: keyTypeOf(spki),
    foreignIssuer: template.issuer !== undefined && !sameName(template.issuer, context.issuer),
  }
}

/** The template of central key generation: an algorithm with an empty key. */
function hasNoKey(spki: Uint8Array): boolean {
  const key = elementsOf(readDer(spki))[1]
  return key === undefined || key.content.length <= 1
}

function checkPossession({ popo, requestBytes, template }: CertReqMsg, spki: Uint8Array, context: RequestContext): void {
  if (popo === undefined) throw new Refusal('badPOP', 'The possession of the key is not proven')
  if (popo.kind === 'raVerified') {
    if (!context.mayVouch) throw new Refusal('badPOP', 'Only a registration authority may vouch for a key')
    return
  }
  if (popo.kind === 'other') throw new Refusal('badPOP', 'The possession of the key is to be proven by signature')
  const scheme = schemeOf(popo.algorithm)
  if (scheme === undefined) throw new Refusal('badAlg', 'The algorithm of the proof of possession is not supported')
  if (popo.input !== undefined) {
    const { sender, publicKey } = readSigningKeyInput(popo.input)
    const isSender = sender !== undefined && equalBytes(encodeGeneralName(sender), encodeGeneralName(context.header.sender))
    // It replaces the request under the signature: the key there must be the same, and nobody else's name (RFC 4211 §4.1).
    if (!equalBytes(publicKey, spki) || !isSender || template.subject !== undefined) {
      throw new Refusal('badPOP', 'The proof of possession is for something else')
    }
  }
  if (!verifyAs(importVerifyingKey(spki), scheme, popo.input ?? requestBytes, popo.signature)) {
    throw new Refusal('badPOP', 'The proof of possession is not by the key that is asked for')
  }
}
