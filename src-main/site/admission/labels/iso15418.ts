// Data identifiers of ISO/IEC 15418 (ANSI MH10.8.2): in an envelope of ISO/IEC 15434, separated by GS, or joined by `+` as on KNX IoT and EnOcean labels.
import { addressDigits, readEui64, readMac48 } from './eui.ts'
import { EOT, GS, RS } from './separators.ts'
import { label, problem, type LabelReading } from './types.ts'
import type { LabelSecrets } from '../types.ts'

/** Serial numbers, the more telling first: KNX, globally unique (ISO/IEC 15459), supplier's, Siemens', EnOcean's. */
const SERIALS = ['41S', '25S', 'S', '1S', '18S', '43S', '30S'] as const
const PRODUCTS = ['1P', '31P', 'P', '30P'] as const
const MAKERS = ['18V', '12V', '21V', 'V'] as const
const MAC = '23S'
const FREE_TEXT = ['3Z', 'Z'] as const
const FIELD = /^(\d{0,3}[A-Z])(.+)$/s
const KNX_DIGITS = 12
/** Alone they could be anything; these few say what they are. */
const TELLING_ALONE = /^(?:25S|41S|43S|23S|30S)[0-9A-Z]/

/** Whether the text is in one of the forms; what stands in it may still be wrong. */
export function isIso15418(text: string): boolean {
  if (text.startsWith('[)>')) return true
  if (TELLING_ALONE.test(text)) return true
  const fields = split(text)
  return fields.length > 1 && fields.every((field) => FIELD.test(field)) && fields.some((field) => /^\d{1,3}[A-Z]/.test(field))
}

export function readIso15418(text: string): LabelReading {
  const body = bodyOf(text)
  if (body === undefined) return problem('unknown-form', 'iso15418', { field: '[)>' })
  const fields = new Map<string, string>()
  for (const part of split(body)) {
    const [, name = '', value = ''] = FIELD.exec(part) ?? []
    if (name === '') return problem('incomplete', 'iso15418')
    const before = fields.get(name)
    if (before !== undefined && before !== value.trim()) return problem('contradiction', 'iso15418', { field: name })
    fields.set(name, value.trim())
  }
  const first = (names: readonly string[]): string | undefined => names.map((name) => fields.get(name)).find((value) => value !== undefined)
  const knx = fields.get('41S')
  const digits = knx === undefined ? undefined : addressDigits(knx)
  if (knx !== undefined && (digits ?? '').length !== KNX_DIGITS)
    return problem('wrong-length', 'iso15418', { field: '41S', params: { wanted: KNX_DIGITS, length: knx.length } })
  const free = freeText(first(FREE_TEXT) ?? '')
  const mac = fields.get(MAC)
  const written = free.get('EUI') ?? mac
  const eui64 = written === undefined ? undefined : (readEui64(written) ?? readMac48(written))
  if (written !== undefined && eui64 === undefined)
    return problem('not-an-eui64', 'iso15418', { field: free.has('EUI') ? 'EUI' : MAC, params: { length: written.length } })
  const serial = first(SERIALS)
  return label({
    format: 'iso15418',
    eui64,
    serial: serial === knx && digits !== undefined ? digits.toUpperCase() : serial,
    maker: first(MAKERS),
    product: first(PRODUCTS),
    secrets: secretsOf(free),
  })
}

/** Without the envelope `[)>` RS 06 GS … RS EOT; other formats than 05 and 06 hold no data identifiers. */
function bodyOf(text: string): string | undefined {
  if (!text.startsWith('[)>')) return text
  const match = /^\[\)>\u001e?0?(\d{1,2})\u001d?(.*)$/s.exec(text)
  if (match?.[1] !== '6') return undefined
  return (match[2] ?? '').split(RS, 1)[0]?.replaceAll(EOT, '')
}

function split(text: string): readonly string[] {
  const separator = text.includes(GS) ? GS : /\+(?=\d{0,3}[A-Z])/
  return text.split(separator).filter((part) => part.trim() !== '')
}

/** `EUI:8CF681FFFE000001.P:ABCDEF.PA:994AC` */
function freeText(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const part of text.split('.')) {
    const colon = part.indexOf(':')
    if (colon > 0) fields.set(part.slice(0, colon).trim().toUpperCase(), part.slice(colon + 1).trim())
  }
  return fields
}

/** Without PA, P serves for both. */
function secretsOf(free: ReadonlyMap<string, string>): LabelSecrets {
  const joiningCredential = free.get('P')
  const password = free.get('PA') ?? joiningCredential
  return {
    ...(password === undefined || password === '' ? {} : { password }),
    ...(joiningCredential === undefined || joiningCredential === '' ? {} : { joiningCredential }),
  }
}
