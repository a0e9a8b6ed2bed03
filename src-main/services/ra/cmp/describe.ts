// A CMP message in words, for traces and for who looks at a pending request. Never fails: what cannot be read says why.
import { AppError, toHex, type JsonValue } from '#main/base/index.ts'
import { tryCertificate } from '../x509/certificate.ts'
import { generalNameText, nameText } from '../x509/names.ts'
import { certProfileOf, hasImplicitConfirm, type PkiHeader } from './header.ts'
import { macKindOf } from './mac.ts'
import { readMessage } from './message.ts'
import { failInfosOf, type StatusInfo } from './status.ts'
import type { PkiBody } from './body.ts'

export function describeMessage(bytes: Uint8Array): JsonValue {
  try {
    const { header, body, protection, extraCerts } = readMessage(bytes)
    return {
      body: body.type,
      ...headerOf(header),
      protection: protection === undefined || header.protectionAlg === undefined ? null : (macKindOf(header.protectionAlg) ?? 'signature'),
      certificates: extraCerts.map((der) => {
        const certificate = tryCertificate(der)
        return certificate === undefined ? '?' : nameText(certificate.subject)
      }),
      details: detailsOf(body),
    }
  } catch (thrown) {
    return { body: null, why: thrown instanceof AppError ? thrown.message : 'it cannot be read' }
  }
}

function headerOf(header: PkiHeader): Record<string, JsonValue> {
  const hex = (value: Uint8Array | undefined): string | null => (value === undefined ? null : toHex(value))
  return {
    pvno: header.pvno,
    sender: generalNameText(header.sender),
    recipient: generalNameText(header.recipient),
    transactionID: hex(header.transactionID),
    senderKID: hex(header.senderKID),
    messageTime: header.messageTime ?? null,
    implicitConfirm: hasImplicitConfirm(header),
    certProfile: certProfileOf(header) ?? null,
  }
}

function statusText(status: StatusInfo): Record<string, JsonValue> {
  return { status: status.status, text: [...status.text], failInfo: [...failInfosOf(status)] }
}

function detailsOf(body: PkiBody): JsonValue {
  switch (body.type) {
    case 'ir':
    case 'cr':
    case 'kur':
      return body.requests.map(({ template, popo }) => ({
        subject: template.subject === undefined ? null : nameText(template.subject),
        proof: popo?.kind ?? null,
      }))
    case 'ip':
    case 'cp':
    case 'kup':
      return body.responses.map(({ status, certificate }) => ({ ...statusText(status), certificate: certificate !== undefined }))
    case 'rp':
      return body.statuses.map(statusText)
    case 'error':
      return statusText(body.status)
    case 'genm':
    case 'genp':
      return body.infos.map(({ type, value }) => ({ type, bytes: value?.length ?? 0 }))
    case 'pollRep':
      return body.replies.map(({ checkAfterS }) => checkAfterS)
    case 'nested':
      return body.messages.map((inner) => inner.length)
    case 'p10cr':
    case 'rr':
    case 'certConf':
    case 'pkiconf':
    case 'pollReq':
    case 'crlann':
    case 'cann':
    case 'rann':
    case 'ckuann':
    case 'popdecc':
    case 'popdecr':
    case 'krr':
    case 'krp':
    case 'ccr':
    case 'ccp':
      return null
  }
}
