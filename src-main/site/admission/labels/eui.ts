// EUI-64 and MAC addresses as people and printers write them. Which end comes first is never guessed: the text is taken as it stands.
import { parseEui64, type Eui64 } from '#main/base/index.ts'
import { eui64OfMac } from '../names.ts'

/** The same separator throughout, after every two or every four digits, or none. */
const GROUPED = /^(?:[0-9a-f]{2}(?:([-:. ])[0-9a-f]{2}(?:\1[0-9a-f]{2})*)?|[0-9a-f]{4}(?:([-:. ])[0-9a-f]{4}(?:\2[0-9a-f]{4})*)?)$/i
const BARE = /^(?:0x)?([0-9a-f]+)$/i

/** The hexadecimal digits of an address, lower case, or undefined where it is none. */
export function addressDigits(text: string): string | undefined {
  const trimmed = text.trim()
  const bare = BARE.exec(trimmed)?.[1]
  if (bare !== undefined) return bare.toLowerCase()
  return GROUPED.test(trimmed) ? trimmed.replace(/[-:. ]/g, '').toLowerCase() : undefined
}

/** An EUI-64 in any notation. */
export function readEui64(text: string): Eui64 | undefined {
  const digits = addressDigits(text)
  if (digits?.length !== 16 || digits === '0'.repeat(16) || digits === 'f'.repeat(16)) return undefined
  return parseEui64(digits)
}

/** A MAC address of 48 bits as the EUI-64 that 802.15.4 devices make of it. */
export function readMac48(text: string): Eui64 | undefined {
  const digits = addressDigits(text)
  if (digits?.length !== 12 || digits === '0'.repeat(12) || digits === 'f'.repeat(12)) return undefined
  return eui64OfMac(digits)
}
