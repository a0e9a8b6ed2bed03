// Whom this program believes over DTLS: holders of certificates of the site, and devices by what their makers have given them (RFC 7252 §9.1.3.3).
import { toHex, type Clock } from '#main/base/index.ts'
import { generalNameText, nameText, PathValidator, tryCertificate, type Certificate } from '#main/services/ra/index.ts'
import type { PeerVerifier, Verdict } from '#main/wire/dtls/index.ts'

export interface TrustPorts {
  /** Certificates of the site's own authorities, of all generations. */
  readonly authorities: () => readonly Certificate[]
  /** Roots of manufacturers, in DER. */
  readonly manufacturers: () => readonly Uint8Array[]
  readonly isRevoked: (serial: string) => boolean
  readonly clock: Clock
}

export interface Trust {
  readonly verifyPeer: PeerVerifier
  /** To be called when anchors may have changed. */
  changed(): void
}

const SITE = 'site:'
const SCHEME = 'dtls-certificate:'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const COMMON_NAME = /(?:^|, )(?:CN|serialNumber)=((?:\\.|[^,\\])+)/
const MAC_URN = 'urn:dev:mac:'

export function createTrust({ authorities, manufacturers, isRevoked, clock }: TrustPorts): Trust {
  const makeValidators = (): { readonly site: PathValidator; readonly makers: PathValidator } => ({
    site: new PathValidator(authorities()),
    makers: new PathValidator(manufacturers().flatMap((der) => tryCertificate(der) ?? [])),
  })
  let validators: ReturnType<typeof makeValidators> | undefined
  return {
    changed() {
      validators = undefined
    },
    async verifyPeer({ credential, peerRole }) {
      if (credential.kind !== 'certificate') return refused('unsupported_certificate', 'Raw public keys are not known here')
      const chain = credential.chain.map(tryCertificate)
      const [leaf, ...others] = chain.flatMap((certificate) => certificate ?? [])
      if (leaf === undefined || others.length + 1 !== chain.length) return refused('bad_certificate', 'A certificate cannot be read')
      const purposes = leaf.extendedKeyUsage
      if (purposes.length > 0 && !purposes.includes(peerRole === 'client' ? CLIENT_AUTH : SERVER_AUTH))
        return refused('unsupported_certificate', 'The certificate is for another purpose')
      validators ??= makeValidators()
      const { site, makers } = validators
      const ofSite = await site.validate(leaf, others, clock.now())
      if (ofSite.ok) {
        if (isRevoked(toHex(leaf.serial))) return refused('certificate_revoked', 'The certificate is revoked')
        const name = holderOf(leaf)
        return name === undefined ? refused('bad_certificate', 'The certificate names nobody') : { ok: true, name: `${SITE}${name}` }
      }
      // Servers of a site have certificates of the site.
      if (peerRole === 'client' && (await makers.validate(leaf, others, clock.now())).ok) return { ok: true }
      if (!leaf.isValidAt(clock.now())) return refused('certificate_expired', 'The certificate is not valid at this time')
      return refused('unknown_ca', ofSite.why)
    },
  }
}

/** The device that a certificate of the site is for, in lower case: the same for all certificates that it gets after each other. */
export function holderOf(certificate: Certificate): string | undefined {
  const named = COMMON_NAME.exec(nameText(certificate.subject))?.[1]?.replaceAll(/\\(.)/g, '$1')
  const alternative = certificate.subjectAltNames.find(({ kind }) => kind === 'dns' || kind === 'uri')
  const name = (named ?? (alternative === undefined ? undefined : generalNameText(alternative)))?.toLowerCase()
  return name?.startsWith(MAC_URN) === true ? name.slice(MAC_URN.length) : name
}

/** Whom the site has certified, of an identity as the directory keeps it; undefined where that is no certificate of the site. */
export function certifiedHolder(identity: string | undefined): string | undefined {
  const prefix = `${SCHEME}${SITE}`
  return identity?.startsWith(prefix) === true ? identity.slice(prefix.length) : undefined
}

function refused(alert: Extract<Verdict, { ok: false }>['alert'], reason: string): Verdict {
  return { ok: false, alert, reason }
}
