// Reads device profiles from folders of YAML files; what is wrong with a file is told with its line and column.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml'
import type { z } from 'zod'
import { AppError, toAppError, utf8ToText } from '#main/base/index.ts'
import { createDeclarativeProfile } from './declarative-profile.ts'
import type { DeviceProfile } from './profile.ts'
import { profileSchema } from './profile-schema.ts'

/** Port: the folders that profiles lie in. */
export interface ProfileFiles {
  /** Names of the files in a folder; empty where there is no such folder. */
  readDir(directory: string): Promise<readonly string[]>
  readFile(path: string): Promise<Uint8Array>
}

export interface LoadedProfiles {
  readonly profiles: readonly DeviceProfile[]
  /** One `profile.invalid` for each file that could not be used; `details` has `file`, `line`, `column` and `faults`. */
  readonly failures: readonly AppError[]
}

interface Fault {
  readonly line: number
  readonly column: number
  readonly message: string
}

const LARGEST_FILE_BYTES = 256 * 1024
const MOST_FILES = 500

export const systemProfileFiles: ProfileFiles = {
  async readDir(directory) {
    try {
      return await readdir(directory)
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return []
      throw thrown
    }
  },
  readFile: async (path) => new Uint8Array(await readFile(path)),
}

/** Loads every `*.yaml` and `*.yml` of the folders. A later folder's profile replaces an earlier one of the same id. */
export async function loadProfiles(directories: readonly string[], files: ProfileFiles = systemProfileFiles): Promise<LoadedProfiles> {
  const profiles = new Map<string, DeviceProfile>()
  const failures: AppError[] = []
  for (const directory of directories) {
    const here = new Map<string, string>()
    for (const name of await profileNames(directory, files, failures)) {
      try {
        const profile = parseProfile(name, await readText(join(directory, name), name, files))
        const other = here.get(profile.id)
        if (other !== undefined) throw invalid(name, [{ line: 1, column: 1, message: `${other} has the same id "${profile.id}"` }])
        here.set(profile.id, name)
        profiles.set(profile.id, profile)
      } catch (thrown) {
        failures.push(thrown instanceof AppError ? thrown : unreadableFile(name, thrown))
      }
    }
  }
  return { profiles: [...profiles.values()], failures }
}

/** The profile that the text of a file writes. Throws `profile.invalid`. */
export function parseProfile(fileName: string, text: string): DeviceProfile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })
  const place = (offset: number): { readonly line: number; readonly column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  if (document.errors.length > 0) {
    throw invalid(
      fileName,
      document.errors.map((error) => ({ ...place(error.pos[0]), message: error.message })),
    )
  }
  const result = profileSchema.safeParse(plainValue(fileName, document))
  if (result.success) return createDeclarativeProfile(result.data)
  const faults = result.error.issues
    .flatMap(leaves)
    .map(({ path, message, key }) => ({ ...place(offsetOf(document, path, key)), message: named(path, message) }))
  throw invalid(fileName, faults)
}

/** The document as plain values. Aliases may not multiply it without end. */
function plainValue(fileName: string, document: Document): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 50 })
    return value
  } catch (thrown) {
    throw invalid(fileName, [{ line: 1, column: 1, message: toAppError(thrown).message }])
  }
}

async function profileNames(directory: string, files: ProfileFiles, failures: AppError[]): Promise<readonly string[]> {
  try {
    const names = (await files.readDir(directory)).filter((name) => /\.ya?ml$/i.test(name)).sort()
    return names.slice(0, MOST_FILES)
  } catch (thrown) {
    failures.push(unreadableFile(directory, thrown))
    return []
  }
}

async function readText(path: string, name: string, files: ProfileFiles): Promise<string> {
  const bytes = await files.readFile(path)
  const text = bytes.length > LARGEST_FILE_BYTES ? undefined : utf8ToText(bytes)
  if (text === undefined) {
    const message = bytes.length > LARGEST_FILE_BYTES ? `is larger than ${LARGEST_FILE_BYTES} bytes` : 'is not UTF-8 text'
    throw invalid(name, [{ line: 1, column: 1, message }])
  }
  return text.replace(/^\uFEFF/, '')
}

// ---- Where and what ----------------------------------------------------------------------------------------------

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

function invalid(file: string, faults: readonly Fault[]): AppError {
  const first = faults[0] ?? { line: 1, column: 1, message: 'is not a device profile' }
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

function unreadableFile(file: string, thrown: unknown): AppError {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new AppError('profile.invalid', `${file}: ${message}`, {
    details: { file, line: 1, column: 1, reason: 'could not be read', faults: [] },
    cause: thrown,
  })
}
