// Certification path validation (RFC 5280 §6) by pkijs; what it found of the authorities of a path is remembered for a while.
import { CertificateChainValidationEngine, Certificate as PkijsCertificate } from 'pkijs'
import { equalBytes, toHex } from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import { type Certificate, KeyUsage } from './certificate.ts'
import { sameName } from './names.ts'

export interface PathVerdict {
  readonly ok: boolean
  readonly why: string
  /** From the end entity up to the anchor. */
  readonly path: readonly Certificate[]
}

/** Extensions that this room or pkijs handles; another critical one makes a certificate useless here (RFC 5280 §4.2). */
const UNDERSTOOD: readonly string[] = [
  Oid.keyUsage,
  Oid.basicConstraints,
  Oid.subjectAltName,
  Oid.extendedKeyUsage,
  Oid.nameConstraints,
  Oid.certificatePolicies,
  Oid.subjectKeyIdentifier,
  Oid.authorityKeyIdentifier,
  Oid.crlDistributionPoints,
]
const MAX_PATH = 8
/** Signatures that are looked at to find one path. */
const MAX_LINK_CHECKS = 16
const REMEMBERED_PATHS = 1000
const REMEMBERED_MS = 600_000

/**
 * Validates paths to a fixed set of anchors. The leaf's own link is checked here; the authorities above it, of which there are few, go
 * through pkijs, constraints included.
 */
export class PathValidator {
  readonly anchors: readonly Certificate[]
  readonly #authorities = new Map<string, { readonly verdict: Promise<string | undefined>; readonly atMs: number }>()
  /** Paths that were valid, by their leaf. */
  readonly #valid = new Map<string, { readonly verdict: PathVerdict; readonly atMs: number }>()
  readonly #links = new Map<string, boolean>()

  constructor(anchors: readonly Certificate[]) {
    this.anchors = anchors
  }

  async validate(leaf: Certificate, others: readonly Certificate[], nowMs: number): Promise<PathVerdict> {
    const key = toHex(leaf.fingerprint())
    const known = this.#valid.get(key)
    if (known !== undefined && isRecent(known, nowMs) && linkFault(known.verdict.path, nowMs) === undefined) return known.verdict
    const path = this.#findPath(leaf, others)
    if (path === undefined) return { ok: false, why: 'No path leads to a trust anchor', path: [leaf] }
    const why = linkFault(path, nowMs) ?? (await this.#authoritiesFault(path, nowMs))
    const verdict = { ok: why === undefined, why: why ?? '', path }
    if (verdict.ok) remember(this.#valid, key, { verdict, atMs: nowMs })
    return verdict
  }

  #findPath(leaf: Certificate, others: readonly Certificate[]): Certificate[] | undefined {
    const path = [leaf]
    let checks = 0
    const isLinked = (lower: Certificate, upper: Certificate): boolean => {
      if (!mayBeLinked(lower, upper)) return false
      // Certificates of one name and costly keys would keep this machine busy with signatures.
      checks += 1
      return checks <= MAX_LINK_CHECKS && this.#isLinked(lower, upper, lower !== leaf)
    }
    for (let current = leaf; path.length <= MAX_PATH;) {
      const anchor = this.anchors.find((candidate) => same(candidate, current) || isLinked(current, candidate))
      if (anchor !== undefined) return same(anchor, current) ? path : [...path, anchor]
      const above = others.find((candidate) => !path.some((known) => same(known, candidate)) && isLinked(current, candidate))
      if (above === undefined) return undefined
      path.push(above)
      current = above
    }
    return undefined
  }

  /** Links between authorities are few and come with every leaf: they are checked once. */
  #isLinked(lower: Certificate, upper: Certificate, isAuthority: boolean): boolean {
    if (!isAuthority) return lower.isIssuedBy(upper)
    const key = `${toHex(lower.fingerprint())}${toHex(upper.fingerprint())}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const linked = lower.isIssuedBy(upper)
    remember(this.#links, key, linked)
    return linked
  }

  /** Constraints of the authorities depend on the leaf's names only where they constrain names: then it goes through too. */
  #authoritiesFault(path: readonly Certificate[], nowMs: number): Promise<string | undefined> {
    if (path.length < 3) return Promise.resolve(undefined)
    const constrained = path.some((certificate) => certificate.extension(Oid.nameConstraints) !== undefined)
    const upper = constrained ? path : path.slice(1)
    const key = upper.map((certificate) => toHex(certificate.fingerprint())).join('')
    const known = this.#authorities.get(key)
    if (known !== undefined && isRecent(known, nowMs)) return known.verdict
    const verdict = validateByPkijs(upper, nowMs)
    remember(this.#authorities, key, { verdict, atMs: nowMs })
    return verdict
  }
}

/** Near in either direction: what was found while the clock was wrong is not believed once it is set. */
function isRecent({ atMs }: { readonly atMs: number }, nowMs: number): boolean {
  return Math.abs(nowMs - atMs) <= REMEMBERED_MS
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  const [oldest] = map.keys()
  if (map.size >= REMEMBERED_PATHS && oldest !== undefined) map.delete(oldest)
  map.set(key, value)
}

/** By the names, and by the key identifiers where both give one (RFC 5280 §4.2.1.1): that costs no signature. */
function mayBeLinked(lower: Certificate, upper: Certificate): boolean {
  if (!sameName(lower.issuer, upper.subject)) return false
  const wanted = lower.authorityKeyId
  const given = upper.subjectKeyId
  return wanted === undefined || given === undefined || equalBytes(wanted, given)
}

function same(a: Certificate, b: Certificate): boolean {
  return a === b || equalBytes(a.bytes, b.bytes)
}

/** What each certificate must be by itself and for the one below (RFC 5280 §6.1.3, §6.1.4). */
function linkFault(path: readonly Certificate[], nowMs: number): string | undefined {
  for (const [index, certificate] of path.entries()) {
    if (!certificate.isValidAt(nowMs)) return 'A certificate of the path is not valid at this time'
    if (certificate.extensions.some(({ id, critical }) => critical && !UNDERSTOOD.includes(id)))
      return 'A critical extension is not understood'
    const isAnchor = index === path.length - 1
    if (index > 0 && !(certificate.isAuthority || (isAnchor && certificate.extensions.length === 0)))
      return 'A certificate of the path is none of an authority'
    if (index > 0 && !certificate.allows(KeyUsage.keyCertSign)) return 'An authority of the path may not sign certificates'
    // pkijs sees the path without its leaf, and would count one authority too few.
    const below = path.slice(1, index).filter(({ isSelfIssued }) => !isSelfIssued).length
    if (index > 0 && below > (certificate.pathLength ?? below)) return 'The path is longer than one of its authorities allows'
  }
  return undefined
}

async function validateByPkijs(path: readonly Certificate[], nowMs: number): Promise<string | undefined> {
  const read = (certificate: Certificate): PkijsCertificate => PkijsCertificate.fromBER(certificate.bytes.slice().buffer)
  const anchor = path.at(-1)
  if (anchor === undefined) return 'No path'
  try {
    const engine = new CertificateChainValidationEngine({
      trustedCerts: [read(anchor)],
      // pkijs looks at the last one as the end entity.
      certs: path.slice(0, -1).toReversed().map(read),
      checkDate: new Date(nowMs),
    })
    const { result, resultMessage } = await engine.verify()
    return result ? undefined : `The path is not valid: ${resultMessage}`
  } catch (thrown) {
    return `The path could not be validated: ${thrown instanceof Error ? thrown.message : 'unknown'}`
  }
}
