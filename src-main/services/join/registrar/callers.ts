// Who talks to the registrar: a pledge by the certificate that its maker gave it, or a member by one of this site (RFC 8995 §5.1, RFC 9148 §3).
// Looked at anew with each request, so that what is revoked ends within a session too.
import { type AppError, toAppError, toHex, type SocketAddress } from '#main/base/index.ts'
import { Certificate, KeyUsage, nameText, type CertificateRecord, type RegistrationAuthority } from '#main/services/ra/index.ts'
import type { PledgeIdentity } from '../types.ts'
import { deviceSerialNumber, isDeviceCertificate } from '../voucher/index.ts'

export type Caller =
  | { readonly kind: 'pledge'; readonly pledge: PledgeIdentity; readonly certificate: Certificate }
  /** `pledge` names the device by the certificate with which it first came, as far as the records go. */
  | { readonly kind: 'member'; readonly pledge: PledgeIdentity; readonly certificate: Certificate; readonly record: CertificateRecord }

export type CallerVerdict =
  | { readonly kind: 'known'; readonly caller: Caller }
  | {
      readonly kind: 'refused'
      readonly reason: 'unreadable' | 'revoked' | 'expired' | 'unconfirmed' | 'unknown'
      readonly why: string
      /** Where the certificate could be read. */
      readonly pledge: PledgeIdentity | undefined
    }

export interface CallersOptions {
  readonly authority: RegistrationAuthority
  /** Whether devices whose makers are not known may come at all: a person may then admit them. */
  readonly allowsUnknownMakers: boolean
}

/** Renewals through which the first certificate of a device is looked for. */
const MAX_RENEWALS = 64
const MAX_CHAIN = 8

export class Callers {
  readonly #options: CallersOptions

  constructor(options: CallersOptions) {
    this.#options = options
  }

  /** Of a chain whose key the peer has proven to hold. Does not throw. */
  async judge(chain: readonly Uint8Array[], proxy: string | undefined): Promise<CallerVerdict> {
    const certificates = readable(chain)
    const [certificate, ...above] = certificates ?? []
    if (certificate === undefined)
      return { kind: 'refused', reason: 'unreadable', why: 'The certificate cannot be read', pledge: undefined }
    const pledge = (isKnownMaker: boolean): PledgeIdentity => pledgeOf(certificate, chain, isKnownMaker, proxy)
    const { credentials } = this.#options.authority
    try {
      const { requester, record } = await credentials.ofChain(chain, false)
      if (requester.kind !== 'own' || record === undefined) return this.#asPledge(certificate, pledge(true))
      return { kind: 'known', caller: { kind: 'member', certificate, record, pledge: this.#originOf(record, pledge(true)) } }
    } catch (thrown) {
      return this.#unknown(certificate, above, pledge(false), toAppError(thrown))
    }
  }

  #asPledge(certificate: Certificate, pledge: PledgeIdentity): CallerVerdict {
    if (!certificate.isAuthority && certificate.allows(KeyUsage.digitalSignature))
      return { kind: 'known', caller: { kind: 'pledge', pledge, certificate } }
    return { kind: 'refused', reason: 'unreadable', why: 'The certificate is not one of a device', pledge }
  }

  #unknown(certificate: Certificate, above: readonly Certificate[], pledge: PledgeIdentity, error: AppError): CallerVerdict {
    const { context } = this.#options.authority
    const refuse = (reason: Extract<CallerVerdict, { kind: 'refused' }>['reason'], why: string): CallerVerdict => ({
      kind: 'refused',
      reason,
      why,
      pledge,
    })
    const { failInfo } = error.details
    if (failInfo === 'certRevoked') return refuse('revoked', 'The certificate is revoked')
    const own = context.store.certificate(toHex(certificate.serial))
    if (own?.state === 'unconfirmed' && toHex(own.der) === toHex(certificate.bytes))
      return refuse('unconfirmed', 'The certificate is not confirmed')
    if (!certificate.isValidAt(context.clock.now())) return refuse('expired', 'The certificate is not valid at this time')
    if (failInfo !== 'signerNotTrusted') return refuse('unknown', error.message)
    // Whoever signed in our name without our books is nobody's maker.
    if (context.ca.authorities.some((authority) => certificate.isIssuedBy(authority.certificate)))
      return refuse('unknown', 'The certificate is not in the books of this site')
    const links = [certificate, ...above]
    const isWhole = links.every((link, index) => index + 1 >= links.length || link.isIssuedBy(links[index + 1] ?? link))
    if (!isWhole) return refuse('unknown', 'The certificates do not fit together')
    if (!this.#options.allowsUnknownMakers) return refuse('unknown', 'The maker of the device is not known here')
    return this.#asPledge(certificate, pledge)
  }

  /** By the certificate with which the device came first, which is its birth certificate where it has joined by that. */
  #originOf(record: CertificateRecord, pledge: PledgeIdentity): PledgeIdentity {
    const { store } = this.#options.authority.context
    let first = record
    // Older records do not say whose line they are of.
    for (let left = MAX_RENEWALS; left > 0 && first.replaces !== undefined; left--) {
      const before = store.certificate(first.replaces)
      if (before === undefined) break
      first = before
    }
    const [, key] =
      /^certificate:([0-9a-f]{64})$/.exec(record.holder ?? (first.requester.kind === 'idevid' ? first.requester.key : '')) ?? []
    return key === undefined ? pledge : { ...pledge, key }
  }
}

export function pledgeOf(
  certificate: Certificate,
  chain: readonly Uint8Array[],
  isKnownMaker: boolean,
  proxy: string | undefined,
): PledgeIdentity {
  return {
    key: toHex(certificate.fingerprint()),
    serialNumber: deviceSerialNumber(certificate),
    chain,
    manufacturer: nameText(certificate.issuer),
    isKnownMaker,
    proxy,
  }
}

/** `address` or `address%zone`. */
export function proxyText({ address, zone }: SocketAddress): string {
  return zone === undefined ? address : `${address}%${zone}`
}

/** What is read of a chain must hold as names and times too: identities are made of it. */
function readable(chain: readonly Uint8Array[]): readonly Certificate[] | undefined {
  if (chain.length === 0 || chain.length > MAX_CHAIN) return undefined
  try {
    const certificates = chain.map((der) => new Certificate(der))
    for (const certificate of certificates) {
      deviceSerialNumber(certificate)
      isDeviceCertificate(certificate)
      certificate.allows(KeyUsage.digitalSignature)
    }
    return certificates
  } catch {
    return undefined
  }
}
