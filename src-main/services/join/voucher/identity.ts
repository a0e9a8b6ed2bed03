// What a pledge's birth certificate (IDevID) tells: serial number, its issuer for voucher requests, and the maker's voucher server
// (RFC 8995 §2.3; draft-ietf-anima-rfc8366bis §6).
import { equalBytes, fromHex, utf8ToText } from '#main/base/index.ts'
import { asn1, attributeOf, type Certificate, keyIdOf } from '#main/services/ra/index.ts'

const { contextPrimitive, der, DerFields, octetString, Oid, readDer, sequence, Tag } = asn1

/** id-pe-masa-url (RFC 8995 §2.3.2). */
export const MASA_URL_EXTENSION = '1.3.6.1.5.5.7.1.32'

/** X520SerialNumber of the subject, else the serial number of its hardwareModuleName; undefined where it has neither. */
export function deviceSerialNumber(certificate: Certificate): string | undefined {
  const named = attributeOf(certificate.subject, Oid.serialNumber)
  if (named !== undefined && named !== '') return named
  const hardware = certificate.subjectAltNames.find(({ kind }) => kind === 'hardware')
  if (hardware?.kind !== 'hardware' || hardware.serial === '') return undefined
  const text = utf8ToText(fromHex(hardware.serial) ?? new Uint8Array(0))
  // Some makers put text into it, some a number.
  return text !== undefined && /^[\x20-\x7e]+$/.test(text) ? text : hardware.serial
}

/** Whether the certificate is a device's: such a key never speaks for the maker. */
export function isDeviceCertificate(certificate: Certificate): boolean {
  return !certificate.isAuthority && (certificate.extension(MASA_URL_EXTENSION) !== undefined || hasSerialNumber(certificate))
}

function hasSerialNumber(certificate: Certificate): boolean {
  try {
    return deviceSerialNumber(certificate) !== undefined
  } catch {
    return false
  }
}

/** The value of idevid-issuer: the whole Authority Key Identifier, or one made of the certificate's own key (§6.1, §6.3). */
export function idevidIssuerOf(certificate: Certificate): Uint8Array {
  const found = certificate.extension(Oid.authorityKeyIdentifier)
  return octetString(found?.value ?? sequence(der(contextPrimitive(0), keyIdOf(certificate.spki))))
}

/** Whether both name the same issuer; older implementations leave the outer wrappings out (§6.3). */
export function sameIdevidIssuer(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a, b) || equalBytes(keyIdentifierIn(a), keyIdentifierIn(b))
}

function keyIdentifierIn(value: Uint8Array): Uint8Array {
  try {
    const outer = readDer(value)
    if (outer.tag === Tag.OCTET_STRING) return keyIdentifierIn(outer.content)
    return new DerFields(outer).optional(contextPrimitive(0))?.content ?? value
  } catch {
    return value
  }
}

/** What the extension says, as it is; undefined where there is none that can be read. */
export function masaUrlOf(certificate: Certificate): string | undefined {
  const found = certificate.extension(MASA_URL_EXTENSION)
  if (found === undefined) return undefined
  try {
    const element = readDer(found.value)
    const text = asn1.textValue(element)
    return /^[\x21-\x7e]{1,2000}$/.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
