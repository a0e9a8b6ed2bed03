// PKIBody (RFC 9810 §5.1.2, §5.3): the choices that are spoken here, read and written; all others are kept as they came.
import {
  context,
  der,
  DerFields,
  elementsOf,
  explicit,
  integer,
  integerValue,
  invalidDer,
  NULL,
  octets,
  octetString,
  readDer,
  sequence,
  Tag,
  type Der,
} from '../der/index.ts'
import { encodeAlgorithm, readAlgorithm, type AlgorithmIdentifier } from '../x509/algorithms.ts'
import { readExtensions, type Extension } from '../x509/certificate.ts'
import { encodeExtensions } from '../x509/write.ts'
import {
  encodeCertId,
  encodeCertReqMsg,
  encodeTemplate,
  readCertId,
  readCertReqMsg,
  readTemplate,
  type CertId,
  type CertReqMsg,
  type CertTemplate,
} from './crmf.ts'
import { encodeRevocationAnnouncement, readRevocationAnnouncement, type RevocationAnnouncement } from './announcement.ts'
import { encodeInfos, readInfos, type InfoTypeAndValue } from './header.ts'
import { encodeFreeText, encodeStatus, readFreeText, readStatus, type StatusInfo } from './status.ts'

export const BODY_TYPES = [
  'ir',
  'ip',
  'cr',
  'cp',
  'p10cr',
  'popdecc',
  'popdecr',
  'kur',
  'kup',
  'krr',
  'krp',
  'rr',
  'rp',
  'ccr',
  'ccp',
  'ckuann',
  'cann',
  'rann',
  'crlann',
  'pkiconf',
  'nested',
  'genm',
  'genp',
  'error',
  'certConf',
  'pollReq',
  'pollRep',
] as const
export type BodyType = (typeof BODY_TYPES)[number]
export type EnrolType = 'ir' | 'cr' | 'kur'
export type EnrolReplyType = 'ip' | 'cp' | 'kup'

export interface CertResponse {
  readonly certReqId: number
  readonly status: StatusInfo
  /** The certificate in DER, where there is one in the clear. */
  readonly certificate?: Uint8Array
  /** CertifiedKeyPair as it came where it holds something else or more. */
  readonly keyPair?: Uint8Array
  readonly rspInfo?: Uint8Array
}

export interface CertStatus {
  readonly certHash: Uint8Array
  readonly certReqId: number
  readonly statusInfo: StatusInfo | undefined
  readonly hashAlg: AlgorithmIdentifier | undefined
}

export interface RevDetails {
  readonly template: CertTemplate
  readonly extensions: readonly Extension[]
}

export type PkiBody =
  | { readonly type: EnrolType; readonly requests: readonly CertReqMsg[] }
  | { readonly type: EnrolReplyType; readonly caPubs: readonly Uint8Array[]; readonly responses: readonly CertResponse[] }
  | { readonly type: 'p10cr'; readonly request: Uint8Array }
  | { readonly type: 'rr'; readonly details: readonly RevDetails[] }
  | {
      readonly type: 'rp'
      readonly statuses: readonly StatusInfo[]
      readonly revCerts: readonly CertId[]
      readonly crls: readonly Uint8Array[]
    }
  | { readonly type: 'genm' | 'genp'; readonly infos: readonly InfoTypeAndValue[] }
  | { readonly type: 'certConf'; readonly statuses: readonly CertStatus[] }
  | { readonly type: 'pkiconf' }
  | { readonly type: 'pollReq'; readonly certReqIds: readonly number[] }
  | { readonly type: 'pollRep'; readonly replies: readonly PollReply[] }
  | {
      readonly type: 'error'
      readonly status: StatusInfo
      readonly errorCode: number | undefined
      readonly errorDetails: readonly string[]
    }
  /** Whole PKIMessages in DER. */
  | { readonly type: 'nested'; readonly messages: readonly Uint8Array[] }
  | { readonly type: 'crlann'; readonly crls: readonly Uint8Array[] }
  | { readonly type: 'cann'; readonly certificate: Uint8Array }
  | { readonly type: 'rann'; readonly announcement: RevocationAnnouncement }
  /** CAKeyUpdContent in DER. */
  | { readonly type: 'ckuann'; readonly content: Uint8Array }
  | { readonly type: 'popdecc' | 'popdecr' | 'krr' | 'krp' | 'ccr' | 'ccp'; readonly content: Uint8Array }

export interface PollReply {
  readonly certReqId: number
  readonly checkAfterS: number
  readonly reason: readonly string[]
}

/** Of one message; a certificate chain or a batch is far below. */
const MAX_ITEMS = 200

function items(element: Der): Der[] {
  const found = elementsOf(element)
  if (found.length > MAX_ITEMS) throw invalidDer('too many items in one message')
  return found
}

export function readBody(element: Der): PkiBody {
  const type = element.tag >= 0xa0 ? BODY_TYPES[element.tag & 0x1f] : undefined
  if (type === undefined) throw invalidDer('an unknown kind of body')
  const content = readDer(element.content)
  switch (type) {
    case 'ir':
    case 'cr':
    case 'kur':
      return { type, requests: items(content).map(readCertReqMsg) }
    case 'ip':
    case 'cp':
    case 'kup':
      return readCertRep(type, content)
    case 'p10cr':
      if (content.tag !== Tag.SEQUENCE) throw invalidDer('not a certification request')
      return { type, request: content.bytes }
    case 'rr':
      return { type, details: items(content).map(readRevDetails) }
    case 'rp':
      return readRevRep(content)
    case 'genm':
    case 'genp':
      return { type, infos: readInfos(content) }
    case 'certConf':
      return { type, statuses: items(content).map(readCertStatus) }
    case 'pkiconf':
      if (content.tag !== Tag.NULL || content.content.length > 0) throw invalidDer('a confirmation that is not NULL')
      return { type }
    case 'pollReq':
      return { type, certReqIds: items(content).map((one) => onlyInteger(one)) }
    case 'pollRep':
      return { type, replies: items(content).map(readPollReply) }
    case 'error':
      return readError(content)
    case 'nested':
      return { type, messages: items(content).map(({ bytes }) => bytes) }
    case 'crlann':
      return { type, crls: items(content).map(({ bytes }) => bytes) }
    case 'cann':
      return { type, certificate: content.bytes }
    case 'rann':
      return { type, announcement: readRevocationAnnouncement(content) }
    case 'ckuann':
    case 'popdecc':
    case 'popdecr':
    case 'krr':
    case 'krp':
    case 'ccr':
    case 'ccp':
      return { type, content: content.bytes }
  }
}

export function encodeBody(body: PkiBody): Uint8Array {
  return der(context(BODY_TYPES.indexOf(body.type)), encodeContent(body))
}

function encodeContent(body: PkiBody): Uint8Array {
  switch (body.type) {
    case 'ir':
    case 'cr':
    case 'kur':
      return sequence(...body.requests.map(encodeCertReqMsg))
    case 'ip':
    case 'cp':
    case 'kup':
      return sequence(
        explicit(1, body.caPubs.length === 0 ? undefined : sequence(...body.caPubs)),
        sequence(...body.responses.map(encodeCertResponse)),
      )
    case 'p10cr':
      return body.request
    case 'rr':
      return sequence(...body.details.map(({ template, extensions }) => sequence(encodeTemplate(template), encodeExtensions(extensions))))
    case 'rp':
      return sequence(
        sequence(...body.statuses.map(encodeStatus)),
        explicit(0, body.revCerts.length === 0 ? undefined : sequence(...body.revCerts.map(encodeCertId))),
        explicit(1, body.crls.length === 0 ? undefined : sequence(...body.crls)),
      )
    case 'genm':
    case 'genp':
      return encodeInfos(body.infos)
    case 'certConf':
      return sequence(...body.statuses.map(encodeCertStatus))
    case 'pkiconf':
      return NULL
    case 'pollReq':
      return sequence(...body.certReqIds.map((id) => sequence(integer(id))))
    case 'pollRep':
      return sequence(
        ...body.replies.map(({ certReqId, checkAfterS, reason }) =>
          sequence(integer(certReqId), integer(checkAfterS), encodeFreeText(reason)),
        ),
      )
    case 'error':
      return sequence(
        encodeStatus(body.status),
        body.errorCode === undefined ? undefined : integer(body.errorCode),
        encodeFreeText(body.errorDetails),
      )
    case 'nested':
      return sequence(...body.messages)
    case 'crlann':
      return sequence(...body.crls)
    case 'cann':
      return body.certificate
    case 'rann':
      return encodeRevocationAnnouncement(body.announcement)
    case 'ckuann':
    case 'popdecc':
    case 'popdecr':
    case 'krr':
    case 'krp':
    case 'ccr':
    case 'ccp':
      return body.content
  }
}

function readCertRep(type: EnrolReplyType, element: Der): PkiBody {
  const fields = new DerFields(element)
  const caPubs = fields.explicit(1)
  const responses = items(fields.field(Tag.SEQUENCE)).map(readCertResponse)
  fields.end()
  return { type, caPubs: caPubs === undefined ? [] : items(caPubs).map(({ bytes }) => bytes), responses }
}

function readCertResponse(element: Der): CertResponse {
  const fields = new DerFields(element)
  const certReqId = integerValue(fields.field(Tag.INTEGER))
  const status = readStatus(fields.field(Tag.SEQUENCE))
  const pair = fields.optional(Tag.SEQUENCE)
  const info = fields.optional(Tag.OCTET_STRING)
  fields.end()
  const rspInfo = info === undefined ? {} : { rspInfo: octets(info) }
  if (pair === undefined) return { certReqId, status, ...rspInfo }
  const parts = new DerFields(pair)
  const certificate = parts.explicit(0)
  const plain = certificate !== undefined && parts.done
  if (certificate === undefined) parts.field(context(1))
  return {
    certReqId,
    status,
    ...(certificate === undefined ? {} : { certificate: certificate.bytes }),
    ...(plain ? {} : { keyPair: pair.bytes }),
    ...rspInfo,
  }
}

function encodeCertResponse({ certReqId, status, certificate, keyPair, rspInfo }: CertResponse): Uint8Array {
  return sequence(
    integer(certReqId),
    encodeStatus(status),
    keyPair ?? (certificate === undefined ? undefined : sequence(explicit(0, certificate))),
    rspInfo === undefined ? undefined : octetString(rspInfo),
  )
}

function readRevDetails(element: Der): RevDetails {
  const fields = new DerFields(element)
  const template = readTemplate(fields.field(Tag.SEQUENCE))
  const extensions = fields.optional(Tag.SEQUENCE)
  fields.end()
  return { template, extensions: extensions === undefined ? [] : readExtensions(extensions) }
}

function readRevRep(element: Der): PkiBody {
  const fields = new DerFields(element)
  const statuses = items(fields.field(Tag.SEQUENCE)).map(readStatus)
  const revCerts = fields.explicit(0)
  const crls = fields.explicit(1)
  fields.end()
  return {
    type: 'rp',
    statuses,
    revCerts: revCerts === undefined ? [] : items(revCerts).map(readCertId),
    crls: crls === undefined ? [] : items(crls).map(({ bytes }) => bytes),
  }
}

function readCertStatus(element: Der): CertStatus {
  const fields = new DerFields(element)
  const certHash = octets(fields.field(Tag.OCTET_STRING))
  const certReqId = integerValue(fields.field(Tag.INTEGER))
  const status = fields.optional(Tag.SEQUENCE)
  const hashAlg = fields.explicit(0)
  fields.end()
  return {
    certHash,
    certReqId,
    statusInfo: status === undefined ? undefined : readStatus(status),
    hashAlg: hashAlg === undefined ? undefined : readAlgorithm(hashAlg),
  }
}

function encodeCertStatus({ certHash, certReqId, statusInfo, hashAlg }: CertStatus): Uint8Array {
  return sequence(
    octetString(certHash),
    integer(certReqId),
    statusInfo === undefined ? undefined : encodeStatus(statusInfo),
    explicit(0, hashAlg === undefined ? undefined : encodeAlgorithm(hashAlg)),
  )
}

function readPollReply(element: Der): PollReply {
  const fields = new DerFields(element)
  const certReqId = integerValue(fields.field(Tag.INTEGER))
  const checkAfterS = integerValue(fields.field(Tag.INTEGER))
  const reason = fields.optional(Tag.SEQUENCE)
  fields.end()
  return { certReqId, checkAfterS, reason: reason === undefined ? [] : readFreeText(reason) }
}

function readError(element: Der): PkiBody {
  const fields = new DerFields(element)
  const status = readStatus(fields.field(Tag.SEQUENCE))
  const code = fields.optional(Tag.INTEGER)
  const details = fields.optional(Tag.SEQUENCE)
  fields.end()
  return {
    type: 'error',
    status,
    errorCode: code === undefined ? undefined : integerValue(code),
    errorDetails: details === undefined ? [] : readFreeText(details),
  }
}

function onlyInteger(element: Der): number {
  const fields = new DerFields(element)
  const value = integerValue(fields.field(Tag.INTEGER))
  fields.end()
  return value
}
