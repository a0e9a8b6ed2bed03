// Protects messages and checks protection by signature (RFC 9810 §5.1.3.3): the protection certificate is the first of extraCerts (RFC 9483 §3.3).
import { equalBytes, signAs, verifyAs, type Random, type SigningKey } from '#main/base/index.ts'
import { schemeOf, signatureAlgorithmOf, type AlgorithmIdentifier } from '../x509/algorithms.ts'
import { KeyUsage, tryCertificate, type Certificate } from '../x509/certificate.ts'
import { isNullName, sameName } from '../x509/names.ts'
import { encodeBody, type PkiBody } from './body.ts'
import { encodeHeader, type PkiHeader } from './header.ts'
import { computeMac, macKindOf, newMacAlgorithm, type MacKind } from './mac.ts'
import { assembleMessage, protectedPart, type PkiMessage } from './message.ts'
import { Refusal } from './status.ts'

/** With what a message is protected. */
export type Protector =
  | {
      readonly kind: 'signature'
      readonly key: SigningKey
      readonly certificate: Certificate
      /** What goes with it, without the root. */
      readonly chain: readonly Uint8Array[]
    }
  | {
      readonly kind: 'mac'
      readonly reference: Uint8Array
      readonly secret: Uint8Array
      /** With its parameters; by default PBMAC1 with fresh ones. */
      readonly algorithm?: AlgorithmIdentifier
    }

/** What a transaction keeps to from its first message on (RFC 9483 §3.2); undefined for a message without protection. */
export function protectionKindOf({ protectionAlg }: PkiHeader): MacKind | 'signature' | undefined {
  return protectionAlg === undefined ? undefined : (macKindOf(protectionAlg) ?? 'signature')
}

export type HeaderDraft = Omit<PkiHeader, 'protectionAlg' | 'senderKID'>

/** The whole message in DER. `certificates` are further ones for extraCerts. */
export async function protectMessage(
  draft: HeaderDraft,
  body: PkiBody,
  protector: Protector,
  random: Random,
  certificates: readonly Uint8Array[] = [],
): Promise<Uint8Array> {
  if (protector.kind === 'signature') return signMessage(draft, body, protector, certificates)
  const protectionAlg = protector.algorithm ?? newMacAlgorithm('pbmac1', random)
  const headerBytes = encodeHeader({ ...draft, protectionAlg, senderKID: protector.reference })
  const bodyBytes = encodeBody(body)
  const protection = await computeMac(protectionAlg, protector.secret, protectedPart({ headerBytes, bodyBytes }))
  return assembleMessage({ headerBytes, bodyBytes, protection, extraCerts: certificates })
}

/** The same by signature, at once. */
export function signMessage(
  draft: HeaderDraft,
  body: PkiBody,
  protector: Extract<Protector, { kind: 'signature' }>,
  certificates: readonly Uint8Array[] = [],
): Uint8Array {
  const headerBytes = encodeHeader({
    ...draft,
    protectionAlg: signatureAlgorithmOf(protector.key.algorithm),
    senderKID: protector.certificate.subjectKeyId,
  })
  const bodyBytes = encodeBody(body)
  const protection = signAs(protector.key, protectedPart({ headerBytes, bodyBytes }))
  const own = [protector.certificate.bytes, ...protector.chain]
  const further = certificates.filter((one) => !own.some((known) => equalBytes(known, one)))
  return assembleMessage({ headerBytes, bodyBytes, protection, extraCerts: [...own, ...further] })
}

/** The message without protection: an error that nothing can protect. */
export function bareMessage(draft: HeaderDraft, body: PkiBody): Uint8Array {
  const headerBytes = encodeHeader({ ...draft, protectionAlg: undefined, senderKID: undefined })
  return assembleMessage({ headerBytes, bodyBytes: encodeBody(body), protection: undefined, extraCerts: [] })
}

/**
 * The certificate that protects the message: the first of extraCerts, or one of `known` where the sender left it out, as is done with
 * self-signed ones. Its key must have signed, may sign, and sender and senderKID must name it. Throws `Refusal`.
 */
export function verifySignatureOf(message: PkiMessage, known: readonly Certificate[] = [], read = tryCertificate): Certificate {
  const { header, protection } = message
  if (protection === undefined || header.protectionAlg === undefined) throw new Refusal('wrongIntegrity', 'The message is not protected')
  const scheme = schemeOf(header.protectionAlg)
  if (scheme === undefined) throw new Refusal('badAlg', 'The protection algorithm is not supported')
  const [first] = message.extraCerts
  const sent = first === undefined ? undefined : read(first)
  const candidates = [...(sent === undefined ? [] : [sent]), ...known].filter((certificate) => isNamedBy(certificate, header))
  if (candidates.length === 0)
    throw new Refusal('badMessageCheck', 'Sender and senderKID do not name the certificate that protects the message')
  const part = protectedPart(message)
  const signer = candidates.find((certificate) => verifyAs(certificate.key, scheme, part, protection))
  if (signer === undefined) throw new Refusal('badMessageCheck', 'The signature of the message is wrong')
  if (!signer.allows(KeyUsage.digitalSignature)) throw new Refusal('notAuthorized', 'The certificate’s key may not sign messages')
  return signer
}

/** Sender is the subject; the empty name leaves it to senderKID alone (RFC 9810 §5.1.1). */
function isNamedBy(certificate: Certificate, { sender, senderKID }: PkiHeader): boolean {
  if (sender.kind !== 'directory') return false
  const keyId = certificate.subjectKeyId
  const fits = senderKID === undefined || keyId === undefined ? undefined : equalBytes(senderKID, keyId)
  if (fits === false) return false
  if (isNullName(sender.name)) return isNullName(certificate.subject) || fits === true
  return sameName(sender.name, certificate.subject)
}
