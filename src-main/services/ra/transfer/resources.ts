// The authority as CoAP resources (RFC 9482 §2): POST of application/pkixcmp below `/.well-known/cmp`, announcements at `/ann`, response codes.
import { formatSocketAddress, type Clock } from '#main/base/index.ts'
import {
  ContentFormat,
  entityTag,
  maxAge,
  tooManyRequests,
  validated,
  type IncomingRequest,
  type OutgoingResponse,
  type Resource,
  type ResourceRegistry,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import type { RaAnswer, RegistrationAuthority } from '../engine/authority.ts'
import type { FailInfo } from '../cmp/status.ts'
import { MAX_MESSAGE_BYTES } from '../cmp/message.ts'
import type { Announcer } from './announcements.ts'
import { CMP_ROOT, PKIXCMP, readCmpPath, type CmpPath } from './paths.ts'
import { SourceRates, type RateLimits } from './rates.ts'

/** Takes the messages of a path in the authority's place: a reverse proxy to another one (RFC 9482 §3). */
export interface UpstreamRouter {
  /** The answer, or undefined where the message is the local authority's. */
  route(payload: Uint8Array, path: CmpPath, request: IncomingRequest): Promise<RaAnswer> | undefined
  /** Names of profiles that it serves. */
  readonly profiles: readonly string[]
}

export interface CmpServerOptions {
  readonly registry: ResourceRegistry
  readonly authority: RegistrationAuthority
  readonly clock: Clock
  readonly announcer?: Announcer
  readonly upstream?: UpstreamRouter
  readonly rates?: Partial<RateLimits>
  /** Where the CRL can be read without CMP, `/crl` unless told: DER, for certificates that name it as their distribution point. */
  readonly crlPath?: string
}

const BUSY_RETRY_S = 10
/** How long an announcement is taken for fresh; observers register anew after that (RFC 7641 §3.3.1). */
const ANNOUNCEMENT_MAX_AGE_S = 3600

/** What CoAP says of a refusal whose reason stands in the body (RFC 9482 §2.3). */
const CODES: Partial<Readonly<Record<FailInfo, ResponseCode>>> = {
  badMessageCheck: '4.01',
  wrongIntegrity: '4.01',
  signerNotTrusted: '4.01',
  notAuthorized: '4.03',
  transactionIdInUse: '4.09',
  certConfirmed: '4.09',
  systemUnavail: '5.03',
  systemFailure: '5.00',
}

export interface CmpServer {
  /** Hangs the paths of the profiles up anew. */
  refresh(): void
  close(): void
}

/** Hangs `/.well-known/cmp` up. Group requests are not answered (§2.5): resources answer none unless they say so. */
export function serveCmp(options: CmpServerOptions): CmpServer {
  const { registry, announcer } = options
  const rates = new SourceRates(options.clock, options.rates)
  const removals = [
    registry.add(CMP_ROOT, {
      attributes: { ct: String(PKIXCMP) },
      subtree: true,
      handlers: { POST: (request) => answerPost(options, rates, request) },
    }),
  ]
  removals.push(registry.add(options.crlPath ?? '/crl', currentCrl(options)))
  let ofProfiles: Array<() => void> = []
  const server: CmpServer = {
    refresh: () => {
      for (const remove of ofProfiles) remove()
      const names = [
        ...new Set([...options.authority.context.settings.profiles.map(({ name }) => name), ...(options.upstream?.profiles ?? [])]),
      ]
      ofProfiles = names.flatMap((name) => {
        const path = `${CMP_ROOT}/p/${name}`
        const listed: Resource = {
          attributes: { ct: String(PKIXCMP) },
          subtree: true,
          handlers: { POST: (request) => answerPost(options, rates, request) },
        }
        return [registry.add(path, listed), ...(announcer === undefined ? [] : [registry.add(`${path}/ann`, announcements(announcer))])]
      })
    },
    close: () => {
      for (const remove of [...ofProfiles, ...removals]) remove()
    },
  }
  if (announcer !== undefined) removals.push(registry.add(`${CMP_ROOT}/ann`, announcements(announcer)))
  server.refresh()
  return server
}

async function answerPost(options: CmpServerOptions, rates: SourceRates, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.contentFormat !== PKIXCMP) return { code: '4.15' }
  if (request.accept !== undefined && request.accept !== PKIXCMP) return { code: '4.06' }
  const path = readCmpPath(request.path.slice(2))
  if (path === undefined) return { code: '4.04' }
  if (request.payload.length > MAX_MESSAGE_BYTES) return { code: '4.13' }
  const admission = rates.admit(request.channelId, request.source, request.payload.length)
  if (!admission.ok) {
    return admission.busy ? { code: '5.03', options: [maxAge(BUSY_RETRY_S)] } : tooManyRequests(admission.retryAfterS)
  }
  try {
    const routed = options.upstream?.route(request.payload, path, request)
    return toResponse(await (routed ?? local(options.authority, request, path)))
  } finally {
    admission.done()
  }
}

function local(authority: RegistrationAuthority, request: IncomingRequest, { profile, allowed }: CmpPath): Promise<RaAnswer> {
  return authority.handle(request.payload, {
    source: formatSocketAddress(request.source),
    ...(profile === undefined ? {} : { profile }),
    ...(allowed === undefined ? {} : { allowed }),
  })
}

/** 2.04 for every message that was handled, a rejection in the response of its own kind included; else the code of its reason. */
function toResponse({ bytes, failInfo, isError }: RaAnswer): OutgoingResponse {
  const code = failInfo === undefined || !isError ? '2.04' : (CODES[failInfo] ?? '4.00')
  const body = { code, payload: bytes, contentFormat: PKIXCMP } as const
  return code === '5.03' ? { ...body, options: [maxAge(BUSY_RETRY_S)] } : body
}

/** The active authority's CRL; those of earlier generations are asked for by CMP. */
function currentCrl({ authority, clock }: CmpServerOptions): Resource {
  return {
    attributes: { ct: String(ContentFormat.OCTET_STREAM), title: 'CRL' },
    handlers: {
      GET: (request) => {
        if (request.accept !== undefined && request.accept !== ContentFormat.OCTET_STREAM) return { code: '4.06' }
        const { ca } = authority.context
        const crl = ca.exists ? ca.crl() : undefined
        if (crl === undefined) return { code: '4.04' }
        const options = [entityTag(crl.der), maxAge(Math.min((crl.nextUpdate - clock.now()) / 1000, ANNOUNCEMENT_MAX_AGE_S))]
        return validated(request, { code: '2.05', payload: crl.der, contentFormat: ContentFormat.OCTET_STREAM, options })
      },
    },
  }
}

function announcements(announcer: Announcer): Resource {
  return {
    attributes: { ct: String(PKIXCMP) },
    observable: announcer.observable,
    handlers: {
      GET: (request) => {
        if (request.accept !== undefined && request.accept !== PKIXCMP) return { code: '4.06' }
        const payload = announcer.current()
        if (payload === undefined) return { code: '5.03', options: [maxAge(BUSY_RETRY_S)] }
        return { code: '2.05', payload, contentFormat: PKIXCMP, options: [maxAge(ANNOUNCEMENT_MAX_AGE_S)] }
      },
    },
  }
}
