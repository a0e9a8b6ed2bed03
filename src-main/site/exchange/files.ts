// Writing a file so that it is there whole or not at all: a new file beside it, forced to disk, then renamed.
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError, type JsonValue } from '#main/base/index.ts'

/** Throws `export.failed` with the reason in its details. `unique` keeps attempts of the same name apart. */
export async function writeWhole(path: string, bytes: Uint8Array, unique: string): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.${unique}.partial`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(partial, 'wx')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, path)
    await syncDirectory(dirname(path))
  } catch (thrown) {
    await rm(partial, { force: true }).catch(() => undefined)
    throw exportFailure(thrown, basename(path))
  }
}

/** Makes the new name durable too, where the system lets a directory be opened (Windows does not). */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined)
  if (directory === undefined) return
  try {
    await directory.sync()
  } catch {
    // Some file systems cannot; the file itself is on disk.
  } finally {
    await directory.close()
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EACCES: 'permission',
  EPERM: 'permission',
  EROFS: 'permission',
  ENOTDIR: 'folder',
  EEXIST: 'folder',
  ENOENT: 'folder',
  ENAMETOOLONG: 'name',
}

export function exportFailure(thrown: unknown, fileName: string): AppError {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
  const reason = REASONS[code] ?? 'io'
  const details: Record<string, JsonValue> = { reason, fileName, ...(code === '' ? {} : { system: code }) }
  return new AppError('export.failed', `${fileName} could not be written: ${reason}`, { retryable: true, details, cause: thrown })
}
