// JSON columns: canonical text out (sorted keys, no spaces), values of known shape in.
import { AppError } from '#main/base/index.ts'

/** The same value gives the same text, always: members in the order of their code units, as RFC 8785 sorts them. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (isObject(member) && !Array.isArray(member) ? sorted(member) : member))
}

function sorted(value: object): object {
  // A null prototype keeps a member named `__proto__` an ordinary one.
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, member] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) copy[name] = member
  return copy
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** The value of a JSON column; `store.corrupt` where it is not what the column must hold. */
export function fromJson<Value>(text: string, isValue: (value: unknown) => value is Value): Value {
  const value = parse(text)
  if (isValue(value)) return value
  throw new AppError('store.corrupt', 'A JSON column of the site file holds something else', { details: { text: text.slice(0, 40) } })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The word as one of the words known, e.g. of a column that holds a state. */
export function knownWord<Word extends string>(words: Readonly<Record<Word, true>>, text: string): Word {
  if (isWord(words, text)) return text
  throw new AppError('store.corrupt', 'A column of the site file holds an unknown word', { details: { text: text.slice(0, 40) } })
}

function isWord<Word extends string>(words: Readonly<Record<Word, true>>, text: string): text is Word {
  return Object.hasOwn(words, text)
}
