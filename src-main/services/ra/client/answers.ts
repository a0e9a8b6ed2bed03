// Checks of what a server answers, before anything of it is believed (RFC 9810 §5.1.1, RFC 9483 §3.5).
import { AppError, equalBytes } from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import { macKindOf, verifyMac } from '../cmp/mac.ts'
import { protectedPart, readMessage, type PkiMessage } from '../cmp/message.ts'
import { verifySignatureOf, type Protector } from '../cmp/protection.ts'
import { toRefusal } from '../cmp/status.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { PathValidator } from '../x509/path.ts'
import type { CertificatePool } from '../x509/pool.ts'

export interface AnswerTrust {
  /** Holds the anchors, and what has been found of paths to them. */
  readonly paths: PathValidator
  readonly pool: CertificatePool
  readonly anySigner: boolean
  readonly protector: Protector
  readonly nowMs: number
  /** Whether a certificate that leads to a root counts for nothing all the same. */
  readonly isRevoked?: (certificate: Certificate) => boolean
}

export interface Expected {
  readonly id: Uint8Array
  readonly first: Uint8Array | undefined
  readonly newest: Uint8Array | undefined
}

/** The answer, where it can be believed; `ra.rejected` where not, whatever is wrong with it. */
export async function readAnswer(bytes: Uint8Array, expected: Expected, trust: AnswerTrust): Promise<PkiMessage> {
  try {
    const answer = readMessage(bytes)
    await checkAnswer(answer, expected, trust)
    return answer
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'ra.rejected') throw thrown
    const refusal = toRefusal(thrown)
    throw refusal === undefined ? thrown : wrong(refusal.message)
  }
}

/** Throws `ra.rejected`. An error may come unprotected: it is told as such, never believed to be more. */
async function checkAnswer(answer: PkiMessage, expected: Expected, trust: AnswerTrust): Promise<void> {
  const { header, body, protection } = answer
  if (header.pvno !== 2 && header.pvno !== 3) throw wrong('it has an unknown version')
  if (protection === undefined || header.protectionAlg === undefined) {
    if (body.type === 'error') return
    throw wrong('it is not protected')
  }
  if (header.transactionID === undefined || !equalBytes(header.transactionID, expected.id)) throw wrong('it belongs to another transaction')
  // A delayed response may answer the first message or the last (RFC 9483 §4.4).
  const answered = [expected.first, expected.newest].some(
    (nonce) => nonce !== undefined && header.recipNonce !== undefined && equalBytes(nonce, header.recipNonce),
  )
  if (!answered) throw wrong('it does not bring back the nonce')
  await checkProtection(answer, trust)
}

export async function checkProtection(
  answer: PkiMessage,
  trust: Omit<AnswerTrust, 'protector'> & { readonly protector?: Protector },
): Promise<void> {
  const { header, protection } = answer
  if (protection === undefined || header.protectionAlg === undefined) throw wrong('it is not protected')
  if (macKindOf(header.protectionAlg) !== undefined) {
    const { protector } = trust
    const fits = protector?.kind === 'mac' && (await verifyMac(header.protectionAlg, protector.secret, protectedPart(answer), protection))
    if (!fits) throw wrong('its MAC is wrong')
    return
  }
  // Without anchors there is nobody whose signature says anything; errors of a server that is not known yet are told all the same.
  if (trust.paths.anchors.length === 0 && answer.body.type === 'error') return
  const signer = verifySignatureOf(answer, trust.paths.anchors, trust.pool.read)
  const others = answer.extraCerts.slice(1).flatMap((bytes) => trust.pool.read(bytes) ?? [])
  const { ok, why } = await trust.paths.validate(signer, others, trust.nowMs)
  if (!ok) throw wrong(why)
  if (trust.isRevoked?.(signer) === true) throw wrong('the certificate of its signer is revoked')
  const purposes = signer.extendedKeyUsage
  const speaks = signer.isAuthority || purposes.includes(Oid.cmcRa) || purposes.includes(Oid.cmcCa)
  if (!trust.anySigner && !speaks) throw wrong('its signer is not an authority')
}

function wrong(why: string): AppError {
  return new AppError('ra.rejected', `The answer of the authority cannot be trusted: ${why}`)
}
