// CoAP over DTLS at each place where the site listens (RFC 7252 §9.1, RFC 9482 §4): there as soon as the site's authority can certify this program.
import { toAppError, toHex, type AppError, type Clock, type Logger, type PeerIdentity } from '#main/base/index.ts'
import type { Registrar } from '#main/services/join/index.ts'
import { tryCertificate } from '#main/services/ra/index.ts'
import { createRaStore, type SiteFile } from '#main/store/index.ts'
import type { Credential, PeerVerifier } from '#main/wire/dtls/index.ts'
import { createTrust } from './coaps-trust.ts'
import type { SiteEnrolment } from './enrolment.ts'
import type { SiteJoining } from './joining.ts'
import type { Guard } from './network-secured.ts'
import type { SiteNetwork } from './network.ts'

export interface CoapsPorts {
  readonly file: SiteFile
  readonly network: SiteNetwork
  readonly enrolment: Pick<SiteEnrolment, 'parts' | 'failure' | 'manufacturers' | 'onChange'>
  /** Keeps the certificate by which this program is known, and receives those who want to join. */
  readonly joining: Pick<SiteJoining, 'open' | 'shut' | 'networkChanged' | 'wantsJoinPort'>
  /** Addresses of this machine, which certificates have in them. */
  readonly addresses: () => readonly string[]
  readonly clock: Clock
  readonly logger: Logger
}

export type CoapsState =
  | { readonly kind: 'on' }
  /** The site has no authority (yet) that could certify this program. */
  | { readonly kind: 'no-authority' }
  | { readonly kind: 'failed'; readonly error: AppError }

export interface SiteCoaps {
  readonly state: CoapsState
  /** Addresses may have changed. Resolves when it listens, or it is told why not. */
  networkChanged(): Promise<void>
  onChange(listener: () => void): () => void
  close(): Promise<void>
}

export function createSiteCoaps({ file, network, enrolment, joining, addresses, clock, logger }: CoapsPorts): SiteCoaps {
  const records = createRaStore(file.database)
  const listeners = new Set<() => void>()
  let state: CoapsState = { kind: 'no-authority' }
  let registrar: Registrar | undefined
  let guard: Guard | undefined
  let turn: Promise<void> = Promise.resolve()
  let closed = false
  let endWatch: (() => void) | undefined
  let hasRevoked = false

  const isRevoked = (serial: string): boolean => records.certificate(serial)?.state === 'revoked'
  const trust = createTrust({
    authorities: () => enrolment.parts?.ca.authorities.map(({ certificate }) => certificate) ?? [],
    manufacturers: () => enrolment.manufacturers,
    isRevoked,
    clock,
  })
  /** Of those whom the registrar lets come, members of the site are called by their names. */
  const verifyPeer: PeerVerifier = async (question) => {
    if (question.peerRole === 'server') return trust.verifyPeer(question)
    const verdict = await registrar?.dtls.verifyPeer?.(question)
    if (verdict === undefined) return { ok: false, alert: 'access_denied', reason: 'Nobody is received' }
    if (!verdict.ok) return verdict
    const named = await trust.verifyPeer(question)
    return named.ok ? named : verdict
  }
  const credentialNow = (): Credential | undefined => registrar?.dtls.credential
  /** Asked at each handshake: those that begin after a renewal show the new certificate. */
  const server = (clientCertificates: 'requested' | 'required'): Guard['server'] => ({
    get credential(): Credential {
      const credential = credentialNow()
      if (credential === undefined) throw new TypeError('The registrar is gone')
      return credential
    },
    clientCertificates,
    verifyPeer,
  })
  const guardOf = (open: Registrar): Guard => ({
    server: server('requested'),
    client: () => {
      const credential = credentialNow()
      return credential === undefined ? undefined : { credential, verifyPeer }
    },
    onEvent: (event) => open.watch(event),
    ...(joining.wantsJoinPort ? { join: { server: server('required'), onEvent: (event) => open.watchJoinPort(event) } } : {}),
  })
  const holdsRevoked = ({ certificates }: PeerIdentity): boolean => {
    const certificate = certificates?.[0] === undefined ? undefined : tryCertificate(certificates[0])
    return certificate !== undefined && isRevoked(toHex(certificate.serial))
  }

  async function update(): Promise<void> {
    if (closed) return
    const { parts, failure } = enrolment
    const before = JSON.stringify([state.kind, network.listening])
    trust.changed()
    endWatch ??= parts?.ca.subscribe(({ kind }) => {
      hasRevoked ||= kind === 'revoked'
    })
    if (hasRevoked) network.endSessions(holdsRevoked)
    hasRevoked = false
    let next: Registrar | undefined
    try {
      if (parts === undefined && failure !== undefined) throw failure
      next = parts?.ca.exists === true ? await joining.open(parts, addresses()) : undefined
      state = { kind: next === undefined ? 'no-authority' : 'on' }
    } catch (thrown) {
      state = { kind: 'failed', error: toAppError(thrown) }
      logger.warn({ code: state.error.code }, 'there is no certificate for CoAP over DTLS')
    }
    if (stopped()) return
    if (next === undefined) joining.shut()
    if (next !== registrar || guard === undefined || (guard.join !== undefined) !== joining.wantsJoinPort) {
      registrar = next
      guard = next === undefined ? undefined : guardOf(next)
    }
    await network.secure(guard)
    if (stopped()) return
    joining.networkChanged()
    if (JSON.stringify([state.kind, network.listening]) !== before) for (const listener of [...listeners]) listener()
  }
  const stopped = (): boolean => closed
  const inTurn = (): Promise<void> => (turn = turn.then(update, update))
  const endFollow = enrolment.onChange(() => void inTurn())

  return {
    get state() {
      return state
    },
    networkChanged: inTurn,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      closed = true
      endFollow()
      endWatch?.()
      listeners.clear()
      await turn
    },
  }
}
