// Voucher files as makers hand them out: one or many in DER, CBOR, PEM, Base64 lines or a JSON list (draft-ietf-anima-rfc8366bis §8:
// `.vcj`, `.vch`). Nothing is trusted here; total, with `voucher.invalid` for what holds none.
import { utf8ToText } from '#main/base/index.ts'
import { guessFormat } from './artifact.ts'
import { fromBase64 } from './base64.ts'
import { endOfItem } from './cbor-parts.ts'
import { invalidVoucher, MAX_ARTIFACT_BYTES, readingVoucher, type VoucherFormat } from './types.ts'

export interface VoucherInFile {
  readonly bytes: Uint8Array
  readonly format: VoucherFormat
}

export const MAX_VOUCHER_FILE_BYTES = 32 * 1024 * 1024
const MAX_VOUCHERS_IN_FILE = 10_000

/** The vouchers that the file holds, in their order. */
export function splitVoucherFile(file: Uint8Array): readonly VoucherInFile[] {
  return readingVoucher(() => {
    if (file.length > MAX_VOUCHER_FILE_BYTES) throw invalidVoucher('the file is too large')
    const found = isText(file) ? fromText(file) : oneAfterTheOther(file)
    if (found.length === 0) throw invalidVoucher('the file is empty')
    return found
  })
}

/** Base64 of a COSE_Sign1 begins like a DER SEQUENCE: `0`. No signed voucher is printable as it is. */
function isText(file: Uint8Array): boolean {
  return file.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d)
}

/** DER elements or CBOR items without anything between them. */
function oneAfterTheOther(file: Uint8Array): readonly VoucherInFile[] {
  const found: VoucherInFile[] = []
  for (let at = 0; at < file.length;) {
    const rest = file.subarray(at)
    const format = guessFormat(rest)
    if (format === undefined || found.length >= MAX_VOUCHERS_IN_FILE) throw invalidVoucher('the file holds something else')
    const length = format === 'cms' ? derLength(rest) : endOfItem(rest, 0)
    if (length > rest.length || length > MAX_ARTIFACT_BYTES) throw invalidVoucher('a voucher in the file is cut off or too large')
    found.push({ bytes: file.slice(at, at + length), format })
    at += length
  }
  return found
}

/** Of the element that the bytes begin with (X.690 §10.1). */
function derLength(bytes: Uint8Array): number {
  const first = bytes[1] ?? 0
  if (first < 0x80) return 2 + first
  const count = first & 0x7f
  if (count === 0 || count > 4) throw invalidVoucher('a voucher in the file has no length')
  let length = 0
  for (const byte of bytes.subarray(2, 2 + count)) length = length * 256 + byte
  return 2 + count + length
}

function fromText(file: Uint8Array): readonly VoucherInFile[] {
  const text = utf8ToText(file)?.trim()
  if (text === undefined) throw invalidVoucher('the file is no voucher and no text')
  return encodedIn(text).flatMap((encoded) => {
    const bytes = fromBase64(encoded)
    if (bytes === undefined || guessFormat(bytes) === undefined) throw invalidVoucher('the file holds a text that is no voucher')
    return oneAfterTheOther(bytes)
  })
}

/** Base64 texts: in PEM blocks, in a JSON list or the list of an object's only member that is one, or one a line. */
function encodedIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)]
  if (blocks.length > 0) return blocks.map(([, , body = '']) => body)
  if (text.startsWith('[') || text.startsWith('{')) return fromJson(JSON.parse(text))
  const lines = text.split(/\s*\n\s*/)
  // One voucher may be folded over many lines: then no line but the first begins like one.
  const isFolded = lines.length > 1 && lines.slice(1).every((line) => !startsVoucher(line))
  return isFolded ? [lines.join('')] : lines
}

function startsVoucher(line: string): boolean {
  const bytes = fromBase64(line.slice(0, 8))
  return bytes !== undefined && guessFormat(bytes) !== undefined && line.length > 100
}

function fromJson(value: unknown): readonly string[] {
  const list: unknown = Array.isArray(value)
    ? value
    : Object.values(typeof value === 'object' && value !== null ? value : {}).find((one) => Array.isArray(one))
  if (!Array.isArray(list)) throw invalidVoucher('the file lists no vouchers')
  return list.map((one: unknown) => {
    const encoded: unknown = typeof one === 'object' && one !== null && 'voucher' in one ? one.voucher : one
    if (typeof encoded !== 'string') throw invalidVoucher('the file lists something else than vouchers')
    return encoded
  })
}
