// The resources of BRSKI over CoAP: voucher requests and status telemetry (draft-ietf-anima-constrained-voucher §6.5, RFC 8995 §5.2 to §5.7, §5.9.4),
// below /.well-known/brski and a short root.
import type { FailureCode } from '#contract/failures.ts'
import { AppError, toAppError, utf8, type Clock } from '#main/base/index.ts'
import { SourceRates, type Certificate, type RateLimits } from '#main/services/ra/index.ts'
import {
  maxAge,
  tooManyRequests,
  type IncomingRequest,
  type OutgoingResponse,
  type ResourceRegistry,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import { checkPledgeRequest, VOUCHER_COSE, voucherForPledge, type PledgeRequest, type VoucherFormat } from '../voucher/index.ts'
import type { BrskiAccess, BrskiCaller } from './access.ts'
import { readStatusReport } from './telemetry.ts'

export interface BrskiOptions {
  readonly registry: ResourceRegistry
  readonly access: BrskiAccess
  readonly clock: Clock
  /** Beside /.well-known/brski; `/b` unless told. */
  readonly shortRoot?: string
  /** Number under which vouchers in JSON and CMS are spoken; none is registered for CoAP (RFC 8995 §5.2 knows HTTP alone). */
  readonly cmsContentFormat?: number
  readonly rates?: Partial<RateLimits>
}

const WELL_KNOWN = '/.well-known/brski'
const MAX_REQUEST_BYTES = 16_384
const BUSY_RETRY_S = 10
/** Makers may take their time: many pledges wait for them at once. */
const RATES = { burst: 60, perMinute: 60, concurrent: 512 }
/** A pledge waits no longer than that before it asks again (RFC 8995 §5.6). */
const LONGEST_RETRY_S = 60
const VOUCHER_RETRY_S = 30

const AWAITED: readonly FailureCode[] = [
  'voucher.missing',
  'voucher.masa-unknown',
  'voucher.masa-unreachable',
  'voucher.masa-waiting',
  'voucher.offline',
]

type Operation = 'rv' | 'vs' | 'es'

/** Hangs them up; the returned function takes them away. */
export function serveBrski(options: BrskiOptions): () => void {
  const server = new BrskiServer(options)
  const { registry, shortRoot = '/b', cmsContentFormat } = options
  const ctOf: Readonly<Record<Operation, string>> = {
    rv: cmsContentFormat === undefined ? String(VOUCHER_COSE) : `${VOUCHER_COSE} ${cmsContentFormat}`,
    vs: '50 60',
    es: '50 60',
  }
  const removals = [registry.add(WELL_KNOWN, { handlers: {} }), registry.add(shortRoot, { handlers: {}, attributes: { rt: 'brski' } })]
  for (const operation of ['rv', 'vs', 'es'] as const) {
    const handlers = { POST: (request: IncomingRequest) => server.answer(request, operation) }
    const protection = ['dtls-certificate'] as const
    const attributes = { rt: `brski.${operation}`, ct: ctOf[operation] }
    removals.push(
      registry.add(`${WELL_KNOWN}/${operation}`, { handlers, protection }),
      registry.add(`${shortRoot}/${operation}`, { handlers, protection, attributes }),
    )
  }
  return () => {
    for (const remove of removals) remove()
  }
}

class BrskiServer {
  readonly #options: BrskiOptions
  readonly #rates: SourceRates

  constructor(options: BrskiOptions) {
    this.#options = options
    this.#rates = new SourceRates(options.clock, { ...RATES, ...options.rates })
  }

  async answer(request: IncomingRequest, operation: Operation): Promise<OutgoingResponse> {
    const caller = await this.#options.access.callerOf(request)
    if (caller === undefined) return refused('4.01', 'The certificate does not hold here')
    const admission = this.#rates.admit('brski', { address: caller.pledge.key, port: 0 }, request.payload.length)
    if (!admission.ok) return admission.busy ? delayed(BUSY_RETRY_S) : tooManyRequests(admission.retryAfterS)
    try {
      if (operation === 'rv') return await this.#voucher(request, caller)
      return this.#report(request, caller, operation === 'vs' ? 'voucher' : 'enrolment')
    } finally {
      admission.done()
    }
  }

  async #voucher(request: IncomingRequest, caller: BrskiCaller): Promise<OutgoingResponse> {
    const { access } = this.#options
    const format = this.#formatOf(request.contentFormat)
    if (format === undefined) return { code: '4.15' }
    const wanted = request.accept === undefined ? format : this.#formatOf(request.accept)
    if (wanted === undefined) return { code: '4.06' }
    if (caller.isMember) return refused('4.03', 'Who has a certificate of this site needs no voucher')
    if (request.payload.length > MAX_REQUEST_BYTES) return { code: '4.13' }
    const { pledge } = caller
    let asked: PledgeRequest
    try {
      asked = checkRequest(request.payload, format, pledge.chain, access.ownCertificates)
    } catch (thrown) {
      const error = toAppError(thrown)
      access.voucherStep(pledge, 'failed', error.code, error.message)
      if (error.code === 'voucher.wrong-registrar') access.hangUp(request)
      return refused(REQUEST_CODES[error.code] ?? '4.03', error.message)
    }
    const verdict = access.admits(pledge)
    if (verdict.kind === 'deny') return refused('4.03', 'The device is not admitted')
    if (verdict.kind === 'wait') return delayed(verdict.retryAfterS, 'Somebody has to decide')
    try {
      const { bytes, format: got } = await access.vouchers.obtain(asked)
      if (got !== wanted) throw new AppError('voucher.format-unsupported', 'There is a voucher in another format alone')
      access.voucherStep(pledge, 'done')
      return { code: '2.04', payload: voucherForPledge(bytes, got), contentFormat: this.#contentFormatOf(got) }
    } catch (thrown) {
      return this.#withoutVoucher(toAppError(thrown), caller)
    }
  }

  #withoutVoucher(error: AppError, { pledge }: BrskiCaller): OutgoingResponse {
    const { access } = this.#options
    const { why, retryAfterS } = error.details
    const told = typeof why === 'string' ? why : error.message
    // Where nobody has a voucher yet somebody may import one: the pledge asks again meanwhile.
    if (error.retryable || AWAITED.includes(error.code)) {
      access.voucherStep(pledge, 'waiting', error.code, told)
      return delayed(typeof retryAfterS === 'number' ? retryAfterS : VOUCHER_RETRY_S, 'The voucher is not here yet')
    }
    access.voucherStep(pledge, 'failed', error.code, told)
    return refused(voucherCodeOf(error), 'There is no voucher for this device')
  }

  #report(request: IncomingRequest, caller: BrskiCaller, about: 'voucher' | 'enrolment'): OutgoingResponse {
    if (about === 'voucher' && caller.isMember) return refused('4.03', 'Only pledges tell of vouchers')
    try {
      const report = readStatusReport(request.contentFormat, request.payload)
      if (report === undefined) return { code: '4.15' }
      this.#options.access.reported(caller, about, report)
      return { code: '2.04' }
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'join.report-invalid') return refused('4.00', thrown.message)
      throw thrown
    }
  }

  #formatOf(contentFormat: number | undefined): VoucherFormat | undefined {
    if (contentFormat === VOUCHER_COSE) return 'cose'
    return contentFormat !== undefined && contentFormat === this.#options.cmsContentFormat ? 'cms' : undefined
  }

  #contentFormatOf(format: VoucherFormat): number {
    return format === 'cose' ? VOUCHER_COSE : (this.#options.cmsContentFormat ?? VOUCHER_COSE)
  }
}

/** RFC 8995 §5.2, §5.3: nobody is between us and the pledge (4.01), and it asks for itself. */
const REQUEST_CODES: Partial<Readonly<Record<FailureCode, ResponseCode>>> = { 'voucher.invalid': '4.00', 'voucher.wrong-registrar': '4.01' }

/** RFC 8995 §5.6: 403, 404 and 406 are the maker's words; an answer of it that is no good makes us a bad gateway. */
function voucherCodeOf({ code, details }: AppError): ResponseCode {
  if (code === 'voucher.format-unsupported') return '4.06'
  if (code === 'voucher.masa-refused') return details.status === 404 ? '4.04' : details.status === 406 ? '4.06' : '4.03'
  return code.startsWith('voucher.') ? '5.02' : '5.00'
}

/** A session that is older than our certificate has shown the one before. Throws `voucher.*` or `join.identity-missing`. */
function checkRequest(
  bytes: Uint8Array,
  format: VoucherFormat,
  pledgeChain: readonly Uint8Array[],
  ownCertificates: readonly Certificate[],
): PledgeRequest {
  let elsewhere = new AppError('voucher.wrong-registrar', 'The registrar has no certificate')
  for (const own of ownCertificates) {
    try {
      return checkPledgeRequest({ bytes, format, pledgeChain, registrarCertificate: own.bytes })
    } catch (thrown) {
      if (!(thrown instanceof AppError) || thrown.code !== 'voucher.wrong-registrar') throw thrown
      elsewhere = thrown
    }
  }
  throw elsewhere
}

/** As EST does it (RFC 9148 §4.7): the same request again after Max-Age. */
function delayed(retryAfterS: number, why = ''): OutgoingResponse {
  return { code: '5.03', options: [maxAge(Math.min(retryAfterS, LONGEST_RETRY_S))], payload: utf8(why) }
}

function refused(code: ResponseCode, why: string): OutgoingResponse {
  return { code, payload: utf8(why) }
}
