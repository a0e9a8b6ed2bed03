// What a server says, unprotected, of requests that it cannot open (RFC 8613 §8.2).
import { utf8 } from '#main/base/index.ts'
import { OptionNumber, uintOption, type CoapMessage, type CoapOption, type OpenedRequest } from '#main/wire/coap/index.ts'

/** Nobody may keep it: the same request may do after the next exchange of keys. */
const NOT_TO_BE_KEPT: readonly CoapOption[] = [uintOption(OptionNumber.MAX_AGE, 0)]
const RETRY_AFTER_S = 5

function answer(request: CoapMessage, code: string, diagnostic: string, options = NOT_TO_BE_KEPT): OpenedRequest {
  return { kind: 'answer', content: { code, token: request.token, options, payload: utf8(diagnostic) } }
}

export const refuse = {
  malformed: (request: CoapMessage): OpenedRequest => answer(request, '4.02', 'Failed to decode COSE'),
  unknownContext: (request: CoapMessage): OpenedRequest => answer(request, '4.01', 'Security context not found'),
  replayed: (request: CoapMessage): OpenedRequest => answer(request, '4.01', 'Replay detected'),
  undecryptable: (request: CoapMessage): OpenedRequest => answer(request, '4.00', 'Decryption failed'),
  /** The member's credential is being fetched (draft-ietf-core-oscore-groupcomm-28 §7.2). */
  later: (request: CoapMessage): OpenedRequest => answer(request, '5.03', '', [uintOption(OptionNumber.MAX_AGE, RETRY_AFTER_S)]),
}
