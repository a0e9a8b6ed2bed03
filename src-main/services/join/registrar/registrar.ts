// The registrar: puts identity, door, EST and BRSKI together on one tree of resources, and tells the gate how each device fares
// (draft-ietf-anima-constrained-voucher §6, RFC 8995 §5, RFC 9148).
import { toAppError, toHex, type AppError, type Clock, type Logger, type Random } from '#main/base/index.ts'
import {
  rejectCarried,
  takeUpCarried,
  type Certificate,
  type GeneralName,
  type KeyVault,
  type RateLimits,
  type RegistrationAuthority,
} from '#main/services/ra/index.ts'
import type { IncomingRequest, ResourceRegistry } from '#main/wire/coap/index.ts'
import type { DtlsEvent, DtlsPeer, DtlsServerSettings, DtlsSession } from '#main/wire/dtls/index.ts'
import { serveBrski, type BrskiAccess, type BrskiCaller, type StatusReport, type VoucherProvider } from '../brski/index.ts'
import { serveEst, type BindingPolicy, type EstAccess, type EstCaller, type EstNews, type EstVerdict } from '../est/index.ts'
import { isProxiedSource, proxyOfSource, type JoinPortEvent } from '../port/index.ts'
import type { JoinGate, PledgeIdentity } from '../types.ts'
import type { AuditLog } from '../voucher/index.ts'
import { Callers, proxyText, type Caller } from './callers.ts'
import { Door } from './door.ts'
import { RegistrarIdentity, type RegistrarCredential, type RegistrarKeeper } from './identity.ts'
import { Journal } from './journal.ts'

export interface RegistrarSettings {
  /** Of the registrar's certificate. */
  readonly subject?: string
  readonly altNames?: readonly GeneralName[]
  readonly lifetimeS?: number
  /** Whether devices of unknown makers may connect, so that a person can admit them; they may unless told otherwise. */
  readonly allowsUnknownMakers?: boolean
  readonly binding?: BindingPolicy
  readonly generatesKeys?: boolean
  readonly cmsContentFormat?: number
  readonly rates?: Partial<RateLimits>
}

export interface RegistrarOptions {
  readonly registry: ResourceRegistry
  readonly authority: RegistrationAuthority
  readonly vault: KeyVault
  readonly keeper: RegistrarKeeper
  readonly vouchers: VoucherProvider
  readonly gate: JoinGate
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings?: RegistrarSettings
  /** What the maker says of former owners, or why it does not, once the pledge trusts us; nobody is asked where nobody wants to know. */
  readonly onAuditLog?: (pledge: PledgeIdentity, log: AuditLog | AppError) => void
  /** The DTLS session that carried it. */
  readonly sessionOf?: (request: IncomingRequest) => DtlsSession | undefined
  /** Ends the session that carried it. */
  readonly disconnect?: (request: IncomingRequest) => void
}

export interface Registrar {
  /** For the DTLS server of coaps and for the join port alike. */
  readonly dtls: DtlsServerSettings
  /** Undefined as long as the site has no authority. */
  readonly credential: RegistrarCredential | undefined
  /** Events of that server, for the timeline. */
  watch(event: DtlsEvent<DtlsPeer>): void
  watchJoinPort(event: JoinPortEvent): void
  /** Obtains or renews the certificate where that is due: call it once an authority was made. */
  refresh(): Promise<void>
  close(): void
}

/** After the answer has left. */
const HANG_UP_MS = 2000

/** With its certificate, where the site has an authority. */
export async function createRegistrar(options: RegistrarOptions): Promise<Registrar> {
  const { registry, authority, clock, settings = {}, gate } = options
  const { vault, keeper, logger } = options
  const { subject, altNames, lifetimeS, allowsUnknownMakers = true, binding, generatesKeys, cmsContentFormat, rates } = settings
  const identity = new RegistrarIdentity({
    authority,
    vault,
    keeper,
    clock,
    logger,
    ...(subject === undefined ? {} : { subject }),
    ...(altNames === undefined ? {} : { altNames }),
    ...(lifetimeS === undefined ? {} : { lifetimeS }),
  })
  const callers = new Callers({ authority, allowsUnknownMakers })
  const journal = new Journal(gate, clock)
  const door = new Door({ identity, callers, journal, clock })
  const access = new RegistrarAccess(options, identity, callers, journal)
  await identity.refresh()
  const shared = { registry, access, clock, ...(rates === undefined ? {} : { rates }) }
  const removals = [
    serveEst({
      ...shared,
      authority,
      ...(binding === undefined ? {} : { binding }),
      ...(generatesKeys === undefined ? {} : { generatesKeys }),
    }),
    serveBrski({ ...shared, ...(cmsContentFormat === undefined ? {} : { cmsContentFormat }) }),
  ]
  return {
    dtls: door.settings,
    get credential() {
      return identity.current
    },
    watch: (event) => door.watch(event),
    watchJoinPort: (event) => door.watchJoinPort(event),
    refresh: () => identity.refresh(),
    close: () => {
      for (const remove of removals) remove()
      identity.close()
    },
  }
}

class RegistrarAccess implements EstAccess, BrskiAccess {
  readonly #options: RegistrarOptions
  readonly #identity: RegistrarIdentity
  readonly #callers: Callers
  readonly #journal: Journal
  readonly #known = new WeakMap<EstCaller, Caller>()

  constructor(options: RegistrarOptions, identity: RegistrarIdentity, callers: Callers, journal: Journal) {
    this.#options = options
    this.#identity = identity
    this.#callers = callers
    this.#journal = journal
  }

  get ownCertificates(): readonly Certificate[] {
    return this.#identity.certificates
  }

  get vouchers(): VoucherProvider {
    return this.#options.vouchers
  }

  sessionOf(request: IncomingRequest): DtlsSession | undefined {
    return this.#options.sessionOf?.(request)
  }

  // ---- EST ---------------------------------------------------------------------------------------------------------

  async judge(request: IncomingRequest, operation: string): Promise<EstVerdict> {
    const caller = await this.#who(request)
    if (caller === undefined) return { kind: 'refuse', code: '4.01', why: 'The certificate does not hold here' }
    const { pledge } = caller
    if (caller.kind === 'member') return this.#allow(caller)
    if (operation === 'sren') return { kind: 'refuse', code: '4.03', why: 'Only a certificate of this site can be renewed' }
    if (this.#journal.stateOf(pledge).hasRefusedVoucher) return { kind: 'refuse', code: '4.03', why: 'The device has refused the voucher' }
    const verdict = this.admits(pledge)
    if (verdict.kind === 'deny') return { kind: 'refuse', code: '4.03', why: 'The device is not admitted' }
    if (verdict.kind === 'wait') return { kind: 'wait', retryAfterS: verdict.retryAfterS, why: 'Somebody has to decide' }
    return this.#allow(caller)
  }

  #allow(caller: Caller): EstVerdict {
    const isMember = caller.kind === 'member'
    const allowed = { key: toHex(caller.certificate.fingerprint()), chain: caller.pledge.chain, isMember, isAdmitted: !isMember }
    this.#known.set(allowed, caller)
    return { kind: 'allow', caller: allowed }
  }

  tell(about: EstCaller, news: EstNews): void {
    const caller = this.#known.get(about)
    if (caller === undefined) return
    const { pledge, kind } = caller
    switch (news.kind) {
      case 'anchors':
        // Members look after their anchors from time to time (§6.7.2): that is no step of joining.
        if (kind === 'pledge') this.#journal.noteOnce(pledge, 'anchors', 'done')
        return
      case 'issued':
        this.#journal.stateOf(pledge).lastSerial = news.serial
        this.#journal.note(pledge, 'certificate', 'done', { certificateSerial: news.serial })
        return
      case 'waiting':
        this.#journal.noteOnce(pledge, 'certificate', 'waiting', { code: 'join.awaits-approval' })
        return
      case 'refused':
        this.#journal.note(pledge, 'certificate', 'failed', { code: 'join.enrolment-refused', detail: news.why })
    }
  }

  // ---- BRSKI -------------------------------------------------------------------------------------------------------

  async callerOf(request: IncomingRequest): Promise<BrskiCaller | undefined> {
    const caller = await this.#who(request)
    return caller === undefined ? undefined : { pledge: caller.pledge, certificate: caller.certificate, isMember: caller.kind === 'member' }
  }

  admits(pledge: PledgeIdentity): ReturnType<JoinGate['admits']> {
    const verdict = this.#options.gate.admits(pledge)
    if (verdict.kind === 'admit') this.#journal.noteOnce(pledge, 'admitted', 'done')
    else this.#journal.noteOnce(pledge, 'admitted', verdict.kind === 'wait' ? 'waiting' : 'failed', { code: verdict.code })
    return verdict
  }

  voucherStep(pledge: PledgeIdentity, outcome: 'done' | 'waiting' | 'failed', code?: string, why?: string): void {
    if (outcome === 'done') this.#journal.stateOf(pledge).hasRefusedVoucher = false
    const facts = { ...(code === undefined ? {} : { code }), ...(why === undefined ? {} : { detail: why }) }
    // A pledge that waits asks every minute.
    if (outcome === 'waiting') this.#journal.noteOnce(pledge, 'voucher', outcome, facts)
    else this.#journal.note(pledge, 'voucher', outcome, facts)
  }

  reported(caller: BrskiCaller, about: 'voucher' | 'enrolment', { version, status, reason, hasContext }: StatusReport): void {
    const { pledge } = caller
    if (version > 1 || hasContext)
      this.#options.logger.info({ pledge: pledge.key, version, about }, 'a status report says more than is understood here')
    const detail = reason === undefined ? {} : { detail: reason }
    if (about === 'voucher') {
      this.#journal.stateOf(pledge).hasRefusedVoucher = !status
      this.#journal.note(pledge, 'trusts-us', status ? 'done' : 'failed', status ? {} : { code: 'join.voucher-rejected', ...detail })
      if (status) this.#askAuditLog(pledge)
      return
    }
    const serial = caller.isMember ? toHex(caller.certificate.serial) : this.#journal.stateOf(pledge).lastSerial
    const named = serial === undefined ? {} : { certificateSerial: serial }
    if (status) {
      if (serial !== undefined) takeUpCarried(this.#options.authority, serial)
      this.#journal.note(pledge, 'enrolled', 'done', named)
      return
    }
    this.#takeBack(caller, reason ?? '')
    this.#journal.note(pledge, 'enrolled', 'failed', { code: 'join.enrolment-rejected', ...named, ...detail })
  }

  /** RFC 8995 §5.8: for people, after the pledge has told; it waits for nothing. */
  #askAuditLog(pledge: PledgeIdentity): void {
    const { vouchers, onAuditLog, logger } = this.#options
    if (onAuditLog === undefined || vouchers.auditLog === undefined) return
    vouchers.auditLog(pledge.key).then(
      (log) => onAuditLog(pledge, log),
      (thrown: unknown) => {
        const failure = toAppError(thrown)
        logger.info({ code: failure.code, pledge: pledge.key }, 'the maker tells of no former owners')
        onAuditLog(pledge, failure)
      },
    )
  }

  hangUp(request: IncomingRequest): void {
    const { clock, disconnect } = this.#options
    if (disconnect !== undefined) clock.setTimer(HANG_UP_MS, () => disconnect(request))
  }

  /** A certificate that its device does not take is nobody's: of a member the successor that it was given (§6.7.4), never the one that it uses. */
  #takeBack({ pledge, isMember, certificate }: BrskiCaller, remark: string): void {
    const state = this.#journal.stateOf(pledge)
    const { lastSerial } = state
    if (lastSerial === undefined || (isMember && lastSerial === toHex(certificate.serial))) return
    if (rejectCarried(this.#options.authority, lastSerial, remark)) state.lastSerial = undefined
  }

  async #who(request: IncomingRequest): Promise<Caller | undefined> {
    const chain = request.peer?.scheme === 'dtls-certificate' ? request.peer.certificates : undefined
    if (chain === undefined) return undefined
    const verdict = await this.#callers.judge(chain, this.#proxyOf(request))
    if (verdict.kind !== 'known') return undefined
    // Who shows a new certificate works with it.
    if (verdict.caller.kind === 'member') takeUpCarried(this.#options.authority, verdict.caller.record.serial)
    return verdict.caller
  }

  #proxyOf({ source }: IncomingRequest): string | undefined {
    return isProxiedSource(source) ? proxyText(proxyOfSource(source)) : undefined
  }
}
