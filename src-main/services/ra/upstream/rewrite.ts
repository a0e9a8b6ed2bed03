// Messages on their way through this authority: wrapped, or with the protection replaced (RFC 9483 §5.2.2, §5.2.3). What was signed by the device stays as it came.
import { NULL_DN } from '../x509/names.ts'
import type { PkiBody } from '../cmp/body.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { protectMessage, type HeaderDraft, type Protector } from '../cmp/protection.ts'
import { Refusal } from '../cmp/status.ts'
import type { Random } from '#main/base/index.ts'

export function senderOf(protector: Protector): HeaderDraft['sender'] {
  return { kind: 'directory', name: protector.kind === 'signature' ? protector.certificate.subject : NULL_DN }
}

/** A nested message with the nonce and the transaction identifier of what it holds (RFC 9483 §5.2.2.1). */
export function nest(message: PkiMessage, protector: Protector, nowMs: number, random: Random): Promise<Uint8Array> {
  const { header } = message
  const draft: HeaderDraft = {
    pvno: header.pvno,
    sender: senderOf(protector),
    recipient: header.recipient,
    messageTime: nowMs,
    recipKID: undefined,
    transactionID: header.transactionID,
    senderNonce: header.senderNonce,
    recipNonce: undefined,
    freeText: [],
    generalInfo: [],
  }
  return protectMessage(draft, { type: 'nested', messages: [message.bytes] }, protector, random)
}

/** The same message under another protection: nonces and transaction identifier stay, the body too, but for a proof that is vouched for. */
export function reprotect(
  message: PkiMessage,
  protector: Protector,
  nowMs: number,
  random: Random,
  popo: 'keep' | 'raVerified' = 'keep',
): Promise<Uint8Array> {
  const { header } = message
  const draft: HeaderDraft = {
    pvno: header.pvno,
    sender: senderOf(protector),
    recipient: header.recipient,
    messageTime: nowMs,
    recipKID: undefined,
    transactionID: header.transactionID,
    senderNonce: header.senderNonce,
    recipNonce: header.recipNonce,
    freeText: header.freeText,
    generalInfo: header.generalInfo,
  }
  return protectMessage(draft, popo === 'keep' ? message.body : vouched(message.body), protector, random, certificatesOf(message))
}

/** Of an answer: those that are not its own protection's chain to nobody, but what devices need to check their certificates. */
function certificatesOf({ body, extraCerts }: PkiMessage): readonly Uint8Array[] {
  return body.type === 'ip' || body.type === 'cp' || body.type === 'kup' ? extraCerts : []
}

function vouched(body: PkiBody): PkiBody {
  if (body.type !== 'ir' && body.type !== 'cr' && body.type !== 'kur') return body
  return { ...body, requests: body.requests.map((request) => ({ ...request, popo: { kind: 'raVerified' } })) }
}

/** The answer to the message that was nested, whether the server has wrapped it too. */
export function innerAnswer(answer: PkiMessage): Uint8Array {
  if (answer.body.type !== 'nested') return answer.bytes
  const [only, ...more] = answer.body.messages
  if (only === undefined || more.length > 0) throw new Refusal('systemFailure', 'The server answered with several messages')
  return only
}
