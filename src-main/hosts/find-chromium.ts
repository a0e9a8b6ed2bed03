// Finds a Chromium to print with and to test in: an installed one, else the one that an npm package carries.
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Chromium {
  readonly executablePath: string
  readonly args: readonly string[]
}

export interface ChromiumSearch {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly isExecutable: (path: string) => boolean
}

const LINUX_NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'microsoft-edge', 'microsoft-edge-stable']
const MAC_APPS = ['Google Chrome', 'Chromium', 'Microsoft Edge']
const WINDOWS_PROGRAMS = [
  'Google\\Chrome\\Application\\chrome.exe',
  'Chromium\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
]

const thisMachine: ChromiumSearch = {
  environment: process.env,
  platform: process.platform,
  isExecutable(path) {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  },
}

/** An installed Chromium, Chrome or Edge; `GROUPWRIGHT_CHROMIUM` goes before all others. */
export function findInstalledChromium(search: ChromiumSearch = thisMachine): Chromium | undefined {
  const path = candidates(search).find((candidate) => search.isExecutable(candidate))
  return path === undefined ? undefined : { executablePath: path, args: [] }
}

/** An installed one, else `@sparticuz/chromium`'s, which is unpacked on first use; undefined where there is none. */
export async function findChromium(search: ChromiumSearch = thisMachine): Promise<Chromium | undefined> {
  return findInstalledChromium(search) ?? (await carriedChromium(search))
}

/** Whether `findChromium` is going to find one, without unpacking anything. */
export function hasChromium(search: ChromiumSearch = thisMachine): boolean {
  return findInstalledChromium(search) !== undefined || (carriesFor(search.platform) && isInstalled('@sparticuz/chromium'))
}

/** Whether a package can be imported from here. */
export function isInstalled(packageName: string): boolean {
  try {
    return existsSync(new URL(import.meta.resolve(packageName)))
  } catch {
    return false
  }
}

function candidates({ environment, platform }: ChromiumSearch): readonly string[] {
  const told = environment.GROUPWRIGHT_CHROMIUM
  const first = told === undefined || told === '' ? [] : [told]
  if (platform === 'darwin') {
    const folders = ['/Applications', join(environment.HOME ?? '', 'Applications')]
    return [...first, ...folders.flatMap((folder) => MAC_APPS.map((app) => `${folder}/${app}.app/Contents/MacOS/${app}`))]
  }
  if (platform === 'win32') {
    const folders = [environment.PROGRAMFILES, environment['PROGRAMFILES(X86)'], environment.LOCALAPPDATA].filter(
      (folder) => folder !== undefined,
    )
    return [...first, ...folders.flatMap((folder) => WINDOWS_PROGRAMS.map((program) => `${folder}\\${program}`))]
  }
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...first, ...LINUX_NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))]
}

function carriesFor(platform: NodeJS.Platform): boolean {
  return platform === 'linux'
}

async function carriedChromium({ platform }: ChromiumSearch): Promise<Chromium | undefined> {
  if (!carriesFor(platform) || !isInstalled('@sparticuz/chromium')) return undefined
  try {
    const { default: carried } = await import('@sparticuz/chromium')
    return { executablePath: await carried.executablePath(), args: carried.args }
  } catch {
    return undefined
  }
}
