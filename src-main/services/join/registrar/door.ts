// Who may open a DTLS session with the registrar, and what is told of it: pledges of known makers, those that a person may admit, and members
// whose certificates stand; everybody else gets the alert that fits (RFC 5246 §7.2.2). A server name is ignored (constrained-voucher §6.3).
import { toHex, type Clock } from '#main/base/index.ts'
import { SourceRates } from '#main/services/ra/index.ts'
import type {
  AlertName,
  Credential,
  DtlsEvent,
  DtlsPeer,
  DtlsServerSettings,
  DtlsSession,
  PeerQuestion,
  Verdict,
} from '#main/wire/dtls/index.ts'
import type { JoinPortEvent } from '../port/index.ts'
import { proxyText, type Callers, type CallerVerdict } from './callers.ts'
import type { RegistrarIdentity } from './identity.ts'
import type { Journal } from './journal.ts'

const ALERTS: Readonly<Record<Extract<CallerVerdict, { kind: 'refused' }>['reason'], AlertName>> = {
  unreadable: 'bad_certificate',
  revoked: 'certificate_revoked',
  expired: 'certificate_expired',
  unconfirmed: 'certificate_unknown',
  unknown: 'unknown_ca',
}
const MAX_STARTED = 2048
/** Refused at the door: certificates cost their maker nothing, and lists are for people. */
const REFUSALS = { burst: 60, perMinute: 30, concurrent: Number.POSITIVE_INFINITY }
const ANYBODY = { address: 'anybody', port: 0 }

export interface DoorOptions {
  readonly identity: RegistrarIdentity
  readonly callers: Callers
  readonly journal: Journal
  readonly clock: Clock
}

export class Door {
  readonly #options: DoorOptions
  /** When the handshakes began that are still under way. */
  readonly #started = new Map<string, number>()
  readonly #refusals: SourceRates
  readonly settings: DtlsServerSettings

  constructor(options: DoorOptions) {
    this.#options = options
    this.#refusals = new SourceRates(options.clock, REFUSALS)
    const { identity } = options
    this.settings = {
      // Looked up for each handshake: it is renewed while the server runs.
      get credential(): Credential | undefined {
        const { current } = identity
        return current === undefined ? undefined : { kind: 'certificate', chain: current.chain, key: current.key }
      },
      clientCertificates: 'required',
      verifyPeer: (question) => this.#judge(question),
    }
  }

  /** What the DTLS server of the coaps endpoint tells. */
  watch(event: DtlsEvent<DtlsPeer>): void {
    if (event.kind === 'started' && event.role === 'server') this.#begin(event.peer.key)
    else if (event.kind === 'established' && event.session.role === 'server') this.#stands(event.peer.key, event.session, undefined)
    else if (event.kind === 'failed' || event.kind === 'closed') this.#started.delete(event.peer.key)
  }

  /** What the join port tells. */
  watchJoinPort(event: JoinPortEvent): void {
    const key = `join ${event.path}`
    if (event.kind === 'started') this.#begin(key)
    else if (event.kind === 'established') this.#stands(key, event.session, proxyText(event.proxy))
    else this.#started.delete(key)
  }

  #begin(key: string): void {
    this.#started.delete(key)
    const [oldest] = this.#started.keys()
    if (this.#started.size >= MAX_STARTED && oldest !== undefined) this.#started.delete(oldest)
    this.#started.set(key, this.#now())
  }

  #stands(key: string, session: DtlsSession, proxy: string | undefined): void {
    const { callers, journal } = this.#options
    const atMs = this.#now()
    const startedMs = this.#started.get(key) ?? atMs
    this.#started.delete(key)
    const chain = session.identity?.certificates
    if (chain === undefined) return
    void callers.judge(chain, proxy).then((verdict) => {
      if (verdict.kind !== 'known' || verdict.caller.kind !== 'pledge') return
      journal.stateOf(verdict.caller.pledge).told.clear()
      journal.note(verdict.caller.pledge, 'seen', 'done', { atMs: startedMs })
      journal.note(verdict.caller.pledge, 'connected', 'done', { atMs })
    })
  }

  #now(): number {
    return Math.floor(this.#options.clock.now())
  }

  async #judge({ credential, peerRole }: PeerQuestion): Promise<Verdict> {
    if (credential.kind !== 'certificate' || peerRole !== 'client')
      return { ok: false, alert: 'unsupported_certificate', reason: 'Only devices with certificates are served' }
    const verdict = await this.#options.callers.judge(credential.chain, undefined)
    if (verdict.kind === 'known') return { ok: true, name: `sha256:${toHex(verdict.caller.certificate.fingerprint())}` }
    const { reason, why, pledge } = verdict
    if (pledge !== undefined && this.#refusals.admit('door', ANYBODY, 0).ok) {
      const code = reason === 'revoked' ? 'join.certificate-revoked' : 'join.certificate-refused'
      this.#options.journal.note(pledge, 'connected', 'failed', { code, detail: why })
    }
    return { ok: false, alert: ALERTS[reason], reason: why }
  }
}
