// The names that devices are known by: how they are compared, and what a manufacturer's certificate says of them (RFC 8995 §2.3.1, RFC 9039 §4.1).
import { fromHex, parseEui64, utf8ToText, type Eui64 } from '#main/base/index.ts'
import type { PledgeIdentity } from '#main/services/join/index.ts'
import { asn1, attributeOf, tryCertificate, type Certificate } from '#main/services/ra/index.ts'

export interface PledgeNames {
  readonly serialNumber: string | null
  readonly eui64: Eui64 | null
  readonly serialKeys: readonly string[]
  readonly eui64s: readonly Eui64[]
}

const LONGEST_NAME = 128
const MOST_NAMES = 16
const FINGERPRINT = /^[0-9a-f]{64}$/
const DEVICE_URN = /^urn:dev:mac:([0-9a-f]{16})$/i

/** Serial numbers by hand and by machine: case, and separators of hexadecimal ones, do not tell devices apart. */
export function nameKey(text: string): string {
  const lower = text.trim().toLowerCase()
  const bare = lower.replace(/[-:. ]/g, '')
  return /^(?:[0-9a-f]{12}|[0-9a-f]{16})$/.test(bare) ? bare : lower
}

/** A pledge's key as it is, any other name by `nameKey`. */
export function subjectKey(text: string): string {
  const lower = text.trim().toLowerCase()
  return FINGERPRINT.test(lower) ? lower : nameKey(text)
}

/** The EUI-64 made from a MAC address of 48 bits, with FFFE in its middle. */
export function eui64OfMac(mac: string): Eui64 | undefined {
  const bare = mac
    .trim()
    .toLowerCase()
    .replace(/[-:. ]/g, '')
  return /^[0-9a-f]{12}$/.test(bare) ? parseEui64(`${bare.slice(0, 6)}fffe${bare.slice(6)}`) : undefined
}

/** What the device is called by its certificate. Anything may stand in there: what cannot be read is left out. */
export function namesOf(pledge: Pick<PledgeIdentity, 'serialNumber' | 'chain'>): PledgeNames {
  const [first] = pledge.chain
  const certificate = first === undefined ? undefined : tryCertificate(first)
  const hardware = certificate === undefined ? [] : hardwareSerials(certificate)
  const said = certificate === undefined ? [] : deviceUrns(certificate)
  const common = certificate === undefined ? undefined : attributeOrNothing(certificate, asn1.Oid.commonName)
  const serials = [pledge.serialNumber ?? '', ...hardware].map((text) => text.trim().slice(0, LONGEST_NAME)).filter((text) => text !== '')
  const eui64s = [...said, ...[...serials, common ?? ''].flatMap(eui64Candidates)]
  return {
    serialNumber: serials[0] ?? null,
    // Not the one that a MAC address would make: whether the device does that is not known.
    eui64: said[0] ?? serials.map((text) => parseEui64(text)).find((found) => found !== undefined) ?? null,
    serialKeys: [...new Set(serials.map(nameKey))].slice(0, MOST_NAMES),
    eui64s: [...new Set(eui64s)].slice(0, MOST_NAMES),
  }
}

/** In hexadecimal, and as text where it is that (RFC 4108 §5). */
function hardwareSerials(certificate: Certificate): readonly string[] {
  return altNamesOf(certificate).flatMap((name) => {
    if (name.kind !== 'hardware') return []
    const text = utf8ToText(fromHex(name.serial) ?? new Uint8Array(0))
    return text !== undefined && /^[\x21-\x7e]{4,}$/.test(text) ? [text, name.serial] : [name.serial]
  })
}

function deviceUrns(certificate: Certificate): readonly Eui64[] {
  return altNamesOf(certificate).flatMap((name) => {
    const match = name.kind === 'uri' ? DEVICE_URN.exec(name.value) : null
    const eui64 = match?.[1] === undefined ? undefined : parseEui64(match[1])
    return eui64 === undefined ? [] : [eui64]
  })
}

function eui64Candidates(text: string): readonly Eui64[] {
  return [parseEui64(text), eui64OfMac(text)].filter((found) => found !== undefined)
}

function altNamesOf(certificate: Certificate): Certificate['subjectAltNames'] {
  try {
    return certificate.subjectAltNames
  } catch {
    return []
  }
}

function attributeOrNothing(certificate: Certificate, type: string): string | undefined {
  try {
    return attributeOf(certificate.subject, type)
  } catch {
    return undefined
  }
}
