// Labels without a code: an EUI-64, a MAC address or a serial number, bare or with words before them.
import { addressDigits, readEui64, readMac48 } from './eui.ts'
import { label, problem, type Label, type LabelFault, type LabelReading, type Reading } from './types.ts'

type Word = 'eui64' | 'mac' | 'serial'

const WORDS =
  /(eui[-_ ]?64|eui|ieee(?: addr(?:ess)?)?|mac(?: ?id)?|s\/n|sn|serial(?: ?(?:no\.?|nr\.?|number))?|ser\.? ?(?:no\.?|nr\.?))\s*[:=#.]?\s*/gi
const PAIRS = new RegExp(`(?:^|[\\s,;|/])${WORDS.source}(?=[0-9A-Za-z])`, 'gi')
const SERIAL = /^[0-9A-Za-z](?:[0-9A-Za-z._/#-]*[0-9A-Za-z])?$/
const SHORTEST_SERIAL = 4
const EUI64_DIGITS = 16
const MAC_DIGITS = 12

export function readPlain(text: string): Reading {
  const pairs = pairsOf(text)
  return pairs === undefined ? bare(text) : { first: named(pairs), otherwise: [] }
}

/** Nothing says what it is: the digits and their separators do, as far as they can. */
function bare(text: string): Reading {
  const digits = addressDigits(text)
  const isSeparated = /[-:. ]/.test(text)
  if (digits?.length === EUI64_DIGITS) {
    const eui64 = readEui64(text)
    if (eui64 === undefined) return only(problem('not-an-eui64', 'eui64', { params: { length: digits.length } }))
    return { first: label({ format: 'eui64', eui64 }), otherwise: isSeparated ? [] : labels(label({ format: 'serial', serial: text })) }
  }
  if (digits?.length === MAC_DIGITS) {
    const eui64 = readMac48(text)
    const asMac = eui64 === undefined ? problem('not-an-eui64', 'mac48') : label({ format: 'mac48', eui64 })
    // Twelve digits without separators are how KNX writes its serial numbers; with them, how MAC addresses are written.
    const asSerial = label({ format: 'serial', serial: isSeparated ? digits.toUpperCase() : text })
    return isSeparated ? { first: asMac, otherwise: labels(asSerial) } : { first: asSerial, otherwise: labels(asMac) }
  }
  if (/[:]/.test(text) && digits !== undefined)
    return only(problem('wrong-length', 'eui64', { params: { wanted: EUI64_DIGITS, length: digits.length } }))
  if (!SERIAL.test(text)) return only(problem('unknown-form', null))
  if (text.length < SHORTEST_SERIAL)
    return only(problem('wrong-length', 'serial', { params: { wanted: SHORTEST_SERIAL, length: text.length } }))
  // `S` is also the data identifier of a serial number (ISO/IEC 15418) that is not part of it.
  const withoutS = /^S[0-9A-Z]{4,}$/.test(text) ? labels(label({ format: 'serial', serial: text.slice(1) })) : []
  return { first: label({ format: 'serial', serial: text }), otherwise: withoutS }
}

function named(pairs: ReadonlyArray<readonly [Word, string]>): LabelReading {
  const found = new Map<Word, string>()
  for (const [word, value] of pairs) {
    const before = found.get(word)
    if (before !== undefined && before !== value) return problem('contradiction', null, { field: word })
    found.set(word, value)
  }
  const serial = found.get('serial')
  const written = found.get('eui64')
  const mac = found.get('mac')
  const eui64 = written === undefined ? undefined : (readEui64(written) ?? readMac48(written))
  if (written !== undefined && eui64 === undefined) return badAddress('eui64', written)
  const fromMac = mac === undefined ? undefined : (readMac48(mac) ?? readEui64(mac))
  if (mac !== undefined && fromMac === undefined) return badAddress('mac48', mac)
  if (eui64 !== undefined && fromMac !== undefined && eui64 !== fromMac && addressDigits(mac ?? '')?.length === EUI64_DIGITS)
    return problem('contradiction', 'eui64', { field: 'mac' })
  if (serial !== undefined && !SERIAL.test(serial)) return problem('bad-characters', 'serial', { field: 'serial' })
  const format = serial !== undefined ? 'serial' : written === undefined ? 'mac48' : 'eui64'
  return label({ format, serial, eui64: eui64 ?? fromMac })
}

function badAddress(format: 'eui64' | 'mac48', written: string): LabelFault {
  const digits = addressDigits(written)
  const wanted = format === 'eui64' ? EUI64_DIGITS : MAC_DIGITS
  return digits === undefined
    ? problem('not-hex', format, { field: format })
    : problem('wrong-length', format, { field: format, params: { wanted, length: digits.length } })
}

/** `SN: 00FA10010400 EUI64: 8CF681FFFE000001`; undefined where no word says what follows. */
function pairsOf(text: string): ReadonlyArray<readonly [Word, string]> | undefined {
  const matches = [...` ${text}`.matchAll(PAIRS)]
  const [first] = matches
  if (first?.index !== 0) return undefined
  return matches.map((match, place) => {
    const from = match.index + match[0].length
    const to = matches[place + 1]?.index ?? text.length + 1
    const value = ` ${text}`.slice(from, to).replace(/^[\s,;|/]+|[\s,;|/]+$/g, '')
    return [wordOf(match[1] ?? ''), value] as const
  })
}

function wordOf(text: string): Word {
  const lower = text.toLowerCase()
  if (lower.startsWith('mac')) return 'mac'
  return lower.startsWith('eui') || lower.startsWith('ieee') ? 'eui64' : 'serial'
}

function only(first: LabelReading): Reading {
  return { first, otherwise: [] }
}

function labels(reading: LabelReading): readonly Label[] {
  return reading.kind === 'label' ? [reading.label] : []
}
