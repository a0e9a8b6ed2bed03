// The passphrase of the keyring for hosts without a key store of the system: from a file or the environment, never from the command line.
import { readFileSync } from 'node:fs'
import { AppError } from '#main/base/index.ts'
import type { CoreOptions } from '#main/core.ts'

/** `GROUPWRIGHT_KEYRING_PASSPHRASE_FILE`, else `GROUPWRIGHT_KEYRING_PASSPHRASE`; without both, file permissions keep the keyring. */
export function keyringOptions(environment: NodeJS.ProcessEnv = process.env): Pick<CoreOptions, 'keyring'> {
  const passphrase = secretFrom(environment, 'GROUPWRIGHT_KEYRING_PASSPHRASE')
  return passphrase === undefined ? {} : { keyring: { passphrase } }
}

/** The first line of the file that `<name>_FILE` names, else the variable itself. Throws `import.unreadable`. */
export function secretFrom(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = environment[`${name}_FILE`]
  if (file === undefined || file === '') return environment[name] === '' ? undefined : environment[name]
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/, 1)[0]
  } catch (cause) {
    throw new AppError('import.unreadable', `Cannot read the file that ${name}_FILE names`, { cause })
  }
}
