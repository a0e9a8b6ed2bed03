// A small JSON document on disk that is replaced as a whole: written beside, then renamed over the old one.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '#main/base/index.ts'

/** The document, or undefined where there is none or it is not JSON: preferences are not worth a refusal to start. */
export function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Throws `store.io` where the folder cannot be written. */
export function writeJsonFile(path: string, value: unknown): void {
  const beside = `${path}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const file = openSync(beside, 'w', 0o600)
    try {
      writeSync(file, `${JSON.stringify(value, null, 2)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(beside, path)
  } catch (cause) {
    throw new AppError('store.io', `Cannot write ${path}`, { cause, details: { path } })
  }
}
