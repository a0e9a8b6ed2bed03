// Status telemetry of pledges, in CBOR and JSON (RFC 8995 §5.7, §5.9.4; draft-ietf-anima-constrained-voucher §6.5.1). Total.
import { AppError, decodeCbor, encodeCbor, isCborMap, utf8ToText } from '#main/base/index.ts'
import { ContentFormat } from '#main/wire/coap/index.ts'

export interface StatusReport {
  readonly version: number
  readonly status: boolean
  readonly reason: string | undefined
  /** Whether there is more that this version does not speak of. */
  readonly hasContext: boolean
}

const MAX_REPORT_BYTES = 4096

/** Throws `join.report-invalid`; undefined for a format that is not spoken. */
export function readStatusReport(contentFormat: number | undefined, payload: Uint8Array): StatusReport | undefined {
  if (contentFormat !== ContentFormat.CBOR && contentFormat !== ContentFormat.JSON) return undefined
  if (payload.length > MAX_REPORT_BYTES) throw invalid('it is too large')
  const field = contentFormat === ContentFormat.CBOR ? cborFields(payload) : jsonFields(payload)
  const [version, status, reason] = [field('version'), field('status'), field('reason')]
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) throw invalid('it has no version')
  if (typeof status !== 'boolean') throw invalid('it has no status')
  if (reason !== undefined && typeof reason !== 'string') throw invalid('its reason is no text')
  return { version, status, reason, hasContext: field('reason-context') !== undefined }
}

/** Of version 1, in CBOR, as a pledge sends it. */
export function writeStatusReport(status: boolean, reason?: string): Uint8Array {
  return encodeCbor(
    new Map<string, number | boolean | string>([
      ['version', 1],
      ['status', status],
      ...(reason === undefined ? [] : ([['reason', reason]] as const)),
    ]),
  )
}

type Fields = (name: string) => unknown

/** A pledge writes its context as it likes: also with numbers for keys. */
function cborFields(payload: Uint8Array): Fields {
  let value
  try {
    value = decodeCbor(payload, { maxBytes: MAX_REPORT_BYTES })
  } catch (cause) {
    throw invalid('it is no CBOR', cause)
  }
  if (!isCborMap(value)) throw invalid('it is no map')
  const map = value
  return (name) => map.get(name)
}

function jsonFields(payload: Uint8Array): Fields {
  const text = utf8ToText(payload)
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch (cause) {
    throw invalid('it is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('it is no object')
  const fields = new Map<string, unknown>(Object.entries(value))
  return (name) => fields.get(name)
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError('join.report-invalid', `This is no status report: ${why}`, { details: { why }, cause })
}
