// The leaves of both YANG modules with their SIDs (draft-ietf-anima-rfc8366bis §8.5, §9.3) and what each holds, as one table.
import { fromDateAndTime, toDateAndTime } from './date-and-time.ts'
import { ASSERTIONS, invalidVoucher, type Assertion, type VoucherRequestData } from './types.ts'

/** One value as both encodings see it. */
export type LeafValue = string | number | bigint | boolean | Uint8Array | readonly LeafValue[]
export type LeafKind = 'assertion' | 'time' | 'boolean' | 'binary' | 'string' | 'extensions'
export type LeafField = Exclude<keyof VoucherRequestData, 'unread'>

export interface Leaf {
  readonly field: LeafField
  readonly name: string
  readonly kind: LeafKind
  /** Undefined where the module has no such leaf. */
  readonly voucherSid: number | undefined
  readonly requestSid: number
}

export interface Module {
  readonly name: 'ietf-voucher' | 'ietf-voucher-request'
  /** SID of the container. */
  readonly sid: number
}

export const VOUCHER: Module = { name: 'ietf-voucher', sid: 2451 }
export const REQUEST: Module = { name: 'ietf-voucher-request', sid: 2501 }

function leaf(field: LeafField, name: string, kind: LeafKind, voucherSid: number | undefined, requestSid: number): Leaf {
  return { field, name, kind, voucherSid, requestSid }
}

const LEAVES: readonly Leaf[] = [
  leaf('assertion', 'assertion', 'assertion', 2452, 2502),
  leaf('createdOn', 'created-on', 'time', 2453, 2503),
  leaf('domainCertRevocationChecks', 'domain-cert-revocation-checks', 'boolean', 2454, 2504),
  leaf('expiresOn', 'expires-on', 'time', 2455, 2505),
  leaf('idevidIssuer', 'idevid-issuer', 'binary', 2456, 2506),
  leaf('lastRenewalDate', 'last-renewal-date', 'time', 2457, 2507),
  leaf('nonce', 'nonce', 'binary', 2458, 2508),
  leaf('pinnedDomainCert', 'pinned-domain-cert', 'binary', 2459, 2509),
  leaf('pinnedDomainPubk', 'pinned-domain-pubk', 'binary', 2460, 2518),
  leaf('pinnedDomainPubkSha256', 'pinned-domain-pubk-sha256', 'binary', 2461, 2519),
  leaf('serialNumber', 'serial-number', 'string', 2462, 2514),
  leaf('additionalConfigurationUrl', 'additional-configuration-url', 'string', 2463, 2520),
  leaf('estDomain', 'est-domain', 'string', 2464, 2521),
  leaf('manufacturerProprietary', 'manufacturer-proprietary', 'binary', 2465, 2523),
  leaf('extensions', 'extensions', 'extensions', 2466, 2522),
  leaf('priorSignedVoucherRequest', 'prior-signed-voucher-request', 'binary', undefined, 2510),
  leaf('proximityRegistrarCert', 'proximity-registrar-cert', 'binary', undefined, 2511),
  leaf('proximityRegistrarPubkSha256', 'proximity-registrar-pubk-sha256', 'binary', undefined, 2512),
  leaf('proximityRegistrarPubk', 'proximity-registrar-pubk', 'binary', undefined, 2513),
  leaf('agentProvidedProximityRegistrarCert', 'agent-provided-proximity-registrar-cert', 'binary', undefined, 2515),
  leaf('agentSignCert', 'agent-sign-cert', 'binary', undefined, 2516),
  leaf('agentSignedData', 'agent-signed-data', 'binary', undefined, 2517),
]

export function leavesOf(module: Module): readonly Leaf[] {
  return module === REQUEST ? LEAVES : LEAVES.filter(({ voucherSid }) => voucherSid !== undefined)
}

export function sidOf(leaf: Leaf, module: Module): number {
  return module === VOUCHER ? (leaf.voucherSid ?? leaf.requestSid) : leaf.requestSid
}

export function leafBySid(sid: number | bigint, module: Module): Leaf | undefined {
  return leavesOf(module).find((leaf) => sidOf(leaf, module) === sid)
}

/** By its name, with or without the module's before it (RFC 7951 §4). */
export function leafByName(name: string, module: Module): Leaf | undefined {
  const prefix = `${module.name}:`
  const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name
  return leavesOf(module).find((leaf) => leaf.name === bare)
}

const MAX_SERIAL_CHARACTERS = 256
const MAX_EXTENSIONS = 64
/** Lengths in bytes that the modules, or the kind of hash, ask for. */
const LENGTHS: Readonly<Partial<Record<LeafField, readonly [least: number, most: number]>>> = {
  nonce: [8, 32],
  pinnedDomainPubkSha256: [32, 32],
  proximityRegistrarPubkSha256: [32, 32],
}

/** Collects what a decoder finds; `finish` gives the data. */
export class DataBuilder {
  readonly #found = new Map<LeafField, unknown>()
  readonly #unread: string[] = []

  /** Throws `voucher.invalid` where the value is not what the leaf holds, or the leaf was there before. */
  put(leaf: Leaf, value: unknown): void {
    if (this.#found.has(leaf.field)) throw invalidVoucher(`${leaf.name} is there twice`)
    this.#found.set(leaf.field, checked(leaf, value))
  }

  skip(name: string): void {
    this.#unread.push(name.slice(0, 100))
  }

  finish(): VoucherRequestData {
    const serialNumber = this.#found.get('serialNumber')
    if (typeof serialNumber !== 'string') throw invalidVoucher('it has no serial-number')
    const unread = this.#unread.length === 0 ? {} : { unread: this.#unread }
    return { ...Object.fromEntries(this.#found), serialNumber, ...unread }
  }
}

function checked(leaf: Leaf, value: unknown): unknown {
  const wrong = invalidVoucher(`${leaf.name} does not hold what it should`)
  switch (leaf.kind) {
    case 'assertion':
      if (!isAssertion(value)) throw wrong
      return value
    case 'time': {
      const ms = typeof value === 'string' ? fromDateAndTime(value) : undefined
      if (ms === undefined) throw wrong
      return ms
    }
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong
      return value
    case 'string':
      if (typeof value !== 'string' || (leaf.field === 'serialNumber' && !isSerialNumber(value))) throw wrong
      return value
    case 'binary': {
      const [least, most] = LENGTHS[leaf.field] ?? [0, Infinity]
      if (!(value instanceof Uint8Array) || value.length < least || value.length > most) throw wrong
      return value.slice()
    }
    case 'extensions':
      if (!Array.isArray(value) || value.length > MAX_EXTENSIONS || !value.every(isExtension)) throw wrong
      return value
  }
}

function isAssertion(value: unknown): value is Assertion {
  return ASSERTIONS.some((known) => known === value)
}

function isExtension(value: unknown): value is string | number | bigint {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0
  return typeof value === 'string' || (typeof value === 'bigint' && value >= 0n)
}

/** A text that people could read on a label: not empty, no control characters. */
function isSerialNumber(text: string): boolean {
  return text.length > 0 && text.length <= MAX_SERIAL_CHARACTERS && !/\p{Cc}/u.test(text)
}

/** The leaves that are there, in the table's order; times as text, assertions by name. */
export function leafValues(data: VoucherRequestData, module: Module): ReadonlyArray<readonly [Leaf, LeafValue]> {
  return leavesOf(module).flatMap((leaf): Array<readonly [Leaf, LeafValue]> => {
    const value = data[leaf.field]
    if (value === undefined) return []
    return [[leaf, leaf.kind === 'time' && typeof value === 'number' ? toDateAndTime(value) : value]]
  })
}
