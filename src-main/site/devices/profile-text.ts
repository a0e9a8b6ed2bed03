// The text of a YAML file that a schema describes, with the line and column of everything in it: what is wrong is told where it stands.
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import type { z } from 'zod'
import { AppError, toAppError } from '#main/base/index.ts'
import { profileSchema, type ProfileSource } from './profile-schema.ts'

export interface Place {
  readonly line: number
  readonly column: number
}

export interface Fault extends Place {
  readonly message: string
}

export interface ReadText<Value> {
  readonly source: Value
  /** Where the node of a path begins, or the nearest one above it that is there. */
  readonly placeOf: (path: readonly PropertyKey[]) => Place
}

/** Throws `profile.invalid` with every fault and its place. */
export function readProfileText(fileName: string, text: string): ReadText<ProfileSource> {
  return readYaml(fileName, text, profileSchema)
}

/** Throws `profile.invalid` with every fault and its place. */
export function readYaml<Value>(fileName: string, text: string, schema: z.ZodType<Value>): ReadText<Value> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  if (document.errors.length > 0) {
    throw invalidProfile(
      fileName,
      document.errors.map((error) => ({ ...place(error.pos[0]), message: error.message })),
    )
  }
  const result = schema.safeParse(plainValue(fileName, document))
  if (result.success) return { source: result.data, placeOf: (path) => place(offsetOf(document, path, undefined)) }
  const faults = result.error.issues
    .flatMap(leaves)
    .map(({ path, message, key }) => ({ ...place(offsetOf(document, path, key)), message: named(path, message) }))
  throw invalidProfile(fileName, faults)
}

/** The document as plain values. Aliases may not multiply it without end. */
function plainValue(fileName: string, document: Document): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 50 })
    return value
  } catch (thrown) {
    throw invalidProfile(fileName, [{ line: 1, column: 1, message: toAppError(thrown).message }])
  }
}

interface Leaf {
  readonly path: readonly PropertyKey[]
  readonly message: string
  /** A key below `path` that is itself the fault. */
  readonly key?: string
}

/** The issues that a person can act on: unknown keys one by one, and bad keys of a mapping at the key. */
function leaves(issue: z.core.$ZodIssue): readonly Leaf[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: issue.path, message: `unknown key "${key}"`, key }))
  if (issue.code === 'invalid_key') {
    const key = String(issue.path.at(-1) ?? '')
    return [{ path: issue.path.slice(0, -1), message: issue.issues[0]?.message ?? issue.message, key }]
  }
  return [{ path: issue.path, message: issue.message }]
}

function named(path: readonly PropertyKey[], message: string): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`
}

/** Where the node of the path begins, or the nearest one above it that is there. */
function offsetOf(document: Document, path: readonly PropertyKey[], key: string | undefined): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    const next = childOf(node, step)
    if (next === undefined) break
    node = next
    offset = startOf(node) ?? offset
  }
  return key === undefined ? offset : (startOf(keyOf(node, key)) ?? offset)
}

function childOf(node: unknown, step: PropertyKey): Node | undefined {
  if (!isMap(node) && !(isNode(node) && 'items' in node)) return undefined
  const child: unknown = 'get' in node ? node.get(typeof step === 'symbol' ? String(step) : step, true) : undefined
  return isNode(child) ? child : undefined
}

function keyOf(node: unknown, key: string): unknown {
  if (!isMap(node)) return undefined
  return node.items.find((pair) => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === key)?.key
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

export function invalidProfile(file: string, faults: readonly Fault[]): AppError {
  const first = faults[0] ?? { line: 1, column: 1, message: 'is not what it should be' }
  return new AppError('profile.invalid', `${file}:${first.line}:${first.column}: ${first.message}`, {
    details: {
      file,
      line: first.line,
      column: first.column,
      reason: first.message,
      faults: faults.slice(0, 20).map((fault) => ({ ...fault })),
    },
  })
}
