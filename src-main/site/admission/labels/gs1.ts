// Application identifiers of GS1 (General Specifications §3, §7.8): as scanned with FNC1 or GS, as printed in brackets, and as a Digital Link.
import { GS } from './separators.ts'
import { label, problem, type LabelReading } from './types.ts'

/** Element strings of predefined length by their first two digits: data without the identifier. */
const FIXED: Readonly<Record<string, number>> = {
  '00': 18,
  '01': 14,
  '02': 14,
  '03': 14,
  '04': 16,
  '11': 6,
  '12': 6,
  '13': 6,
  '14': 6,
  '15': 6,
  '16': 6,
  '17': 6,
  '18': 6,
  '19': 6,
  '20': 2,
  '31': 6,
  '32': 6,
  '33': 6,
  '34': 6,
  '35': 6,
  '36': 6,
  '41': 13,
}
const SYMBOLOGY = /^\](?:d2|C1|Q3|e0|J1)/
const BRACKETED = /^\(\d{2,4}\)/
const DIGITAL_LINK = /^https?:\/\/[^\s/]+(?:\/[^\s]*)?\/(?:01|gtin)\/(\d{8,14})(?:\/[^\s?#]*)?\/(?:21|ser)\/([^\s/?#]+)/i
const LONGEST_VALUE = 90

export function isGs1(text: string): boolean {
  if (SYMBOLOGY.test(text) || BRACKETED.test(text) || DIGITAL_LINK.test(text)) return true
  // Many scanners swallow the leading FNC1: then only a GTIN with a good check digit gives it away.
  const body = text.replace(/^\u001d/, '')
  const wasMarked = body !== text
  return wasMarked ? /^\d{2}/.test(body) : /^01\d{14}\d/.test(body) && hasGoodCheckDigit(body.slice(2, 16))
}

export function readGs1(text: string): LabelReading {
  const link = DIGITAL_LINK.exec(text)
  const elements = link === null ? elementsOf(text) : linkElements(link[1] ?? '', link[2] ?? '')
  if (elements === undefined) return problem('incomplete', 'gs1')
  const gtin = elements.get('01')
  if (gtin !== undefined && !/^\d{14}$/.test(gtin))
    return problem('wrong-length', 'gs1', { field: '01', params: { wanted: 14, length: gtin.length } })
  if (gtin !== undefined && !hasGoodCheckDigit(gtin)) return problem('wrong-checksum', 'gs1', { field: '01' })
  const serial = elements.get('21') ?? elements.get('8004') ?? elements.get('250')
  return label({ format: 'gs1', serial, product: gtin ?? elements.get('240') })
}

/** GS1 General Specifications §7.9: weights 3 and 1 from the right. */
export function hasGoodCheckDigit(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) sum += Number(digits[index]) * ((digits.length - index) % 2 === 0 ? 3 : 1)
  return sum % 10 === 0
}

function linkElements(gtin: string, serial: string): ReadonlyMap<string, string> | undefined {
  try {
    return new Map([
      ['01', gtin.padStart(14, '0')],
      ['21', decodeURIComponent(serial)],
    ])
  } catch {
    return undefined
  }
}

function elementsOf(text: string): ReadonlyMap<string, string> | undefined {
  return BRACKETED.test(text) ? bracketed(text) : marked(text.replace(SYMBOLOGY, ''))
}

function bracketed(text: string): ReadonlyMap<string, string> | undefined {
  const elements = new Map<string, string>()
  // A value may hold brackets too; only digits in them begin the next element.
  for (const part of text.split(/(?=\(\d{2,4}\))/)) {
    const [, identifier = '', value = ''] = /^\((\d{2,4})\)(.*)$/s.exec(part) ?? []
    const clean = value.replaceAll(GS, '').trim()
    if (identifier === '' || clean === '' || clean.length > LONGEST_VALUE) return undefined
    elements.set(identifier, clean)
  }
  return elements
}

function marked(text: string): ReadonlyMap<string, string> | undefined {
  const elements = new Map<string, string>()
  let rest = text.replace(/^\u001d/, '')
  while (rest !== '') {
    const digits = identifierLength(rest)
    if (digits === undefined) return undefined
    const identifier = rest.slice(0, digits)
    const fixed = FIXED[rest.slice(0, 2)]
    const end = rest.indexOf(GS, digits)
    const length = fixed ?? (end < 0 ? rest.length : end) - digits
    const value = rest.slice(digits, digits + length)
    if (value.length !== length || value === '' || value.length > LONGEST_VALUE || value.includes(GS)) return undefined
    elements.set(identifier, value)
    rest = rest.slice(digits + length).replace(/^\u001d/, '')
  }
  return elements.size === 0 ? undefined : elements
}

/** How many digits an application identifier has goes by its first ones. */
function identifierLength(text: string): number | undefined {
  if (!/^\d{2}/.test(text)) return undefined
  const length = lengthByPrefix(text.slice(0, 2))
  return new RegExp(`^\\d{${length}}`).test(text) ? length : undefined
}

function lengthByPrefix(prefix: string): number {
  if (/^(?:23|24|25|40|41|42)$/.test(prefix)) return 3
  return /^(?:31|32|33|34|35|36|39|43|7\d|8[0-2])$/.test(prefix) ? 4 : 2
}
