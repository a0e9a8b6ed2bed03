// The filter line of the device table: `room:2.14 type:luminaire state:!verified text`. Pure.
// Terms are joined by "and", values separated by commas by "or"; `!` before a value or a term turns it round; quotes keep spaces.
import type { DeviceRow } from '#contract/model.ts'

export const filterFields = ['room', 'type', 'state', 'group', 'name', 'eui64', 'serial', 'address', 'model', 'comment'] as const
export type FilterField = (typeof filterFields)[number]

export interface FilterTerm {
  /** `null`: free text, looked for in all texts of the row. */
  readonly field: FilterField | null
  readonly values: readonly string[]
  readonly not: boolean
}

/** What a row does not hold itself. */
export interface FilterContext {
  /** Names from the building down to the room. */
  roomNames(roomId: string | null): readonly string[]
  groupNames(deviceId: string): readonly string[]
  /** The words on the screen for a type or state, so that they can be typed as well. */
  word(kind: 'type' | 'state', value: string): string
}

const token = /!?(?:[^\s"]|"[^"]*"?)+/g
const known: ReadonlySet<string> = new Set(filterFields)

function isField(text: string): text is FilterField {
  return known.has(text)
}

export function parseFilter(text: string): readonly FilterTerm[] {
  const terms: FilterTerm[] = []
  for (const [raw] of text.matchAll(token)) {
    let rest = raw
    let not = false
    if (rest.startsWith('!') && rest.length > 1) {
      not = true
      rest = rest.slice(1)
    }
    const colon = rest.indexOf(':')
    const field = colon > 0 ? rest.slice(0, colon).toLowerCase() : ''
    // An address such as `fd00::1` or a URI is text, not a field that we do not know.
    if (!isField(field)) {
      const value = unquote(rest)
      if (value !== '') terms.push({ field: null, values: [value], not })
      continue
    }
    let value = rest.slice(colon + 1)
    if (value.startsWith('!')) {
      not = !not
      value = value.slice(1)
    }
    const values = splitValues(value)
    if (values.length > 0) terms.push({ field, values, not })
  }
  return terms
}

function unquote(text: string): string {
  return text.replaceAll('"', '').trim().toLowerCase()
}

function splitValues(text: string): readonly string[] {
  return (text.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []).map(unquote).filter((value) => value !== '')
}

/** One predicate for many rows. */
export function compileFilter(terms: readonly FilterTerm[], context: FilterContext): (row: DeviceRow) => boolean {
  if (terms.length === 0) return () => true
  const quick = remembering(context)
  const checks = terms.map((term) => {
    const holds = term.field === null ? freeText(term.values, quick) : fieldCheck(term.field, term.values, quick)
    return term.not ? (row: DeviceRow) => !holds(row) : holds
  })
  return (row) => checks.every((check) => check(row))
}

/** The context in lower case, asked once for each room and word instead of once for each row. */
function remembering(context: FilterContext): FilterContext {
  const rooms = new Map<string | null, readonly string[]>()
  const words = new Map<string, string>()
  return {
    roomNames: (id) => {
      const known = rooms.get(id) ?? context.roomNames(id).map((name) => name.toLowerCase())
      rooms.set(id, known)
      return known
    },
    groupNames: (id) => context.groupNames(id),
    word: (kind, value) => {
      const key = `${kind} ${value}`
      const known = words.get(key) ?? context.word(kind, value).toLowerCase()
      words.set(key, known)
      return known
    },
  }
}

function freeText(values: readonly string[], context: FilterContext): (row: DeviceRow) => boolean {
  return (row) => {
    const text =
      `${row.name}\n${row.eui64 ?? ''}\n${row.serial ?? ''}\n${row.address ?? ''}\n${row.model ?? ''}\n${row.endpointName ?? ''}\n${row.comment}`.toLowerCase()
    const rooms = context.roomNames(row.roomId)
    return values.some((value) => text.includes(value) || rooms.some((room) => room.includes(value)))
  }
}

function fieldCheck(field: FilterField, values: readonly string[], context: FilterContext): (row: DeviceRow) => boolean {
  const contains = (text: string | null): boolean =>
    values.some((value) => (value === 'none' ? (text ?? '') === '' : text?.toLowerCase().includes(value)))
  switch (field) {
    case 'room':
      return (row) => {
        const names = context.roomNames(row.roomId)
        return values.some((value) =>
          value === 'none' ? row.roomId === null : names.some((name) => name === value || name.startsWith(`${value} `)),
        )
      }
    case 'type':
    case 'state':
      return (row) => {
        const value = row[field]
        const word = context.word(field, value)
        return values.some((wanted) => value.startsWith(wanted) || word.startsWith(wanted))
      }
    case 'group':
      return (row) =>
        values.some((value) =>
          value === 'none' ? row.groups === 0 : context.groupNames(row.id).some((name) => name.toLowerCase().includes(value)),
        )
    case 'name':
    case 'eui64':
    case 'serial':
    case 'address':
    case 'model':
    case 'comment':
      return (row) => contains(row[field])
  }
}

/** Puts a term into the line, in place of a term for the same field; without values the term goes. */
export function withTerm(text: string, field: FilterField, values: readonly string[]): string {
  const kept = [...text.matchAll(token)].map(([raw]) => raw).filter((raw) => !raw.replace(/^!/, '').toLowerCase().startsWith(`${field}:`))
  const quoted = values.map((value) => (/[\s,]/.test(value) ? `"${value}"` : value))
  return [...(quoted.length > 0 ? [`${field}:${quoted.join(',')}`] : []), ...kept].join(' ')
}
