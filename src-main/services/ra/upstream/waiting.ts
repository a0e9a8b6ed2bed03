// What a device is told while its request waits for a server above (RFC 9483 §4.4).
import type { PkiBody } from '../cmp/body.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { Refusal, statusOf } from '../cmp/status.ts'
import type { Credential } from '../engine/credentials.ts'
import { REPLY_TYPES } from '../engine/enrolment.ts'
import type { Replies } from '../engine/replies.ts'

/** The answer to the request itself: wait. */
export async function toldToWait(replies: Replies, { header, body }: PkiMessage, credential: Credential | undefined): Promise<Uint8Array> {
  if (body.type !== 'ir' && body.type !== 'cr' && body.type !== 'kur' && body.type !== 'p10cr')
    throw new Refusal('badRequest', 'Only enrolments wait')
  const reply: PkiBody = {
    type: REPLY_TYPES[body.type],
    caPubs: [],
    responses: [{ certReqId: body.type === 'p10cr' ? -1 : 0, status: statusOf('waiting') }],
  }
  return (await replies.build(header, reply, credential?.protector)).bytes
}

export async function pollAgain(
  replies: Replies,
  { header, body }: PkiMessage,
  credential: Credential | undefined,
  checkAfterS: number,
): Promise<Uint8Array> {
  if (body.type !== 'pollReq') throw new Refusal('badRequest', 'The transaction waits for its answer')
  const reply: PkiBody = { type: 'pollRep', replies: body.certReqIds.map((certReqId) => ({ certReqId, checkAfterS, reason: [] })) }
  return (await replies.build(header, reply, credential?.protector)).bytes
}
