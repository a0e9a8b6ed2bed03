// ServerKeyExchange: the server's ephemeral key with its signature (RFC 8422 §5.4), or a hint which pre-shared key is meant (RFC 4279 §2).
import { concatBytes } from '#main/base/index.ts'
import { AlertFailure } from '../alert.ts'
import { Reader, uint, vector } from '../bytes.ts'
import { NAMED_CURVE } from '../numbers.ts'
import { decodeSigned, encodeSigned, type Signed } from './certificate-verify.ts'

export interface EcdheParameters {
  readonly group: number
  readonly point: Uint8Array
}

/** What is signed behind both randoms. */
export function encodeEcdheParameters({ group, point }: EcdheParameters): Uint8Array {
  return concatBytes(uint(1, NAMED_CURVE), uint(2, group), vector(1, point))
}

export function encodeEcdheKeyExchange(parameters: EcdheParameters, signed: Signed): Uint8Array {
  return concatBytes(encodeEcdheParameters(parameters), encodeSigned(signed))
}

export function decodeEcdheKeyExchange(body: Uint8Array): { readonly parameters: EcdheParameters; readonly signed: Signed } {
  const reader = new Reader(body)
  if (reader.uint(1) !== NAMED_CURVE) throw new AlertFailure('illegal_parameter', 'The curve is not a named one')
  const parameters = { group: reader.uint(2), point: reader.vector(1, 1) }
  return { parameters, signed: decodeSigned(reader) }
}

export function encodePskHint(hint: Uint8Array): Uint8Array {
  return vector(2, hint)
}

export function decodePskHint(body: Uint8Array): Uint8Array {
  const reader = new Reader(body)
  const hint = reader.vector(2)
  reader.end()
  return hint
}
