// What reading a label gives: its facts and its secrets, or what is wrong with it and how such labels look.
import type { Eui64 } from '#main/base/index.ts'
import type { LabelFacts, LabelFormat, LabelProblem } from '#contract/model.ts'
import type { LabelSecrets } from '../types.ts'

export interface Label {
  readonly facts: LabelFacts
  readonly secrets: LabelSecrets
}

/** What is wrong; `facts`: what was understood although no device can be known by it. */
export interface LabelFault {
  readonly kind: 'problem'
  readonly problem: LabelProblem
  readonly facts: LabelFacts | null
}

export type LabelReading = { readonly kind: 'label'; readonly label: Label } | LabelFault

/** A reading, and what else the text may be: only a list that has the other name says so, nothing is guessed. */
export interface Reading {
  readonly first: LabelReading
  readonly otherwise: readonly Label[]
}

/** What a format's reader found. */
export interface Found {
  readonly format: LabelFormat
  readonly eui64?: Eui64 | undefined
  readonly serial?: string | undefined
  readonly maker?: string | undefined
  readonly product?: string | undefined
  readonly secrets?: LabelSecrets
}

/** How a label of each format looks: invented values in the published forms. */
export const EXAMPLES: Readonly<Record<LabelFormat, string>> = {
  knx: 'KNX:S:00FA10010400;P:…',
  thread: 'v=1&&eui=0000b57fffe15d68&&cc=…',
  iso15418: '1P5WG1…+41S00015C00002D+3ZEUI:8CF681FFFE000001',
  gs1: '(01)09501101530003(21)123456',
  'matter-qr': 'MT:…',
  'matter-code': '3497-011-2332',
  eui64: '8C-F6-81-FF-FE-00-00-01',
  mac48: '8C:F6:81:00:00:01',
  serial: 'SN 00FA10010400',
}

export const LONGEST_LABEL = 1000
const LONGEST_SERIAL = 80
const LONGEST_FACT = 80
const LONGEST_FIELD = 8
const SERIAL = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

export function problem(
  reason: LabelProblem['reason'],
  format: LabelFormat | null,
  details: { readonly field?: string; readonly params?: LabelProblem['params']; readonly facts?: LabelFacts } = {},
): LabelFault {
  const { params = {}, facts = null } = details
  // Names of fields may come from the text: no more of it than such names are long.
  const field = details.field?.slice(0, LONGEST_FIELD) ?? null
  return { kind: 'problem', problem: { reason, format, field, example: format === null ? null : EXAMPLES[format], params }, facts }
}

/** The label, where a device can be known by it. */
export function label({ format, eui64, serial, maker, product, secrets = {} }: Found): LabelReading {
  if (serial !== undefined && serial.length > LONGEST_SERIAL)
    return problem('too-long', format, { field: 'serial', params: { most: LONGEST_SERIAL, length: serial.length } })
  if (serial !== undefined && !SERIAL.test(serial)) return problem('bad-characters', format, { field: 'serial' })
  const facts: LabelFacts = {
    format,
    eui64: eui64 ?? null,
    serial: serial ?? null,
    maker: maker?.slice(0, LONGEST_FACT) ?? null,
    product: product?.slice(0, LONGEST_FACT) ?? null,
    secrets: [
      ...(secrets.password === undefined ? [] : (['password'] as const)),
      ...(secrets.joiningCredential === undefined ? [] : (['joining-credential'] as const)),
      ...(secrets.passcode === undefined ? [] : (['passcode'] as const)),
    ],
  }
  if (facts.eui64 === null && facts.serial === null) return problem('no-identity', format, { facts })
  return { kind: 'label', label: { facts, secrets } }
}
