// A site bundle made and opened: signed by the site's authority, refused where one byte of it was changed.
import { AppError, sha256, toHex, utf8, utf8ToText } from '#main/base/index.ts'
import { KeyUsage, nameText, PathValidator, type Certificate } from '#main/services/ra/index.ts'
import { checkSiteDocument } from '../parse.ts'
import { canonicalText } from './canonical.ts'
import { BUNDLE_FORMAT, BUNDLE_TYPE, BUNDLE_VERSION, bundleDocument, type BundleDocument } from './document.ts'
import { signJws, verifyJws, type Signer } from './jws.ts'

/** Who signed a bundle, as people compare it. */
export interface BundleSignature {
  readonly signer: string
  readonly root: string
  /** SHA-256 of the root's certificate, hex: what the installer compares with the other laptop. */
  readonly rootFingerprint: string
  readonly signedAt: number
}

export interface OpenedBundle {
  readonly document: BundleDocument
  readonly signature: BundleSignature
  /** Serial number of the signer's certificate, hex: whether it was revoked is for those who know its authority. */
  readonly serial: string
}

/** id-kp-documentSigning (RFC 9336 §3.1). */
export const DOCUMENT_SIGNING = '1.3.6.1.5.5.7.3.36'
const MOST_TEXT = 64 * 1024 * 1024

/** The file's bytes: one JSON object, a JWS that any JOSE library reads. */
export async function makeBundle(document: BundleDocument, signer: Signer, nowMs: number): Promise<Uint8Array> {
  const jws = await signJws(utf8(canonicalText(document)), { typ: BUNDLE_TYPE, iat: Math.floor(nowMs / 1000) }, signer)
  return utf8(`${JSON.stringify(jws)}\n`)
}

/** Whether a text means to be a bundle; a site export is none. */
export function looksLikeBundle(text: string): boolean {
  return /^\uFEFF?\s*\{\s*"(?:payload|protected|signature)"\s*:/.test(text)
}

/**
 * Throws `bundle.invalid`, `bundle.signature-invalid`, `bundle.signer-untrusted` (no path of certificates leads from the signer to its root),
 * `import.version-unsupported`, `import.schema-invalid`; nothing else, whatever the text. Whether the root is the right one is for who asks.
 */
export async function openBundle(text: string): Promise<OpenedBundle> {
  if (text.length > MOST_TEXT) throw new AppError('bundle.invalid', 'The file is too large for a bundle')
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (cause) {
    throw new AppError('bundle.invalid', 'The file is not JSON', { cause })
  }
  const { payload, header, chain } = await verifyJws(value)
  if (header.typ !== BUNDLE_TYPE) throw new AppError('bundle.invalid', 'What was signed is no bundle')
  const signedAt = header.iat * 1000
  const root = await rootOf(chain, signedAt)
  const [leaf = root] = chain
  return {
    document: readDocument(payload),
    signature: {
      signer: nameText(leaf.subject),
      root: nameText(root.subject),
      rootFingerprint: toHex(root.fingerprint()),
      signedAt,
    },
    serial: toHex(leaf.serial),
  }
}

/** What does not change while the site does not: a receiver that has it need not be sent it again. */
export function bundleDigest(document: BundleDocument): string {
  return toHex(sha256(utf8(canonicalText({ ...document, secrets: null }))))
}

/** The certificates count at the time of the signature: a bundle in an archive does not go bad. */
async function rootOf(chain: readonly Certificate[], signedAt: number): Promise<Certificate> {
  const [leaf] = chain
  const root = chain.at(-1)
  if (leaf === undefined || root?.isIssuedBy(root) !== true) throw untrusted('The chain does not end in a root')
  if (!leaf.allows(KeyUsage.digitalSignature)) throw untrusted('The signer’s certificate is not for signatures')
  const { ok, why } = await new PathValidator([root]).validate(leaf, chain.slice(1, -1), signedAt)
  if (!ok) throw untrusted(why)
  // Devices have certificates of the same authority: only one for documents makes a signer (RFC 9336 §3).
  if (!purposesOf(leaf).includes(DOCUMENT_SIGNING)) throw untrusted('The signer’s certificate is not for signatures on documents')
  return root
}

function purposesOf(certificate: Certificate): readonly string[] {
  try {
    return certificate.extendedKeyUsage
  } catch {
    return []
  }
}

function untrusted(reason: string): AppError {
  return new AppError('bundle.signer-untrusted', reason, { details: { reason } })
}

function readDocument(payload: Uint8Array): BundleDocument {
  const text = utf8ToText(payload)
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch (cause) {
    throw new AppError('bundle.invalid', 'What was signed is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== BUNDLE_FORMAT)
    throw new AppError('bundle.invalid', 'What was signed is no bundle')
  if ('version' in value && typeof value.version === 'number' && value.version !== BUNDLE_VERSION) {
    throw new AppError('import.version-unsupported', `Version ${value.version} of the bundle is not known here`, {
      details: { version: value.version, supported: BUNDLE_VERSION },
    })
  }
  // The site within is checked as any site export is, references and rules included.
  const site = checkSiteDocument('site' in value ? value.site : undefined)
  const parsed = bundleDocument.safeParse({ ...value, site })
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => ({ path: issue.path.map(String).join('/'), message: issue.message })).slice(0, 50)
    throw new AppError('import.schema-invalid', 'Not a valid bundle', { details: { count: issues.length, issues } })
  }
  return parsed.data
}
