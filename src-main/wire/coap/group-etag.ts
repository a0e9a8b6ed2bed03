// ETag values that embed the server, so that two servers of a group hardly ever have the same one, and the validation by them
// (groupcomm-bis-18 §3.2.2.1, RFC 7252 §5.6.2 and §5.10.6).
import { concatBytes, equalBytes, sha256, utf8 } from '#main/base/index.ts'
import { findOptions, opaqueOption, OptionNumber } from './options.ts'
import type { CoapOption, IncomingRequest, OutgoingResponse } from './types.ts'

const SERVER_BYTES = 3
const STATE_BYTES = 5

export class ServerETags {
  readonly #server: Uint8Array

  /** `serverId`: anything that differs from server to server, e.g. an EUI-64 or an address. */
  constructor(serverId: string | Uint8Array) {
    this.#server = sha256(typeof serverId === 'string' ? utf8(serverId) : serverId).subarray(0, SERVER_BYTES)
  }

  /** Eight bytes: three that stand for the server, five for the state. */
  of(payload: Uint8Array, contentFormat?: number): Uint8Array {
    const state = sha256(utf8(`${contentFormat ?? ''} `), payload)
    return concatBytes(this.#server, state.subarray(0, STATE_BYTES))
  }

  isOwn(etag: Uint8Array): boolean {
    return etag.length === SERVER_BYTES + STATE_BYTES && equalBytes(etag.subarray(0, SERVER_BYTES), this.#server)
  }

  /** The 2.05 with its ETag, or 2.03 where the request, to a group or to this server alone, names it already. */
  answer(request: Pick<IncomingRequest, 'options'>, response: OutgoingResponse & { readonly payload: Uint8Array }): OutgoingResponse {
    const etag = this.of(response.payload, response.contentFormat)
    const option = opaqueOption(OptionNumber.ETAG, etag)
    const options = (response.options ?? []).filter((other) => other.number !== OptionNumber.ETAG)
    if (response.code !== '2.05' || !namesETag(request.options, etag)) return { ...response, options: [...options, option] }
    const kept = options.filter((other) => other.number === OptionNumber.MAX_AGE)
    return { code: '2.03', options: [...kept, option] }
  }
}

/** Whether the request asks to validate the tag. */
export function namesETag(options: readonly CoapOption[], etag: Uint8Array): boolean {
  return findOptions(options, OptionNumber.ETAG).some((option) => equalBytes(option.value, etag))
}
