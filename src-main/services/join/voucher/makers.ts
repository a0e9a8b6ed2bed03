// Makers whom the site trusts: whose devices may come, who may sign vouchers, and where they are asked (RFC 8995 §2.3.2, §5.4).
import { AppError, sha256 } from '#main/base/index.ts'
import { type Certificate, keyIdOf, tryCertificate } from '#main/services/ra/index.ts'
import type { VoucherSigner } from './artifact.ts'
import { masaUrlOf } from './identity.ts'
import { pathTo } from './trust.ts'

export interface Maker {
  readonly id: string
  readonly name: string
  /** Authorities of its devices' certificates, in DER. */
  readonly anchors: readonly Uint8Array[]
  /** Who alone may sign its vouchers. */
  readonly voucherAnchors?: readonly Uint8Array[]
  /** Goes before what its devices' certificates say: `masa.example` or a whole URL. */
  readonly masaUrl?: string
  /** PEM of the authorities that may vouch for its server; those of the system unless told. */
  readonly tlsAnchors?: string
  /** Whether the registrar shows its certificate to the server; it does unless told (constrained-voucher-31 §7.4). */
  readonly showsCertificate?: boolean
  /**
   * Key identifier in requests to it, where it wants one (constrained-voucher-31 §9.2.1): the key identifier of RFC 5280 §4.2.1.2, the SHA-256
   * of the public key, or fixed bytes.
   */
  readonly kid?: 'key-id' | 'sha256' | Uint8Array
}

/** Where a maker's server is asked, and how it is known. */
export interface MasaAddress {
  /** `https://masa.example/.well-known/brski`, without a slash behind. */
  readonly url: string
  readonly tlsAnchors: string | undefined
  readonly showsCertificate: boolean
}

/** The maker to whose anchors the pledge's chain leads. Total: a chain that cannot be read leads to nobody. */
export async function findMaker(makers: readonly Maker[], pledgeChain: readonly Uint8Array[], nowMs: number): Promise<Maker | undefined> {
  const chain = pledgeChain.map(tryCertificate).filter((one) => one !== undefined)
  const [leaf] = chain
  if (leaf === undefined) return undefined
  for (const maker of makers) {
    const anchors = maker.anchors.map(tryCertificate).filter((one) => one !== undefined)
    const { ok } = await pathTo(anchors, leaf, chain.slice(1), nowMs)
    if (ok) return maker
  }
  return undefined
}

/** The `kid` that goes into a request of that registrar to that maker, as an option of the functions that write one. */
export function kidOption(maker: Maker | undefined, { key }: VoucherSigner): { readonly kid?: Uint8Array } {
  const kid = maker?.kid
  if (kid === undefined) return {}
  if (kid === 'key-id') return { kid: keyIdOf(key.spki) }
  return { kid: kid === 'sha256' ? sha256(key.spki) : kid }
}

/**
 * Who may sign its vouchers: whom it names, else every maker in the list, for many keep one authority for devices and another for vouchers.
 * The pledge knows better and has the last word.
 */
export function voucherAnchorsOf(maker: Maker | undefined, makers: readonly Maker[]): readonly Uint8Array[] {
  if (maker === undefined) return []
  return maker.voucherAnchors ?? makers.flatMap(({ anchors, voucherAnchors = anchors }) => voucherAnchors)
}

/** What is set for the maker, else what the birth certificate says; undefined where neither names a server. */
export function masaAddressOf(maker: Maker | undefined, idevid: Certificate | undefined): MasaAddress | undefined {
  const text = maker?.masaUrl ?? (idevid === undefined ? undefined : masaUrlOf(idevid))
  if (text === undefined) return undefined
  return { url: masaUrl(text), tlsAnchors: maker?.tlsAnchors, showsCertificate: maker?.showsCertificate ?? true }
}

const WELL_KNOWN = '/.well-known/brski'

/** The base of the server's operations; throws `voucher.masa-unknown` for anything but HTTPS (RFC 8995 §2.3.2). */
export function masaUrl(text: string): string {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url?.protocol !== 'https:' || !isPlain) {
    throw new AppError('voucher.masa-unknown', 'The address of the voucher server is no HTTPS URL', {
      details: { url: text.slice(0, 200) },
    })
  }
  const path = url.pathname.replace(/\/+$/, '')
  return `${url.origin}${path === '' ? WELL_KNOWN : path}`
}
