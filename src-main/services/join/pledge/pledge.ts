// A pledge from its first flight to its certificate: voucher, trust, CA certificates, enrolment, telemetry, renewal
// (draft-ietf-anima-constrained-voucher §6.5 to §6.7, RFC 8995 §5, RFC 9148).
import { AppError, equalBytes, generateSigningKey, toAppError } from '#main/base/index.ts'
import { asn1, Certificate, PathValidator } from '#main/services/ra/index.ts'
import { ContentFormat, type ClientResponse } from '#main/wire/coap/index.ts'
import type { Verdict } from '#main/wire/dtls/index.ts'
import { writeStatusReport } from '../brski/index.ts'
import { challengeOf, EstFormat, readCertificates, readCsrAttributes, writeRequest } from '../est/index.ts'
import { judgeVoucher, makePledgeRequest, VOUCHER_COSE, type AcceptedVoucher } from '../voucher/index.ts'
import { ask } from './exchange.ts'
import { NEW_PLEDGE, readPledgeState, writePledgeState, type PledgeState } from './memory.ts'
import { openPledgeSession, type PledgeSession, type RegistrarJudge } from './session.ts'
import type { JoinedPledge, PledgeCredential, PledgeOptions, PledgeStep } from './types.ts'

const NONCE_BYTES = 8
const EST = ['.well-known', 'est']
const BRSKI = ['.well-known', 'brski']

export class Pledge {
  readonly #options: PledgeOptions
  #state: PledgeState

  constructor(options: PledgeOptions) {
    this.#options = options
    this.#state = readPledgeState(options.keeper?.load())
  }

  /** What it has reached before; undefined while it belongs to nobody. */
  get joined(): JoinedPledge | undefined {
    const { key, certificate, anchors } = this.#state
    if (key === undefined || certificate === undefined) return undefined
    return { key, certificate, anchors, chain: intermediatesOf(anchors) }
  }

  /** Forgets all but its birth. */
  reset(): void {
    this.#keep(NEW_PLEDGE)
  }

  /**
   * Goes on from where it stands until it has its certificate. Rejects with `dtls.*`, `voucher.*` (the voucher is not to be trusted),
   * `join.registrar-refused`, `join.registrar-unreachable`, `join.awaits-decision`, `join.answer-invalid` or `cancelled`.
   */
  async join(signal?: AbortSignal): Promise<JoinedPledge> {
    if (this.joined === undefined) {
      const { birth } = this.#options
      const trusted = this.#state.pinned
      const session = await this.#connect(birth, trusted.length === 0 ? provisional : this.#trusting(trusted), signal)
      try {
        if (trusted.length === 0) await this.#askVoucher(session, signal)
        await this.#enrol(session, signal)
      } finally {
        await session.close()
      }
    }
    const { joined } = this
    if (joined === undefined) throw invalid('There is no certificate after all')
    await this.#tellEnrolled(joined, signal)
    return joined
  }

  /** Gets a successor of its certificate by that (§6.7.4). The old one stays where that fails. */
  async renew(signal?: AbortSignal): Promise<JoinedPledge> {
    const before = this.joined
    if (before === undefined) throw new AppError('join.answer-invalid', 'There is nothing to renew')
    const session = await this.#connect(credentialOf(before), this.#trusting(before.anchors), signal)
    try {
      const key = generateSigningKey(this.#options.keyAlgorithm ?? before.key.algorithm)
      const request = writeRequest({ subject: before.certificate.subject, ...this.#binding(session) }, key)
      const certificate = await this.#certificate(session, 'sren', request, signal)
      const anchors = (await this.#reaches(certificate, before.anchors)) ? before.anchors : await this.#anchors(session, signal)
      await this.#accept(session, certificate, key.spki, anchors, signal)
      this.#keep({ ...this.#state, key, request: undefined, certificate, anchors })
    } finally {
      await session.close()
    }
    const joined = this.joined ?? before
    await this.#tellEnrolled(joined, signal)
    return joined
  }

  async #connect(credential: PledgeCredential, judge: RegistrarJudge, signal: AbortSignal | undefined): Promise<PledgeSession> {
    const { onStep } = this.#options
    onStep?.('connect', 'begun')
    try {
      const session = await openPledgeSession(this.#options, credential, judge, signal)
      onStep?.('connect', 'done')
      return session
    } catch (thrown) {
      onStep?.('connect', 'failed', toAppError(thrown).code)
      throw thrown
    }
  }

  // ---- Voucher -----------------------------------------------------------------------------------------------------

  async #askVoucher(session: PledgeSession, signal: AbortSignal | undefined): Promise<void> {
    const { birth, random, clock, makerAnchors, hasClock = true, acceptsNonceless = false } = this.#options
    const [registrarCertificate] = session.registrarChain
    const [idevid] = birth.chain
    if (registrarCertificate === undefined || idevid === undefined) throw invalid('The registrar has shown no certificate')
    const nonce = random.bytes(NONCE_BYTES)
    const nowMs = hasClock ? { nowMs: clock.now() } : {}
    const payload = makePledgeRequest(birth, { format: 'cose', nonce, registrarCertificate, ...nowMs })
    const response = await this.#post(session, 'voucher', [...BRSKI, 'rv'], payload, VOUCHER_COSE, VOUCHER_COSE, signal)
    let accepted: AcceptedVoucher
    try {
      if (response.contentFormat !== VOUCHER_COSE) throw invalid('The voucher has another format than was asked for')
      const { registrarChain } = session
      const judged = { bytes: response.payload, format: 'cose', idevid, nonce, anchors: makerAnchors, registrarChain } as const
      accepted = await judgeVoucher({ ...judged, ...nowMs, acceptNonceless: acceptsNonceless })
    } catch (thrown) {
      const error = toAppError(thrown)
      // To whom nobody has vouched for no more is told than the kind of the failure (RFC 8995 §5.7).
      await this.#report(session, 'voucher-status', 'vs', false, error.code, signal).catch(() => undefined)
      throw error
    }
    await this.#report(session, 'voucher-status', 'vs', true, undefined, signal)
    this.#keep({ ...NEW_PLEDGE, pinned: [accepted.anchor ?? registrarCertificate] })
  }

  // ---- Enrolment ---------------------------------------------------------------------------------------------------

  async #enrol(session: PledgeSession, signal: AbortSignal | undefined): Promise<void> {
    const { anchors: order = 'as-needed', birth, asksAttributes = false } = this.#options
    try {
      if (order === 'first' && this.#state.anchors.length === 0)
        this.#keep({ ...this.#state, anchors: await this.#anchors(session, signal) })
      if (this.#state.key === undefined || this.#state.request === undefined) {
        const wanted = asksAttributes ? await this.#wanted(session, signal) : undefined
        const key = generateSigningKey(this.#options.keyAlgorithm ?? wanted?.keyType ?? 'P-256')
        const [own] = birth.chain
        const subject = this.#options.subject ?? (own === undefined ? undefined : new Certificate(own).subject)
        if (subject === undefined) throw invalid('The birth certificate is missing')
        // The same request again, also after a power cut: it gets the same certificate.
        this.#keep({ ...this.#state, key, request: writeRequest({ subject, ...this.#binding(session, wanted?.isBound) }, key) })
      }
      const { key, request, pinned } = this.#state
      if (key === undefined || request === undefined) throw invalid('The request is gone')
      const certificate = await this.#certificate(session, 'sen', request, signal)
      let { anchors } = this.#state
      if (anchors.length === 0) anchors = isIssuingRoot(pinned, certificate) ? pinned : await this.#anchors(session, signal)
      await this.#accept(session, certificate, key.spki, anchors, signal)
      this.#keep({ ...this.#state, certificate, anchors, request: undefined })
    } catch (thrown) {
      const error = toAppError(thrown)
      // A request that was refused is not sent a second time.
      if (error.code === 'join.registrar-refused') this.#keep({ ...this.#state, key: undefined, request: undefined })
      throw error
    }
  }

  #binding(session: PledgeSession, isWanted = false): { readonly challengePassword?: string } {
    const challenge = isWanted || this.#options.bindsRequest === true ? challengeOf(session.dtls) : undefined
    return challenge === undefined ? {} : { challengePassword: challenge }
  }

  async #wanted(session: PledgeSession, signal: AbortSignal | undefined): Promise<ReturnType<typeof readCsrAttributes> | undefined> {
    try {
      const response = await this.#get(session, 'attributes', 'att', EstFormat.CSR_ATTRIBUTES, signal)
      return readCsrAttributes(response.payload)
    } catch (thrown) {
      // 4.04: nothing is wanted (RFC 9148 §4.5).
      if (toAppError(thrown).code === 'cancelled') throw thrown
      return undefined
    }
  }

  async #anchors(session: PledgeSession, signal: AbortSignal | undefined): Promise<readonly Uint8Array[]> {
    const response = await this.#get(session, 'anchors', 'crts', EstFormat.MULTIPART, signal)
    const found = this.#certificatesIn(response).map(({ bytes }) => bytes)
    if (found.length === 0) throw invalid('The registrar has given no CA certificates')
    return found
  }

  async #certificate(
    session: PledgeSession,
    operation: 'sen' | 'sren',
    request: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Certificate> {
    const path = [...EST, operation]
    const response = await this.#post(session, 'certificate', path, request, EstFormat.PKCS10, EstFormat.PKIX_CERT, signal)
    const [certificate] = this.#certificatesIn(response)
    if (certificate === undefined) throw invalid('The registrar has given no certificate')
    return certificate
  }

  #certificatesIn({ contentFormat, payload }: ClientResponse): readonly Certificate[] {
    try {
      return readCertificates(contentFormat, payload)
    } catch (cause) {
      throw invalid('The certificates cannot be read', cause)
    }
  }

  /** What does not fit is told over the same session (RFC 8995 §5.9.4). */
  async #accept(
    session: PledgeSession,
    certificate: Certificate,
    spki: Uint8Array,
    anchors: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const isForUs = equalBytes(certificate.spki, spki)
    if (isForUs && (await this.#reaches(certificate, anchors))) return
    const why = isForUs ? 'The certificate leads to none of the CA certificates' : 'The certificate is for another key'
    await this.#report(session, 'enrol-status', 'es', false, why, signal).catch(() => undefined)
    // With this request nothing better would come.
    this.#keep({ ...this.#state, ...(this.#state.certificate === undefined ? { key: undefined, request: undefined, anchors: [] } : {}) })
    throw invalid(why)
  }

  async #tellEnrolled(joined: JoinedPledge, signal: AbortSignal | undefined): Promise<void> {
    const session = await this.#connect(credentialOf(joined), this.#trusting(joined.anchors), signal)
    const { to, afterwards } = this.#options
    try {
      await this.#report(session, 'enrol-status', 'es', true, undefined, signal).catch((thrown: unknown) => {
        const error = toAppError(thrown)
        // A server of EST alone has no such resource (§6.7.4).
        if (error.details.responseCode !== '4.04') throw error
      })
      await afterwards?.((request) => session.endpoint.request(to, request, signal === undefined ? {} : { signal }))
    } finally {
      await session.close()
    }
  }

  // ---- Small things ------------------------------------------------------------------------------------------------

  /** A registrar is known by its path to what is trusted and, where it is not pinned itself, by id-kp-cmcRA (RFC 7030 §3.6.1). */
  #trusting(anchors: readonly Uint8Array[]): RegistrarJudge {
    return async (chain) => {
      try {
        const [own, ...others] = chain.map((der) => new Certificate(der))
        if (own === undefined) return refuse('bad_certificate', 'The registrar has shown no certificate')
        if (anchors.some((anchor) => equalBytes(anchor, own.bytes))) return { ok: true }
        if (!own.extendedKeyUsage.includes(asn1.Oid.cmcRa)) return refuse('unsupported_certificate', 'This is no registrar')
        return (await this.#reaches(own, anchors, others)) ? { ok: true } : refuse('unknown_ca', 'The registrar belongs to somebody else')
      } catch {
        return refuse('bad_certificate', 'The certificate of the registrar cannot be read')
      }
    }
  }

  async #reaches(certificate: Certificate, anchors: readonly Uint8Array[], others: readonly Certificate[] = []): Promise<boolean> {
    const trusted = anchors.map((der) => new Certificate(der))
    const all = [certificate, ...others, ...trusted]
    // Without a clock a certificate is as good as its signature (RFC 8995 §2.6.1).
    const nowMs = this.#options.hasClock === false ? Math.max(...all.map(({ notBefore }) => notBefore)) : this.#options.clock.now()
    return (await new PathValidator(trusted).validate(certificate, others, nowMs)).ok
  }

  #get(session: PledgeSession, step: PledgeStep, name: string, accept: number, signal: AbortSignal | undefined): Promise<ClientResponse> {
    return ask(this.#options, session, step, { method: 'GET', path: [...EST, name], accept }, signal)
  }

  #post(
    session: PledgeSession,
    step: PledgeStep,
    path: readonly string[],
    payload: Uint8Array,
    contentFormat: number,
    accept: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ClientResponse> {
    const request = { method: 'POST', path, payload, contentFormat, ...(accept === undefined ? {} : { accept }) } as const
    return ask(this.#options, session, step, request, signal)
  }

  async #report(
    session: PledgeSession,
    step: PledgeStep,
    name: string,
    status: boolean,
    reason: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#post(session, step, [...BRSKI, name], writeStatusReport(status, reason), ContentFormat.CBOR, undefined, signal)
  }

  #keep(state: PledgeState): void {
    this.#state = state
    this.#options.keeper?.save(writePledgeState(state))
  }
}

const provisional: RegistrarJudge = () => Promise.resolve({ ok: true })

function refuse(alert: Extract<Verdict, { ok: false }>['alert'], reason: string): Verdict {
  return { ok: false, alert, reason }
}

function credentialOf({ key, certificate, chain }: JoinedPledge): PledgeCredential {
  return { key, chain: [certificate.bytes, ...chain] }
}

/** Others know the root and need what is below it. */
function intermediatesOf(anchors: readonly Uint8Array[]): readonly Uint8Array[] {
  return anchors.filter((der) => !new Certificate(der).isSelfIssued)
}

/** §6.7.1, step 3: then the pinned certificate is all that is needed. */
function isIssuingRoot(pinned: readonly Uint8Array[], certificate: Certificate): boolean {
  const [only, ...more] = pinned.map((der) => new Certificate(der))
  return only !== undefined && more.length === 0 && only.isAuthority && only.isIssuedBy(only) && certificate.isIssuedBy(only)
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError('join.answer-invalid', why, { cause })
}
