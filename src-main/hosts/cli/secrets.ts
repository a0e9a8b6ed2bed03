// Where a command takes a secret from: a file, standard input (`-`), or the environment. Never an argument: those stay in the shell's history.
import { readFileSync } from 'node:fs'
import { AppError } from '#main/base/index.ts'
import { secretFrom } from '#main/hosts/index.ts'
import type { CommonOptions } from './context.ts'

const STANDARD_INPUT = 0

/** The first line of `--secret-file`, else `GROUPWRIGHT_SECRET`. Throws `import.unreadable`. */
export function secretOf({ secretFile }: CommonOptions, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (secretFile === undefined) return secretFrom(environment, 'GROUPWRIGHT_SECRET')
  try {
    return readFileSync(secretFile === '-' ? STANDARD_INPUT : secretFile, 'utf8').split(/\r?\n/, 1)[0]
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${secretFile}`, { cause, details: { file: secretFile } })
  }
}
