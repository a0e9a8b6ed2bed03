// Where a command takes a secret from: a file, standard input (`-`), or the environment. Never an argument: those stay in the shell's history.
import { readFileSync } from 'node:fs'
import { AppError } from '#main/base/index.ts'
import { secretFrom } from '#main/hosts/index.ts'
import type { CommonOptions } from './context.ts'

const STANDARD_INPUT = 0

/** The first line of `--secret-file`, else `GROUPWRIGHT_SECRET`. Throws `import.unreadable`. */
export function secretOf({ secretFile }: CommonOptions, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return fromFileOr(secretFile, environment, 'GROUPWRIGHT_SECRET')
}

/** The first line of `--pin-file`, else `GROUPWRIGHT_PIN`. Throws `import.unreadable`. */
export function pinOf(pinFile: string | undefined, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return fromFileOr(pinFile, environment, 'GROUPWRIGHT_PIN')
}

function fromFileOr(file: string | undefined, environment: NodeJS.ProcessEnv, variable: string): string | undefined {
  if (file === undefined) return secretFrom(environment, variable)
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8').split(/\r?\n/, 1)[0]
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read ${file}`, { cause, details: { file } })
  }
}
