// Reads device profiles from folders of YAML files; what is wrong with a file is told with its line and column.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, utf8ToText } from '#main/base/index.ts'
import { createDeclarativeProfile } from './declarative-profile.ts'
import type { DeviceProfile } from './profile.ts'
import { invalidProfile, readProfileText } from './profile-text.ts'

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
        if (other !== undefined) throw invalidProfile(name, [{ line: 1, column: 1, message: `${other} has the same id "${profile.id}"` }])
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
  return createDeclarativeProfile(readProfileText(fileName, text).source)
}

/** Whether a file of that name is a profile; `*.test.yaml` beside it are its tests. */
export function isProfileName(name: string): boolean {
  return /\.ya?ml$/i.test(name) && !/\.test\.ya?ml$/i.test(name)
}

async function profileNames(directory: string, files: ProfileFiles, failures: AppError[]): Promise<readonly string[]> {
  try {
    const names = (await files.readDir(directory)).filter(isProfileName).sort()
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
    throw invalidProfile(name, [{ line: 1, column: 1, message }])
  }
  return text.replace(/^\uFEFF/, '')
}

function unreadableFile(file: string, thrown: unknown): AppError {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new AppError('profile.invalid', `${file}: ${message}`, {
    details: { file, line: 1, column: 1, reason: 'could not be read', faults: [] },
    cause: thrown,
  })
}
