// Where this machine keeps preferences, sites and profiles: the same for every host.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface HostFolders {
  readonly dataDirectory: string
  readonly sitesDirectory: string
  readonly profileDirectories: readonly string[]
}

/**
 * The folders by the system's custom; `GROUPWRIGHT_HOME` moves preferences and sites together (tests, portable use).
 * @param resources folder that holds the program's own `profiles`
 */
export function hostFolders(resources: string, environment: NodeJS.ProcessEnv = process.env): HostFolders {
  const moved = environment.GROUPWRIGHT_HOME
  const dataDirectory = moved === undefined ? systemDataDirectory(environment) : join(moved, 'settings')
  const sitesDirectory = moved === undefined ? join(homedir(), 'Groupwright') : join(moved, 'sites')
  const own = join(dataDirectory, 'profiles')
  return { dataDirectory, sitesDirectory, profileDirectories: [join(resources, 'profiles'), ...(existsSync(own) ? [own] : [])] }
}

function systemDataDirectory(environment: NodeJS.ProcessEnv): string {
  if (process.platform === 'win32') return join(environment.APPDATA ?? join(homedir(), 'AppData', 'Roaming'), 'Groupwright')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Groupwright')
  return join(given(environment.XDG_CONFIG_HOME) ?? join(homedir(), '.config'), 'groupwright')
}

/** An empty variable is as good as none (XDG Base Directory Specification). */
function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}
