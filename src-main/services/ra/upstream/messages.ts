// What the reverse proxy reads out of messages and failures: whose they are, whether anything follows, whether waiting helps.
import { AppError, sha256, toHex } from '#main/base/index.ts'
import type { BodyType } from '../cmp/body.ts'
import { hasImplicitConfirm } from '../cmp/header.ts'
import { readMessage, type PkiMessage } from '../cmp/message.ts'
import { PkiStatus, Refusal } from '../cmp/status.ts'
import type { Credential } from '../engine/credentials.ts'

/** What begins a transaction here. */
export const FIRST: readonly BodyType[] = ['ir', 'cr', 'kur', 'p10cr', 'rr', 'genm']
export const ENROLMENTS: readonly BodyType[] = ['ir', 'cr', 'kur', 'p10cr']
/** Answers after which nothing follows. */
const LAST: readonly BodyType[] = ['pkiconf', 'rp', 'genp', 'error']

export function readAnswer(bytes: Uint8Array): PkiMessage {
  try {
    return readMessage(bytes)
  } catch (cause) {
    throw new Refusal('systemFailure', 'The server answered with something that is no CMP message', cause)
  }
}

/** How requesters are named whom only the server knows. */
export const UNKNOWN = 'unknown:'

/** The credential's own name, or what the message says where only the server can tell. */
export function requesterOf(message: PkiMessage, credential: Credential | undefined): string {
  if (credential !== undefined) return credential.requester.key
  const [certificate] = message.extraCerts
  return `${UNKNOWN}${toHex(message.header.senderKID ?? new Uint8Array(0))}:${certificate === undefined ? '' : toHex(sha256(certificate))}`
}

export function isUnreachable(thrown: unknown): boolean {
  return thrown instanceof AppError && thrown.code === 'ra.upstream-unreachable'
}

/** Whether it brings a certificate. */
export function brings({ body }: PkiMessage): boolean {
  return (
    (body.type === 'ip' || body.type === 'cp' || body.type === 'kup') && body.responses.some(({ certificate }) => certificate !== undefined)
  )
}

export function isLast({ body, header }: PkiMessage): boolean {
  if (LAST.includes(body.type)) return true
  if (body.type !== 'ip' && body.type !== 'cp' && body.type !== 'kup') return false
  const status = body.responses[0]?.status.status
  return status === PkiStatus.rejection || (status !== PkiStatus.waiting && hasImplicitConfirm(header))
}
