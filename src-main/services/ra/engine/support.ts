// Support messages (RFC 9810 §5.3.19, RFC 9483 §4.3): authority certificates, root update, request template, CRLs.
import { equalBytes } from '#main/base/index.ts'
import {
  context as contextTag,
  DerFields,
  elementsOf,
  explicit,
  Oid,
  oid,
  readDer,
  sequence,
  Tag,
  timeValue,
  type Der,
} from '../der/index.ts'
import type { InfoTypeAndValue, PkiHeader } from '../cmp/header.ts'
import { certProfileOf } from '../cmp/header.ts'
import { encodeAttributes, encodeTemplate } from '../cmp/crmf.ts'
import { Refusal } from '../cmp/status.ts'
import type { Authority } from '../ca/authority-keys.ts'
import type { KeyType } from '../types.ts'
import { encodeAlgorithm } from '../x509/algorithms.ts'
import { buildName, nameKey, parseNameText, readGeneralName } from '../x509/names.ts'
import { Certificate, KeyUsage } from '../x509/certificate.ts'
import { extensionOf } from '../x509/write.ts'
import { profileOf, type RaContext } from './context.ts'

const MAX_INFOS = 8
/** Questions without a value (RFC 9810 §5.3.19); some clients write NULL. */
const VALUELESS: ReadonlySet<string> = new Set([
  Oid.itCaCerts,
  Oid.itCaKeyUpdateInfo,
  Oid.itCertReqTemplate,
  Oid.itCurrentCrl,
  Oid.itSignKeyPairTypes,
  Oid.itCaProtEncCert,
  Oid.itEncKeyPairTypes,
  Oid.itPreferredSymmAlg,
])

/** The answers, in the order of the questions; what cannot be answered is listed as unsupported (RFC 9810 §5.3.19.7). */
export function answerInfos(
  context: RaContext,
  infos: readonly InfoTypeAndValue[],
  header: PkiHeader,
  profilePath: string | undefined,
): readonly InfoTypeAndValue[] {
  if (infos.length > MAX_INFOS) throw new Refusal('badRequest', 'Too many questions at once')
  const answers: InfoTypeAndValue[] = []
  const unsupported: string[] = []
  for (const info of infos) {
    const answer = answerInfo(context, info, header, profilePath)
    if (answer === undefined) unsupported.push(info.type)
    else answers.push(answer)
  }
  if (unsupported.length > 0) answers.push({ type: Oid.itUnsupportedOids, value: sequence(...unsupported.map(oid)) })
  return answers
}

function answerInfo(
  context: RaContext,
  info: InfoTypeAndValue,
  header: PkiHeader,
  profilePath: string | undefined,
): InfoTypeAndValue | undefined {
  const { ca } = context
  if (VALUELESS.has(info.type) && info.value !== undefined && info.value[0] !== Tag.NULL)
    throw new Refusal('badRequest', 'The question comes with a value that it does not have')
  switch (info.type) {
    case Oid.itCaCerts:
      return valued(info.type, sequence(...authorityCertificates(ca.active)))
    case Oid.itRootCaCert:
      return rootUpdate(ca.authorities, info.value)
    case Oid.itCaKeyUpdateInfo:
      return keyUpdateInfo(ca.active)
    case Oid.itCertReqTemplate:
      return { type: info.type, value: requestTemplate(context, header, profilePath) }
    case Oid.itCrlStatusList:
      return crlUpdate(context, info.value)
    case Oid.itCurrentCrl:
      return valued(info.type, ca.crl()?.der)
    case Oid.itSignKeyPairTypes:
      return {
        type: info.type,
        value: sequence(...profileOf(context.settings, profilePath, undefined).keyTypes.map((type) => encodeAlgorithm(keyAlgorithm(type)))),
      }
    // Spoken, but with nothing to say: this authority encrypts nothing.
    case Oid.itCaProtEncCert:
    case Oid.itEncKeyPairTypes:
    case Oid.itPreferredSymmAlg:
      return { type: info.type }
    default:
      return undefined
  }
}

function valued(type: string, value: Uint8Array | undefined): InfoTypeAndValue {
  return value === undefined ? { type } : { type, value }
}

/** The issuing authority first, the root last. */
export function authorityCertificates(authority: Authority): readonly Uint8Array[] {
  return [authority.certificate, ...authority.chain].map(({ bytes }) => bytes)
}

/** rootCaKeyUpdate for the root that the device has; without a value where that is the newest. */
function rootUpdate(authorities: readonly Authority[], value: Uint8Array | undefined): InfoTypeAndValue {
  const roots = authorities.filter(({ record }) => record.kind === 'root')
  const newest = roots.at(-1)
  const held = value === undefined ? roots.at(-2)?.certificate.bytes : new Certificate(value).bytes
  if (newest?.record.links === undefined || held === undefined || equalBytes(held, newest.certificate.bytes))
    return { type: Oid.itRootCaKeyUpdate }
  if (!roots.some(({ certificate }) => equalBytes(certificate.bytes, held))) return { type: Oid.itRootCaKeyUpdate }
  return { type: Oid.itRootCaKeyUpdate, value: rootUpdateContent(newest, newest.record.links) }
}

export function rootUpdateContent(
  authority: Authority,
  links: { readonly newWithOld: Uint8Array; readonly oldWithNew: Uint8Array },
): Uint8Array {
  return sequence(authority.certificate.bytes, explicit(0, links.newWithOld), explicit(1, links.oldWithNew))
}

/** CAKeyUpdAnnContent of CMP version 2. */
export function keyUpdateContent(
  authority: Authority,
  links: { readonly newWithOld: Uint8Array; readonly oldWithNew: Uint8Array },
): Uint8Array {
  return sequence(links.oldWithNew, links.newWithOld, authority.certificate.bytes)
}

function keyUpdateInfo(authority: Authority): InfoTypeAndValue {
  const { links } = authority.record
  return valued(Oid.itCaKeyUpdateInfo, links === undefined ? undefined : keyUpdateContent(authority, links))
}

/** What a request under the profile should look like (RFC 9483 §4.3.3): what the requester is to fill in stays empty. */
function requestTemplate(context: RaContext, header: PkiHeader, profilePath: string | undefined): Uint8Array {
  const profile = profileOf(context.settings, profilePath, certProfileOf(header))
  const subject = buildName(
    (parseNameText(profile.assignedSubject) ?? []).map(({ type, value }) => ({ type, value: value.includes('{') ? '' : value })),
  )
  const template = encodeTemplate({
    subject,
    extensions: [
      extensionOf.keyUsage(profile.keyUsage.map((usage) => KeyUsage[usage])),
      ...(profile.extendedKeyUsage.length === 0 ? [] : [extensionOf.extendedKeyUsage(profile.extendedKeyUsage)]),
    ],
  })
  const keys = profile.keyTypes
    .filter((type) => type !== 'RSA')
    .map((type) => ({ type: Oid.regCtrlAlgId, value: encodeAlgorithm(keyAlgorithm(type)) }))
  return sequence(template, encodeAttributes(keys))
}

function keyAlgorithm(type: KeyType): { readonly algorithm: string; readonly parameters?: Uint8Array } {
  switch (type) {
    case 'P-256':
      return { algorithm: Oid.ecPublicKey, parameters: oid(Oid.prime256v1) }
    case 'P-384':
      return { algorithm: Oid.ecPublicKey, parameters: oid(Oid.secp384r1) }
    case 'Ed25519':
      return { algorithm: Oid.ed25519 }
    case 'RSA':
      return { algorithm: Oid.rsaEncryption }
  }
}

/** CRLs that are newer than what the device has (RFC 9483 §4.3.4). */
function crlUpdate({ ca }: RaContext, value: Uint8Array | undefined): InfoTypeAndValue {
  if (value === undefined) return valued(Oid.itCrls, wrapped(ca.crl()?.der))
  const newer = elementsOf(readDer(value))
    .slice(0, MAX_INFOS)
    .flatMap((status) => newerCrl(ca.authorities, (id) => ca.crl(id), status))
  return newer.length === 0 ? { type: Oid.itCrls } : { type: Oid.itCrls, value: sequence(...newer) }
}

function wrapped(crl: Uint8Array | undefined): Uint8Array | undefined {
  return crl === undefined ? undefined : sequence(crl)
}

function newerCrl(
  authorities: readonly Authority[],
  crlOf: (authorityId: string) => { readonly der: Uint8Array; readonly thisUpdate: number } | undefined,
  status: Der,
): Uint8Array[] {
  const fields = new DerFields(status)
  const issuers = issuersOf(fields.any())
  const heldSince = fields.done ? undefined : timeValue(fields.any())
  fields.end()
  // A distribution point that is asked for is the one that this site's certificates name: the active authority's.
  const asked =
    issuers === undefined ? authorities.slice(-1) : authorities.filter(({ certificate }) => issuers.includes(nameKey(certificate.subject)))
  return asked.slice(-1).flatMap(({ record }) => {
    const crl = crlOf(record.id)
    if (crl === undefined) return []
    const isNewer = heldSince === undefined || Math.floor(crl.thisUpdate / 1000) > Math.floor(heldSince / 1000)
    return isNewer ? [crl.der] : []
  })
}

/** Keys of the issuers' names; undefined for a distribution point. */
function issuersOf(source: Der): readonly string[] | undefined {
  if (source.tag === contextTag(0)) return undefined
  if (source.tag !== contextTag(1)) throw new Refusal('badDataFormat', 'The source of a CRL is neither issuer nor distribution point')
  const names = source.content[0] === Tag.SEQUENCE ? elementsOf(readDer(source.content)) : elementsOf(source, contextTag(1))
  return names.map(readGeneralName).flatMap((name) => (name.kind === 'directory' ? [nameKey(name.name)] : []))
}
