// Opens the core for one command, on one site file, and closes it again.
import { basename, dirname, join, resolve } from 'node:path'
import { existsSync, readFileSync } from 'node:fs'
import { AppError, createLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createProgram } from '#main/ipc/index.ts'
import type { Program } from '#main/ipc/index.ts'
import { canPrintPdf, hostFolders, keyringOptions, printPdf } from '#main/hosts/index.ts'
import { takeUpRole } from './role.ts'
import { sessionOf } from './session.ts'
import type { Session } from './session.ts'

export interface OpenOptions {
  /** Path of the site file; `.site` is added where it is missing. */
  readonly site?: string | undefined
  readonly bind?: string | undefined
  readonly coapPort?: number | undefined
  readonly coapsPort?: number | undefined
  /** Folder for exports; beside the site file by default. */
  readonly exports?: string | undefined
  readonly verbose?: boolean | undefined
  /** A role to take up with the PIN of `--pin-file` or `GROUPWRIGHT_PIN`. */
  readonly role?: string | undefined
  readonly pinFile?: string | undefined
  readonly person?: string | undefined
  /** Of a demo site. */
  readonly radio?: 'real' | 'ideal' | undefined
  readonly dongle?: 'spinel' | 'slip' | undefined
  readonly joining?: 'proxy' | 'direct' | undefined
  readonly pty?: boolean | undefined
  /** Addresses of clients that may have requests forwarded to devices and groups. */
  readonly proxyFor?: readonly string[] | undefined
  /** Whether interrupted jobs go on: commands that only look must not write to devices. */
  readonly resumeJobs?: boolean
  /** Whether the directory is advertised where its site says so: a command that ends at once must not call others here. */
  readonly advertise?: boolean
}

export interface Opened {
  readonly program: Program
  readonly session: Session
}

const repository = join(import.meta.dirname, '../../..')

export function programVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '0'
}

/** The core without a site. */
export function openProgram(options: OpenOptions): Opened {
  const folders = hostFolders(join(repository, 'build'))
  const sitesDirectory = options.site === undefined ? folders.sitesDirectory : dirname(sitePath(options.site))
  const program = createProgram({
    host: 'cli',
    version: programVersion(),
    clock: systemClock,
    random: systemRandom,
    logger: createLogger({ level: options.verbose === true ? 'debug' : 'error', destination: 'stderr' }),
    dataDirectory: folders.dataDirectory,
    sitesDirectory,
    profileDirectories: folders.profileDirectories,
    ...keyringOptions(),
    network: {
      ...(options.bind === undefined ? {} : { bindAddress: options.bind }),
      ...(options.coapPort === undefined ? {} : { coapPort: options.coapPort }),
      ...(options.coapsPort === undefined ? {} : { coapsPort: options.coapsPort }),
    },
    demo: {
      ...(options.radio === undefined ? {} : { radio: options.radio }),
      ...(options.dongle === undefined ? {} : { dongle: options.dongle }),
      // A command is over before a demo device would have come through a proxy: here they have their keys at once.
      joining: options.joining ?? 'direct',
      pty: options.pty ?? false,
    },
    ...(options.exports === undefined ? {} : { exportsDirectory: resolve(options.exports) }),
    resumeJobs: options.resumeJobs ?? false,
    advertise: options.advertise ?? false,
    ...(options.proxyFor === undefined
      ? {}
      : { proxyRules: [{ clients: options.proxyFor.map((address) => ({ address })), servers: 'any' as const, groups: 'any' as const }] }),
    services: {
      chooseSiteFile: () => Promise.resolve(undefined),
      reveal: () => Promise.resolve({ url: null }),
      printPdf,
      canPrintPdf,
    },
  })
  return { program, session: sessionOf(program) }
}

/** The core with the site open. Throws `site.not-found`, `site.locked`, `store.*`. */
export async function openSite(options: OpenOptions): Promise<Opened> {
  if (options.site === undefined)
    throw new AppError('input.invalid', 'Name the site file with --site FILE', { details: { option: '--site' } })
  const path = sitePath(options.site)
  if (!existsSync(path)) throw new AppError('site.not-found', `There is no site file ${path}`, { details: { path } })
  const opened = openProgram(options)
  try {
    await opened.program.openSiteFile(path)
    await takeUpRole(opened.session, options)
    return opened
  } catch (thrown) {
    await opened.program.close()
    throw thrown
  }
}

export function sitePath(text: string): string {
  return resolve(text.endsWith('.site') ? text : `${text}.site`)
}

/** The site's name as its file says it. */
export function siteNameOf(path: string): string {
  return basename(path, '.site')
}
