// A maker's server within this program, for the demo site and tests: no network between.
import { AppError, utf8ToText } from '#main/base/index.ts'
import { VOUCHER_MEDIA_TYPES, type MasaClient } from '../voucher/index.ts'
import { decodeAuditLog } from './audit-log.ts'
import type { Masa, MasaAnswer } from './masa.ts'

export function localMasaClient(masa: Masa): MasaClient {
  const checked = (answer: MasaAnswer): Uint8Array => {
    if (answer.status === 200) return answer.body
    const why = utf8ToText(answer.body) ?? ''
    throw new AppError('voucher.masa-refused', `The server refused with ${answer.status}`, { details: { status: answer.status, why } })
  }
  return {
    requestVoucher: async (_to, body, format) => {
      const mediaType = VOUCHER_MEDIA_TYPES[format]
      return checked(await masa.answer({ operation: 'requestvoucher', contentType: mediaType, accept: mediaType, body }))
    },
    requestAuditLog: async (_to, body, format) => {
      const contentType = VOUCHER_MEDIA_TYPES[format]
      return decodeAuditLog(checked(await masa.answer({ operation: 'requestauditlog', contentType, accept: 'application/json', body })))
    },
  }
}
