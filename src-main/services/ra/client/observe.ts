// Listens to announcements (RFC 9482 §2.6): registers at `/ann`, registers anew once in a while and after a loss, and believes only what an authority has signed.
import { AppError, type Clock, type SocketAddress, type Timer } from '#main/base/index.ts'
import type { ClientResponse, Observation, ObservingClient } from '#main/wire/coap/index.ts'
import type { PkiBody } from '../cmp/body.ts'
import { readMessage } from '../cmp/message.ts'
import { PKIXCMP } from '../transfer/paths.ts'
import { Certificate } from '../x509/certificate.ts'
import { PathValidator } from '../x509/path.ts'
import { CertificatePool } from '../x509/pool.ts'
import { checkProtection } from './answers.ts'

export type Announcement = Extract<PkiBody, { type: 'ckuann' | 'cann' | 'rann' | 'crlann' }>

/** The message around an announcement. */
export interface AnnouncedBy {
  readonly bytes: Uint8Array
  /** Certificates that came along. */
  readonly certificates: readonly Certificate[]
}

export interface AnnouncementOptions {
  readonly client: ObservingClient
  readonly to: SocketAddress
  readonly profile?: string
  /** Path of the server, `.well-known`, `cmp` unless discovery says otherwise. */
  readonly path?: readonly string[]
  readonly clock: Clock
  /** Roots in DER. */
  readonly anchors: readonly Uint8Array[]
  /** Registers anew after this time (RFC 9482 §2.6); an hour unless told. */
  readonly renewS?: number
  /** Whether a certificate that leads to a root counts for nothing all the same. */
  readonly isRevoked?: (certificate: Certificate) => boolean
  /** Signed by an authority. */
  readonly onAnnouncement: (announcement: Announcement, message: AnnouncedBy) => void
  /** Told after each answer, and where none comes, whether the server keeps this observer (RFC 7641 §4.1). */
  readonly onRegistered?: (isObserved: boolean) => void
  /** Told of what could not be believed or heard. */
  readonly onProblem?: (problem: AppError) => void
}

const DEFAULT_RENEW_S = 3600
/** Where the server has no place among its observers, or cannot be reached. */
const RETRY_S = 300
/** How far the server's clock may be ahead of this one. */
const AHEAD_MS = 600_000

/** Listens until the returned function is called. */
export function observeAnnouncements(options: AnnouncementOptions): () => void {
  const { client, to, profile, clock, renewS = DEFAULT_RENEW_S } = options
  const trust = { paths: new PathValidator(options.anchors.map((bytes) => new Certificate(bytes))), pool: new CertificatePool() }
  const { path: base = ['.well-known', 'cmp'], onRegistered } = options
  const path = [...base, ...(profile === undefined ? [] : ['p', profile]), 'ann']
  let observation: Observation | undefined
  let timer: Timer | undefined
  let stopped = false
  const again = (afterS: number): void => {
    timer?.cancel()
    if (!stopped) timer = clock.setTimer(afterS * 1000, register)
  }
  const register = (): void => {
    observation?.forget()
    observation = undefined
    try {
      observe()
    } catch (thrown) {
      // The network may have moved away under it.
      if (!(thrown instanceof AppError)) throw thrown
      onRegistered?.(false)
      options.onProblem?.(thrown)
      again(RETRY_S)
    }
  }
  const observe = (): void => {
    const current = client.observe(
      to,
      { method: 'GET', path, accept: PKIXCMP },
      {
        onNotification: (response) => {
          if (observation === current) onRegistered?.(current.active)
          void take(options, trust, response)
        },
      },
    )
    observation = current
    again(renewS)
    ended(current).then(
      () => over(current),
      (thrown: unknown) => {
        over(current)
        if (!stopped && thrown instanceof AppError) options.onProblem?.(thrown)
      },
    )
  }
  const over = (which: Observation): void => {
    if (stopped || observation !== which) return
    onRegistered?.(false)
    again(RETRY_S)
  }
  register()
  return () => {
    stopped = true
    timer?.cancel()
    observation?.forget()
  }
}

/** Resolves when the server has ended the observation, or never had it. */
async function ended(observation: Observation): Promise<void> {
  const iterator = observation[Symbol.asyncIterator]()
  while ((await iterator.next()).done !== true) continue
}

async function take(
  { clock, isRevoked, onAnnouncement, onProblem }: AnnouncementOptions,
  trust: { readonly paths: PathValidator; readonly pool: CertificatePool },
  response: ClientResponse,
): Promise<void> {
  try {
    if (response.code !== '2.05' || response.contentFormat !== PKIXCMP) {
      throw new AppError('coap.response-error', `The server answered ${response.code} for announcements`, {
        details: { code: response.code },
      })
    }
    const message = readMessage(response.payload)
    await checkProtection(message, {
      ...trust,
      anySigner: false,
      nowMs: clock.now(),
      ...(isRevoked === undefined ? {} : { isRevoked }),
    })
    const { body } = message
    if (body.type !== 'ckuann' && body.type !== 'cann' && body.type !== 'rann' && body.type !== 'crlann') {
      throw new AppError('ra.rejected', `A message of the kind ${body.type} is no announcement`)
    }
    if (message.header.messageTime !== undefined && message.header.messageTime > clock.now() + AHEAD_MS)
      throw new AppError('ra.rejected', 'The announcement is of a time to come')
    onAnnouncement(body, {
      bytes: response.payload,
      certificates: message.extraCerts.flatMap((bytes) => trust.pool.read(bytes) ?? []),
    })
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    onProblem?.(thrown)
  }
}
