// The resources of EST-coaps (RFC 9148 §4): CA certificates, enrolment, renewal, keys made here, and what a request should hold; below
// /.well-known/est and a short root, with an arbitrary label that names a certificate profile.
import { AppError, utf8, type Clock } from '#main/base/index.ts'
import {
  Certificate,
  certificatesOnly,
  enrolCarried,
  SourceRates,
  type CarriedOutcome,
  type FailInfo,
  type RateLimits,
  type RegistrationAuthority,
} from '#main/services/ra/index.ts'
import {
  entityTag,
  maxAge,
  tooManyRequests,
  validated,
  type IncomingRequest,
  type OutgoingResponse,
  type ResourceRegistry,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import type { EstAccess, EstCaller, EstOperation } from './access.ts'
import { anchorsOf, issuerOf } from './anchors.ts'
import { isBound, type BindingPolicy } from './binding.ts'
import { encodeMultipart, EstFormat } from './formats.ts'
import { wrapKey, wrappingFor } from './key-envelope.ts'
import { GeneratedKeys } from './key-generation.ts'
import { readRequestAttributes, writeCsrAttributes, type RequestAttributes } from './request.ts'

export interface EstOptions {
  readonly registry: ResourceRegistry
  readonly authority: RegistrationAuthority
  readonly access: EstAccess
  readonly clock: Clock
  /** Beside /.well-known/est; `/est` unless told. */
  readonly shortRoot?: string
  readonly binding?: BindingPolicy
  /** Whether devices may ask for keys that are made here; they may unless told otherwise. */
  readonly generatesKeys?: boolean
  readonly rates?: Partial<RateLimits>
}

const WELL_KNOWN = '/.well-known/est'
/** No request for a certificate comes near. */
const MAX_REQUEST_BYTES = 8192
const BUSY_RETRY_S = 10
/** Each block is a request, and the smallest have 16 bytes. */
const RATES = { burst: 300, perMinute: 300 }
const ENROLMENTS: readonly EstOperation[] = ['sen', 'sren', 'skg', 'skc']
const CERTIFICATE_FORMATS = `${EstFormat.CERTS_ONLY} ${EstFormat.PKIX_CERT}`

const LISTED: Readonly<Record<EstOperation, string>> = {
  crts: `${CERTIFICATE_FORMATS} ${EstFormat.MULTIPART}`,
  sen: CERTIFICATE_FORMATS,
  sren: CERTIFICATE_FORMATS,
  att: String(EstFormat.CSR_ATTRIBUTES),
  skg: String(EstFormat.MULTIPART),
  skc: String(EstFormat.MULTIPART),
}

/** RFC 9148 §4.5 with the reasons of CMP. */
const CODES: Partial<Readonly<Record<FailInfo, ResponseCode>>> = {
  wrongIntegrity: '4.01',
  notAuthorized: '4.03',
  certRevoked: '4.03',
  signerNotTrusted: '4.03',
  transactionIdInUse: '4.03',
  systemUnavail: '5.03',
  systemFailure: '5.00',
}

/** Hangs them up; the returned function takes them away. */
export function serveEst(options: EstOptions): () => void {
  const server = new EstServer(options)
  const { registry, shortRoot = '/est', generatesKeys = true } = options
  const handlersAt = (root: string): { readonly handlers: { readonly GET: typeof handle; readonly POST: typeof handle } } => {
    const depth = root.split('/').length - 1
    const handle = (request: IncomingRequest): Promise<OutgoingResponse> => server.answer(request, request.path.slice(depth))
    return { handlers: { GET: handle, POST: handle } }
  }
  const removals = [
    registry.add(WELL_KNOWN, { ...handlersAt(WELL_KNOWN), subtree: true, protection: ['dtls-certificate'] }),
    registry.add(shortRoot, {
      ...handlersAt(shortRoot),
      subtree: true,
      protection: ['dtls-certificate'],
      attributes: { rt: 'ace.est' },
    }),
  ]
  for (const [operation, ct] of Object.entries(LISTED)) {
    if (!generatesKeys && operation.startsWith('sk')) continue
    const attributes = { rt: `ace.est.${operation}`, ct }
    removals.push(registry.add(`${shortRoot}/${operation}`, { ...handlersAt(shortRoot), protection: ['dtls-certificate'], attributes }))
  }
  return () => {
    for (const remove of removals) remove()
  }
}

class EstServer {
  readonly #options: EstOptions
  readonly #rates: SourceRates
  readonly #keys: GeneratedKeys

  constructor(options: EstOptions) {
    this.#options = options
    this.#rates = new SourceRates(options.clock, { ...RATES, ...options.rates })
    this.#keys = new GeneratedKeys(options.clock)
  }

  async answer(request: IncomingRequest, below: readonly string[]): Promise<OutgoingResponse> {
    const [label, name] = below.length === 1 ? [undefined, below[0]] : below.length === 2 ? below : []
    const operation = this.#operationOf(name)
    if (operation === undefined) return { code: '4.04' }
    const isEnrolment = ENROLMENTS.includes(operation)
    if (request.method !== (isEnrolment ? 'POST' : 'GET')) return { code: '4.05' }
    const { authority, access } = this.#options
    if (label !== undefined && !authority.context.settings.profiles.some((profile) => profile.name === label)) return { code: '4.04' }
    const verdict = await access.judge(request, operation)
    if (verdict.kind === 'refuse') return refused(verdict.code, verdict.why)
    // Whatever it wants: it is told when to come again (§4.7).
    if (verdict.kind === 'wait') return delayed(verdict.retryAfterS, verdict.why)
    const { caller } = verdict
    const admission = this.#rates.admit('est', { address: caller.key, port: 0 }, request.payload.length)
    if (!admission.ok) return admission.busy ? delayed(BUSY_RETRY_S) : tooManyRequests(admission.retryAfterS)
    try {
      if (!authority.context.ca.exists) return delayed(BUSY_RETRY_S, 'The site has no certification authority yet')
      if (operation === 'crts') return this.#anchors(request, caller)
      if (operation === 'att') return this.#attributes(request, label)
      return await this.#enrol(request, operation, caller, label)
    } finally {
      admission.done()
    }
  }

  #operationOf(name: string | undefined): EstOperation | undefined {
    if (name === undefined || !Object.hasOwn(LISTED, name)) return undefined
    if (name.startsWith('sk') && this.#options.generatesKeys === false) return undefined
    return (['crts', 'att', ...ENROLMENTS] as const).find((known) => known === name)
  }

  #anchors(request: IncomingRequest, caller: EstCaller): OutgoingResponse {
    const { authority, access } = this.#options
    const { ca } = authority.context
    const contentFormat = request.accept ?? EstFormat.CERTS_ONLY
    const payload =
      contentFormat === EstFormat.CERTS_ONLY
        ? certificatesOnly(anchorsOf(ca))
        : contentFormat === EstFormat.PKIX_CERT
          ? issuerOf(ca)
          : contentFormat === EstFormat.MULTIPART
            ? encodeMultipart(anchorsOf(ca).map((bytes) => ({ contentFormat: EstFormat.PKIX_CERT, bytes })))
            : undefined
    if (payload === undefined) return { code: '4.06' }
    access.tell(caller, { kind: 'anchors' })
    return validated(request, { code: '2.05', payload, contentFormat, options: [entityTag(payload, contentFormat)] })
  }

  #attributes(request: IncomingRequest, label: string | undefined): OutgoingResponse {
    const { authority, binding = 'ignored' } = this.#options
    const contentFormat = EstFormat.CSR_ATTRIBUTES
    if (request.accept !== undefined && request.accept !== contentFormat) return { code: '4.06' }
    const { profiles } = authority.context.settings
    const profile = label === undefined ? profiles[0] : profiles.find(({ name }) => name === label)
    const keyType = profile?.keyTypes.find((type) => type !== 'RSA')
    // §4.5: nothing is wanted of the request.
    if (keyType === undefined) return { code: '4.04' }
    return { code: '2.05', payload: writeCsrAttributes({ keyType, isBound: binding === 'required' }), contentFormat }
  }

  async #enrol(request: IncomingRequest, operation: EstOperation, caller: EstCaller, label: string | undefined): Promise<OutgoingResponse> {
    if (request.contentFormat !== EstFormat.PKCS10) return { code: '4.15' }
    if (request.payload.length > MAX_REQUEST_BYTES) return { code: '4.13' }
    const isGenerated = operation === 'skg' || operation === 'skc'
    const contentFormat = isGenerated ? multipartOf(request) : certificateFormatOf(request)
    if (contentFormat === undefined) return { code: '4.06' }
    try {
      const attributes = readRequestAttributes(request.payload)
      if (isGenerated) return await this.#generate(request, operation, caller, label, attributes)
      const { binding = 'ignored', access } = this.#options
      if (!isBound(binding, attributes.challengePassword, access.sessionOf?.(request))) {
        const why = 'The request is not bound to this session'
        access.tell(caller, { kind: 'refused', why, failInfo: 'badPOP' })
        return refused('4.00', why)
      }
      const outcome = await this.#ask(request.payload, request, operation === 'sren', caller, label)
      if (outcome.kind !== 'issued') return failed(outcome)
      const payload = contentFormat === EstFormat.PKIX_CERT ? outcome.certificate : certificatesOnly([outcome.certificate])
      return { code: '2.04', payload, contentFormat }
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'der.invalid') return refused('4.00', thrown.message)
      throw thrown
    }
  }

  async #generate(
    request: IncomingRequest,
    operation: EstOperation,
    caller: EstCaller,
    label: string | undefined,
    attributes: RequestAttributes,
  ): Promise<OutgoingResponse> {
    const [own] = caller.chain
    const wrapping = !attributes.wantsWrapping || own === undefined ? undefined : wrappingFor(attributes, new Certificate(own))
    // Never in clear what was wanted wrapped (RFC 7030 §4.4.1).
    if (typeof wrapping === 'string') return refused('4.00', wrapping)
    const made = this.#keys.requestFor(caller.key, request.payload)
    const outcome = await this.#ask(made.request, request, caller.isMember, caller, label)
    if (outcome.kind === 'refused') this.#keys.forget(caller.key)
    if (outcome.kind !== 'issued') return failed(outcome)
    const { signer } = this.#options.authority.context.ca.active
    const pkcs8 = made.privateKey()
    this.#keys.delivered(caller.key)
    const payload = encodeMultipart([
      wrapping === undefined
        ? { contentFormat: EstFormat.PKCS8, bytes: pkcs8 }
        : { contentFormat: EstFormat.SERVER_GENERATED_KEY, bytes: await wrapKey(pkcs8, wrapping, signer) },
      operation === 'skc'
        ? { contentFormat: EstFormat.PKIX_CERT, bytes: outcome.certificate }
        : { contentFormat: EstFormat.CERTS_ONLY, bytes: certificatesOnly([outcome.certificate]) },
    ])
    return { code: '2.04', payload, contentFormat: EstFormat.MULTIPART }
  }

  async #ask(
    csr: Uint8Array,
    request: IncomingRequest,
    renews: boolean,
    caller: EstCaller,
    label: string | undefined,
  ): Promise<CarriedOutcome> {
    const { authority, access } = this.#options
    const outcome = await enrolCarried(authority, {
      chain: caller.chain,
      request: csr,
      ...(label === undefined ? {} : { profile: label }),
      source: `est ${request.source.address}`,
      renews,
      admitted: caller.isAdmitted,
    })
    if (outcome.kind === 'issued') access.tell(caller, { kind: 'issued', serial: outcome.serial })
    else if (outcome.kind === 'waiting') access.tell(caller, { kind: 'waiting' })
    else access.tell(caller, outcome)
    return outcome
  }
}

function certificateFormatOf({ accept = EstFormat.CERTS_ONLY }: IncomingRequest): number | undefined {
  return accept === EstFormat.CERTS_ONLY || accept === EstFormat.PKIX_CERT ? accept : undefined
}

function multipartOf({ accept = EstFormat.MULTIPART }: IncomingRequest): number | undefined {
  return accept === EstFormat.MULTIPART ? accept : undefined
}

function failed(outcome: Exclude<CarriedOutcome, { kind: 'issued' }>): OutgoingResponse {
  if (outcome.kind === 'waiting') return delayed(outcome.retryAfterS)
  const code = CODES[outcome.failInfo] ?? '4.00'
  return code === '5.03' ? delayed(BUSY_RETRY_S, outcome.why) : refused(code, outcome.why)
}

/** §4.7: the client sends the same request again after Max-Age. */
function delayed(retryAfterS: number, why = ''): OutgoingResponse {
  return { code: '5.03', options: [maxAge(retryAfterS)], payload: utf8(why) }
}

/** With a diagnostic payload (RFC 7252 §5.5.2). */
function refused(code: ResponseCode, why: string): OutgoingResponse {
  return { code, payload: utf8(why) }
}
