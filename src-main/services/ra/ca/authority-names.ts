// Names and chains of authorities: what people may call them, how their signers are called, and whether a subordinate’s certificate fits.
import { AppError } from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import { KeyUsage, type Certificate } from '../x509/certificate.ts'
import { buildName, parseNameText, readName } from '../x509/names.ts'

export function subjectOf(subject: string): Uint8Array {
  const attributes = parseNameText(subject)
  if (attributes === undefined) throw new AppError('input.invalid', 'The name of the authority is not one', { details: { subject } })
  return buildName(attributes)
}

/** The name of the RA: that of its authority with an organisational unit of its own. */
export function signerSubject(subject: Uint8Array): Uint8Array {
  return buildName([...readName(subject), { type: Oid.organizationalUnit, value: 'Registration Authority' }])
}

export function subordinateFault(own: Certificate, above: readonly Certificate[], nowMs: number): string | undefined {
  if (!own.isAuthority || !own.allows(KeyUsage.keyCertSign) || !own.allows(KeyUsage.crlSign))
    return 'The certificate does not make this an authority'
  if (!own.isValidAt(nowMs)) return 'The certificate is not valid at this time'
  const path = [own, ...above]
  for (const [index, certificate] of above.entries()) {
    if (!(path[index]?.isIssuedBy(certificate) ?? false)) return 'The chain does not fit together'
  }
  const top = path.at(-1)
  if (above.length === 0 || top?.isIssuedBy(top) !== true) return 'The chain does not end in a root'
  return undefined
}

export function fromSerial(serial: string): Uint8Array {
  return Uint8Array.from({ length: serial.length / 2 }, (_, index) => Number.parseInt(serial.slice(index * 2, index * 2 + 2), 16))
}
