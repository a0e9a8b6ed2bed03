// What an announcement, or the status of an authority that was asked for, says once it is proven: a new root by its links to one that is trusted
// (RFC 9810 §4.4), a CRL by its issuer's signature (RFC 5280 §6.3.3), a certificate by its path. Who signed the message around it proves none of that.
import { AppError, equalBytes } from '#main/base/index.ts'
import { context, DerFields, elementsOf, readDer } from '../der/index.ts'
import { toRefusal } from '../cmp/status.ts'
import { Certificate, KeyUsage } from '../x509/certificate.ts'
import { sameName } from '../x509/names.ts'
import type { PathValidator } from '../x509/path.ts'
import { isCrlOf, readCrl, type CertificateList } from '../x509/requests.ts'
import type { Announcement } from './observe.ts'

/** `root` comes after `previous`, which is trusted and vouches for it by `link`. */
export interface KeyUpdate {
  readonly kind: 'key-update'
  readonly root: Certificate
  readonly previous: Certificate
  readonly link: Certificate
}

export type AuthorityNews =
  | KeyUpdate
  | { readonly kind: 'crl'; readonly list: CertificateList; readonly issuer: Certificate }
  | { readonly kind: 'revocation'; readonly issuer: Uint8Array; readonly serial: Uint8Array; readonly revokedAt: number }
  | { readonly kind: 'certificate'; readonly certificate: Certificate }

export interface NewsTrust {
  readonly paths: PathValidator
  /** Certificates that may lie between what is announced and a root. */
  readonly others: readonly Certificate[]
  readonly nowMs: number
}

/** CRLs in one announcement. */
const MAX_CRLS = 8
/** How far the issuer's clock may be ahead of this one. */
const AHEAD_MS = 600_000

/** Throws `ra.rejected` for what is not proven. */
export async function readNews(announcement: Announcement, trust: NewsTrust): Promise<readonly AuthorityNews[]> {
  try {
    switch (announcement.type) {
      case 'ckuann':
        return [readKeyUpdate(announcement.content, trust)]
      case 'crlann': {
        const lists: AuthorityNews[] = []
        for (const crl of announcement.crls.slice(0, MAX_CRLS)) lists.push(await provenCrl(crl, trust))
        return lists
      }
      case 'cann': {
        const certificate = new Certificate(announcement.certificate)
        const { ok, why } = await trust.paths.validate(certificate, trust.others, trust.nowMs)
        // A link between two keys of one root is announced as a certificate too; it says nothing by itself.
        if (!ok && !certificate.isSelfIssued) throw untold(`The announced certificate is not proven: ${why}`)
        return ok ? [{ kind: 'certificate', certificate }] : []
      }
      case 'rann': {
        const { certId, willBeRevokedAt } = announcement.announcement
        if (certId.issuer.kind !== 'directory') throw untold('The announced revocation names no issuer')
        return [{ kind: 'revocation', issuer: certId.issuer.name, serial: certId.serialNumber, revokedAt: willBeRevokedAt }]
      }
    }
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'ra.rejected') throw thrown
    const refusal = toRefusal(thrown)
    throw refusal === undefined ? thrown : untold(refusal.message)
  }
}

/** CAKeyUpdContent: that of version 2, or a RootCaKeyUpdateContent under [0] (RFC 9810 §5.3.13). */
function readKeyUpdate(content: Uint8Array, trust: NewsTrust): AuthorityNews {
  const outer = readDer(content)
  if (outer.tag === context(0)) return provenRoot(outer.content, trust)
  const [oldWithNew, newWithOld, newWithNew, ...more] = elementsOf(outer)
  if (oldWithNew === undefined || newWithOld === undefined || newWithNew === undefined || more.length > 0)
    throw untold('The key update is not complete')
  return linked(new Certificate(newWithNew.bytes), new Certificate(newWithOld.bytes), new Certificate(oldWithNew.bytes), trust)
}

/** RootCaKeyUpdateContent in DER (RFC 9810 §5.3.19.15). Throws `ra.rejected` where the new root is not proven by a trusted one. */
export function provenRoot(content: Uint8Array, trust: Pick<NewsTrust, 'paths' | 'nowMs'>): KeyUpdate {
  const fields = new DerFields(readDer(content))
  const newWithNew = new Certificate(fields.any().bytes)
  const newWithOld = fields.explicit(0)
  const oldWithNew = fields.explicit(1)
  fields.end()
  if (newWithOld === undefined) throw untold('The new root is not linked to the old one')
  return linked(
    newWithNew,
    new Certificate(newWithOld.bytes),
    oldWithNew === undefined ? undefined : new Certificate(oldWithNew.bytes),
    trust,
  )
}

/**
 * The old key must vouch for the new one, and where the way back is there, the new one for the old: whoever has only one of the two
 * signatures has no roll-over to show.
 */
function linked(
  newWithNew: Certificate,
  newWithOld: Certificate,
  oldWithNew: Certificate | undefined,
  { paths, nowMs }: Pick<NewsTrust, 'paths' | 'nowMs'>,
): KeyUpdate {
  if (!isRoot(newWithNew, nowMs)) throw untold('The new root is none that can be trusted at this time')
  const isNewKey = equalBytes(newWithOld.spki, newWithNew.spki) && sameName(newWithOld.subject, newWithNew.subject)
  if (!isNewKey || !newWithOld.isAuthority || !newWithOld.isValidAt(nowMs)) throw untold('The link to the new root is for something else')
  const previous = paths.anchors.find(
    (anchor) =>
      anchor.isValidAt(nowMs) &&
      anchor.isSelfIssued &&
      anchor.allows(KeyUsage.keyCertSign) &&
      sameName(anchor.subject, newWithNew.subject) &&
      newWithOld.isIssuedBy(anchor),
  )
  if (previous === undefined) throw untold('No root that is trusted vouches for the new one')
  if (oldWithNew !== undefined && !(equalBytes(oldWithNew.spki, previous.spki) && oldWithNew.isIssuedBy(newWithNew)))
    throw untold('The new root does not vouch for the old one')
  return { kind: 'key-update', root: newWithNew, previous, link: newWithOld }
}

function isRoot(certificate: Certificate, nowMs: number): boolean {
  return (
    certificate.isAuthority &&
    certificate.allows(KeyUsage.keyCertSign) &&
    certificate.isValidAt(nowMs) &&
    certificate.isIssuedBy(certificate)
  )
}

/** Throws `ra.rejected` for a CRL that no authority below the roots has signed, or one that is over. */
export async function provenCrl(bytes: Uint8Array, { paths, others, nowMs }: NewsTrust): Promise<Extract<AuthorityNews, { kind: 'crl' }>> {
  const list = readCrl(bytes)
  const issuer = [...paths.anchors, ...others].find(
    (candidate) =>
      (candidate.isAuthority || candidate.extensions.length === 0) && candidate.allows(KeyUsage.crlSign) && isCrlOf(list, candidate),
  )
  if (issuer === undefined) throw untold('No authority that is known has signed the CRL')
  if (!(await paths.validate(issuer, others, nowMs)).ok) throw untold('The issuer of the CRL is not trusted')
  if (list.thisUpdate > nowMs + AHEAD_MS) throw untold('The CRL is of a time to come')
  if (list.nextUpdate !== undefined && list.nextUpdate < nowMs) throw untold('The CRL is over')
  return { kind: 'crl', list, issuer }
}

function untold(why: string): AppError {
  return new AppError('ra.rejected', why)
}
