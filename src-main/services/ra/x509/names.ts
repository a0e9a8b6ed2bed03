// Distinguished names and general names (RFC 5280 §4.1.2.4, §4.2.1.6): built, read, compared (§7.1) and shown.
import { equalBytes, fromHex, toHex, utf8, utf8ToText } from '#main/base/index.ts'
import {
  context,
  contextPrimitive,
  der,
  DerFields,
  elementsOf,
  invalidDer,
  Oid,
  oid,
  oidText,
  readDer,
  sequence,
  setOf,
  Tag,
  textValue,
  utf8String,
  type Der,
} from '../der/index.ts'

export interface NameAttribute {
  readonly type: string
  readonly value: string
}

const SHORT: ReadonlyArray<readonly [string, string]> = [
  [Oid.commonName, 'CN'],
  [Oid.serialNumber, 'serialNumber'],
  [Oid.organization, 'O'],
  [Oid.organizationalUnit, 'OU'],
  [Oid.locality, 'L'],
  [Oid.country, 'C'],
]
const MAX_RDNS = 64
const MAX_IN_RDN = 16

/** The empty name: a directoryName without content (RFC 9810 §5.1.1). */
export const NULL_DN: Uint8Array = Uint8Array.of(Tag.SEQUENCE, 0)

/** A name in DER, each attribute in a set of its own. */
export function buildName(attributes: readonly NameAttribute[]): Uint8Array {
  return sequence(...attributes.map(({ type, value }) => setOf(sequence(oid(type), valueOf(type, value)))))
}

function valueOf(type: string, value: string): Uint8Array {
  // Serial numbers and countries are PrintableString only (RFC 5280 Appendix A).
  const printable = type === Oid.serialNumber || type === Oid.country
  return printable ? der(Tag.PRINTABLE_STRING, utf8(value)) : utf8String(value)
}

/** The attributes in order; throws `der.invalid` for what is no name. */
export function readName(name: Uint8Array): NameAttribute[] {
  const rdns = elementsOf(readDer(name))
  if (rdns.length > MAX_RDNS) throw invalidDer('a name of too many parts')
  return rdns.flatMap((rdn) => {
    const attributes = elementsOf(rdn, Tag.SET)
    if (attributes.length > MAX_IN_RDN) throw invalidDer('a name of too many parts')
    return attributes.map((attribute) => {
      const fields = new DerFields(attribute)
      const type = oidText(fields.field(Tag.OID))
      const value = fields.any()
      fields.end()
      return { type, value: isText(value.tag) ? textValue(value) : `#${toHex(value.bytes)}` }
    })
  })
}

const TEXTS: ReadonlySet<number> = new Set([Tag.UTF8_STRING, Tag.PRINTABLE_STRING, Tag.IA5_STRING, Tag.T61_STRING, Tag.BMP_STRING])

function isText(tag: number): boolean {
  return TEXTS.has(tag)
}

/** As people read it: `CN=device-0001, O=Operator`. */
export function nameText(name: Uint8Array): string {
  return readName(name)
    .map(({ type, value }) => `${SHORT.find(([known]) => known === type)?.[1] ?? type}=${value.replace(/[,\\+=]/g, (sign) => `\\${sign}`)}`)
    .join(', ')
}

/** The attributes that `CN=a, O=b` says; undefined where it says something else. */
export function parseNameText(text: string): NameAttribute[] | undefined {
  const attributes: NameAttribute[] = []
  for (const part of text.split(/(?<!\\),/)) {
    const [, label = '', raw = ''] = /^\s*([A-Za-z]+|[0-9.]+)\s*=\s*(.*?)\s*$/s.exec(part) ?? []
    const type = /^[0-9.]+$/.test(label) ? label : SHORT.find(([, short]) => short.toLowerCase() === label.toLowerCase())?.[0]
    const value = raw.replace(/\\(.)/g, '$1')
    if (type === undefined || value === '') return undefined
    attributes.push({ type, value })
  }
  return attributes
}

/** Names with the same key are the same name (RFC 5280 §7.1: case and repeated spaces do not count). */
export function nameKey(name: Uint8Array): string {
  return JSON.stringify(readName(name).map(({ type, value }) => [type, value.trim().replace(/\s+/g, ' ').toLowerCase()]))
}

export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a, b) || nameKey(a) === nameKey(b)
}

export function isNullName(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === Tag.SEQUENCE && name[1] === 0
}

/** The first value of that attribute. */
export function attributeOf(name: Uint8Array, type: string): string | undefined {
  return readName(name).find((attribute) => attribute.type === type)?.value
}

export type GeneralName =
  | { readonly kind: 'directory'; readonly name: Uint8Array }
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  | { readonly kind: 'ip'; readonly address: Uint8Array }
  | { readonly kind: 'hardware'; readonly type: string; readonly serial: string }
  | { readonly kind: 'other'; readonly bytes: Uint8Array }

const TEXT_KINDS = { 0x81: 'email', 0x82: 'dns', 0x86: 'uri' } as const
const HARDWARE = oid(Oid.hardwareModuleName)

export function readGeneralName(element: Der): GeneralName {
  const { tag, content, bytes } = element
  if (tag === context(4)) {
    const name = readDer(content).bytes
    readName(name)
    return { kind: 'directory', name }
  }
  if (tag === 0x81 || tag === 0x82 || tag === 0x86) {
    const value = utf8ToText(content)
    if (value === undefined || !/^[\x20-\x7e]*$/.test(value)) throw invalidDer('a name that is not ASCII')
    return { kind: TEXT_KINDS[tag], value }
  }
  if (tag === contextPrimitive(7)) return { kind: 'ip', address: content }
  if (tag === context(0)) return readOtherName(element)
  if (tag < 0x80 || (tag & 0x1f) > 8) throw invalidDer('not a GeneralName')
  return { kind: 'other', bytes }
}

function readOtherName(element: Der): GeneralName {
  const fields = new DerFields(element, context(0))
  const type = oidText(fields.field(Tag.OID))
  const value = fields.explicit(0)
  fields.end()
  if (type !== Oid.hardwareModuleName || value === undefined) return { kind: 'other', bytes: element.bytes }
  const module = new DerFields(value)
  const hardwareType = oidText(module.field(Tag.OID))
  const serial = module.field(Tag.OCTET_STRING).content
  module.end()
  return { kind: 'hardware', type: hardwareType, serial: toHex(serial) }
}

export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case 'directory':
      return der(context(4), name.name)
    case 'email':
      return der(contextPrimitive(1), utf8(name.value))
    case 'dns':
      return der(contextPrimitive(2), utf8(name.value))
    case 'uri':
      return der(contextPrimitive(6), utf8(name.value))
    case 'ip':
      return der(contextPrimitive(7), name.address)
    case 'hardware':
      return der(
        context(0),
        HARDWARE,
        der(context(0), sequence(oid(name.type), der(Tag.OCTET_STRING, fromHex(name.serial) ?? new Uint8Array(0)))),
      )
    case 'other':
      return name.bytes
  }
}

export function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'directory':
      return nameText(name.name)
    case 'ip':
      return `ip:${toHex(name.address)}`
    case 'hardware':
      return `hardware:${name.type}:${name.serial}`
    case 'other':
      return `other:${toHex(name.bytes)}`
    case 'dns':
    case 'email':
    case 'uri':
      return `${name.kind}:${name.value}`
  }
}
