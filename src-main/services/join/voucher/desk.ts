// The registrar's vouchers: asks makers' servers, falls back to what was imported, keeps, renews and warns (RFC 8995 §5.5, §5.6;
// draft-ietf-anima-rfc8366bis §10.1). Invariant: a voucher is in the store before a pledge gets it.
import { AppError, sha256, toAppError, toHex, type Clock } from '#main/base/index.ts'
import type { VoucherSigner } from './artifact.ts'
import { checkVoucher, type CheckedVoucher, type VoucherExpectation, type VoucherWarning } from './check.ts'
import { importVouchers, type ImportedVoucher, type VoucherFile } from './import.ts'
import { findMaker, kidOption, masaAddressOf, voucherAnchorsOf, type Maker, type MasaAddress } from './makers.ts'
import type { AuditLog, MasaClient } from './masa-client.ts'
import { makeNoncelessRequest, makeRegistrarRequest, type PledgeRequest } from './pledge-request.ts'
import { BEFORE_END_MS, endsSoon, renewVouchers, type RenewalOutcome } from './renewal.ts'
import { recordOf, type VoucherRecord, type VoucherStore } from './store.ts'
import type { VoucherFormat } from './types.ts'

export interface VoucherDeskOptions {
  readonly store: VoucherStore
  readonly masa: MasaClient
  readonly clock: Clock
  /** The registrar's key and its chain up to the site's CA; asked anew each time, for it may be renewed. */
  readonly registrar: () => VoucherSigner
  readonly makers: () => readonly Maker[]
  /** Whether nothing may leave this machine. */
  readonly isOffline: () => boolean
  /** Told how a maker's server answered a request for a voucher. */
  readonly onAsked?: (makerId: string, failure: AppError | undefined) => void
  /** Whether servers are asked that only the certificate of a device of an unknown maker names; they are not unless told. */
  readonly askUnknownMakers?: () => boolean
}

export interface ObtainedVoucher {
  /** What the pledge gets. */
  readonly bytes: Uint8Array
  readonly format: VoucherFormat
  readonly record: VoucherRecord
  /** `masa`: just issued; `kept`: from the store. */
  readonly from: 'masa' | 'kept'
  readonly warnings: readonly VoucherWarning[]
}

export interface ExpiryWarning {
  readonly id: string
  readonly serialNumber: string
  readonly expiresOn: number
  readonly expired: boolean
  /** Whether the maker still renews it. */
  readonly renewable: boolean
}

export interface AheadRequest {
  readonly makerId: string
  readonly serialNumber: string
  readonly idevidIssuer?: Uint8Array
  readonly format?: VoucherFormat
}

/** Beyond this, nothing more is imported. */
export const MAX_VOUCHERS = 20_000
/** Vouchers with a nonce have done their work; some are kept for people to look at. */
const ANSWERED_KEPT = 2000
const REMEMBERED_REQUESTS = 1000
const MAX_UNDER_WAY = 500
const REMEMBERED_SERVERS = 100
const SILENCE_MS = 30_000

interface Asked {
  readonly request: Uint8Array
  readonly format: VoucherFormat
  readonly address: MasaAddress
}

export class VoucherDesk {
  readonly #options: VoucherDeskOptions
  /** By the hash of the pledge's request: who repeats it waits for the same answer. */
  readonly #underWay = new Map<string, Promise<ObtainedVoucher>>()
  /** The last request to a maker for each pledge: an audit log is asked for with the same (RFC 8995 §5.8). */
  readonly #asked = new Map<string, Asked>()

  /** Servers that have not answered, by the monotonic time until which they are left alone. */
  readonly #silentUntil = new Map<string, number>()

  constructor(options: VoucherDeskOptions) {
    this.#options = options
  }

  /** The voucher for that pledge. Fails with `voucher.*`; `voucher.missing` where the maker cannot be asked and none is kept. */
  obtain(request: PledgeRequest, signal?: AbortSignal): Promise<ObtainedVoucher> {
    const key = toHex(sha256(request.bytes))
    const known = this.#underWay.get(key)
    if (known !== undefined) return known
    if (this.#underWay.size >= MAX_UNDER_WAY)
      return Promise.reject(new AppError('voucher.masa-waiting', 'Too many vouchers are asked for at once', { retryable: true }))
    const answer = this.#obtain(request, signal).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, answer)
    return answer
  }

  async #obtain(request: PledgeRequest, signal: AbortSignal | undefined): Promise<ObtainedVoucher> {
    const { clock, makers, store } = this.#options
    const maker = await findMaker(makers(), request.pledgeChain, clock.now())
    // The pledge repeats itself where it was told to wait (RFC 8995 §5.6): its answer may be here already.
    const answered = await this.#kept(request, maker, (record) => record.nonce === toHex(request.nonce))
    if (answered !== undefined) return answered
    const fallback = (): Promise<ObtainedVoucher | undefined> => this.#kept(request, maker, (record) => record.nonce === undefined)
    const address = this.#addressFor(request, maker)
    const isSilent = address !== undefined && (this.#silentUntil.get(address.url) ?? 0) > clock.monotonicMs()
    if (this.#options.isOffline() || address === undefined || isSilent) {
      const kept = await fallback()
      if (kept !== undefined) return kept
      if (this.#options.isOffline())
        throw new AppError('voucher.offline', 'The site works offline, and no voucher is kept for this pledge', {
          details: describe(request),
        })
      if (isSilent) throw new AppError('voucher.masa-unreachable', 'The server did not answer a moment ago', { retryable: true })
      throw new AppError('voucher.masa-unknown', 'No voucher server is known for this pledge', { details: describe(request) })
    }
    try {
      const checked = await this.#ask(request, maker, address, signal)
      this.#told(maker, undefined)
      const record = recordOf(checked, { source: 'masa', makerId: maker?.id, masaUrl: address.url, storedAt: clock.now() })
      store.save({ ...record, usedAt: clock.now() })
      store.pruneAnswered(ANSWERED_KEPT)
      return { bytes: checked.forPledge, format: request.format, record, from: 'masa', warnings: checked.warnings }
    } catch (thrown) {
      const failure = toAppError(thrown)
      this.#told(maker, failure)
      // A maker who says no is not gone around; one who cannot be reached is.
      if (failure.code !== 'voucher.masa-unreachable') throw failure
      this.#rememberSilence(address.url)
      const kept = await fallback()
      if (kept !== undefined) return kept
      throw failure
    }
  }

  #addressFor(request: PledgeRequest, maker: Maker | undefined): MasaAddress | undefined {
    // Anybody can write an address into a certificate of his own: it is no reason to connect there.
    if (maker === undefined && this.#options.askUnknownMakers?.() !== true) return undefined
    return masaAddressOf(maker, request.idevid)
  }

  async #ask(
    request: PledgeRequest,
    maker: Maker | undefined,
    address: MasaAddress,
    signal: AbortSignal | undefined,
  ): Promise<CheckedVoucher> {
    const { clock, masa, registrar } = this.#options
    const signer = registrar()
    const own = makeRegistrarRequest(request, { signer, nowMs: clock.now(), ...kidOption(maker, signer) })
    this.#remember(request.pledgeKey, { request: own, format: request.format, address })
    const bytes = await masa.requestVoucher(address, own, request.format, signal)
    return checkVoucher(bytes, request.format, this.#expected(request, maker, request.nonce))
  }

  #expected(request: PledgeRequest, maker: Maker | undefined, nonce: VoucherExpectation['nonce']): VoucherExpectation {
    return {
      serialNumber: request.serialNumber,
      idevidIssuer: request.idevidIssuer,
      nonce,
      registrarChain: this.#options.registrar().chain,
      anchors: voucherAnchorsOf(maker, this.#options.makers()),
      signature: maker === undefined ? 'if-known' : 'required',
      nowMs: this.#options.clock.now(),
    }
  }

  /** The best of those kept that is good for this request: the one that lasts longest. */
  async #kept(
    request: PledgeRequest,
    maker: Maker | undefined,
    isMeant: (record: VoucherRecord) => boolean,
  ): Promise<ObtainedVoucher | undefined> {
    const { clock, store } = this.#options
    const candidates = store
      .ofSerialNumber(request.serialNumber)
      .filter((record) => record.format === request.format && isMeant(record))
      .toSorted((a, b) => (b.expiresOn ?? Infinity) - (a.expiresOn ?? Infinity) || b.storedAt - a.storedAt)
    for (const record of candidates) {
      // Owner, clock and trust may have changed since it was kept: it is judged like a new one.
      const checked = await checkVoucher(record.bytes, record.format, this.#expected(request, maker, request.nonce)).catch(() => undefined)
      if (checked === undefined) continue
      store.markUsed(record.id, clock.now())
      return { bytes: checked.forPledge, format: record.format, record, from: 'kept', warnings: checked.warnings }
    }
    return undefined
  }

  #told(maker: Maker | undefined, failure: AppError | undefined): void {
    if (maker !== undefined) this.#options.onAsked?.(maker.id, failure)
  }

  /** Many pledges come at once: not each of them waits until the same server has not answered. */
  #rememberSilence(url: string): void {
    const [oldest] = this.#silentUntil.keys()
    if (this.#silentUntil.size >= REMEMBERED_SERVERS && oldest !== undefined) this.#silentUntil.delete(oldest)
    this.#silentUntil.set(url, this.#options.clock.monotonicMs() + SILENCE_MS)
  }

  #remember(pledgeKey: string, asked: Asked): void {
    const [oldest] = this.#asked.keys()
    if (this.#asked.size >= REMEMBERED_REQUESTS && oldest !== undefined) this.#asked.delete(oldest)
    this.#asked.set(pledgeKey, asked)
  }

  /** What the maker has logged of the device; fails with `voucher.missing` where it was never asked in this session, or `voucher.*`. */
  auditLog(pledgeKey: string, signal?: AbortSignal): Promise<AuditLog> {
    const asked = this.#asked.get(pledgeKey)
    if (asked === undefined) return Promise.reject(new AppError('voucher.missing', 'The maker was not asked for this device'))
    if (this.#options.isOffline()) return Promise.reject(new AppError('voucher.offline', 'The site works offline'))
    return this.#options.masa.requestAuditLog(asked.address, asked.request, asked.format, signal)
  }

  /** A verdict for each voucher of each file, in their order; what is good is kept. */
  import(files: readonly VoucherFile[]): Promise<readonly ImportedVoucher[]> {
    const { clock, makers, registrar, store } = this.#options
    return importVouchers(files, { clock, makers: makers(), registrarChain: registrar().chain, store, limit: MAX_VOUCHERS })
  }

  /** Gets a voucher without a nonce for a device that is not here yet, and keeps it. */
  async fetchAhead(wish: AheadRequest, signal?: AbortSignal): Promise<VoucherRecord> {
    const { clock, isOffline, makers, masa, registrar, store } = this.#options
    if (isOffline()) throw new AppError('voucher.offline', 'The site works offline')
    if (store.count() >= MAX_VOUCHERS) throw new AppError('voucher.limit-reached', 'No more vouchers can be kept')
    const maker = makers().find(({ id }) => id === wish.makerId)
    const address = masaAddressOf(maker, undefined)
    if (maker === undefined || address === undefined)
      throw new AppError('voucher.masa-unknown', 'No voucher server is set for this maker', { details: { maker: wish.makerId } })
    const { serialNumber, idevidIssuer, format = 'cose' } = wish
    const signer = registrar()
    const own = makeNoncelessRequest({ serialNumber, idevidIssuer, format }, { signer, nowMs: clock.now(), ...kidOption(maker, signer) })
    const bytes = await masa.requestVoucher(address, own, format, signal)
    const checked = await checkVoucher(bytes, format, {
      serialNumber,
      ...(idevidIssuer === undefined ? {} : { idevidIssuer }),
      nonce: 'none',
      registrarChain: signer.chain,
      anchors: voucherAnchorsOf(maker, makers()),
      signature: 'required',
      nowMs: clock.now(),
    })
    const record = recordOf(checked, { source: 'masa', makerId: maker.id, masaUrl: address.url, storedAt: clock.now() })
    store.save(record)
    return record
  }

  /** Asks for new vouchers in place of those that end soon and that their makers still renew. */
  renew(signal?: AbortSignal): Promise<readonly RenewalOutcome[]> {
    const { clock, isOffline, makers, masa, registrar, store } = this.#options
    if (isOffline()) return Promise.reject(new AppError('voucher.offline', 'The site works offline'))
    const ports = { clock, makers: makers(), masa, signer: registrar(), store }
    return renewVouchers(ports, signal)
  }

  /** Kept vouchers that have ended or end soon: within two weeks, or in the second half of a shorter life. The next to end first. */
  warnings(limit = 1000): readonly ExpiryWarning[] {
    const { clock, store } = this.#options
    const now = clock.now()
    return store
      .endingBefore(now + BEFORE_END_MS, limit)
      .filter((record) => endsSoon(record, now))
      .map(({ id, serialNumber, expiresOn = 0, lastRenewalDate }) => ({
        id,
        serialNumber,
        expiresOn,
        expired: expiresOn <= now,
        renewable: (lastRenewalDate ?? 0) > now,
      }))
  }
}

function describe(request: PledgeRequest): { readonly serialNumber: string } {
  return { serialNumber: request.serialNumber }
}
