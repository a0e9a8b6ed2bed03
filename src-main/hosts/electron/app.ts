// The life of the Electron host: one instance, one core, one window, and an end that waits for a safe point.
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { app, session } from 'electron'
import type { BrowserWindow } from 'electron'
import { createLogger, systemClock, systemRandom } from '#main/base/index.ts'
import type { Logger } from '#main/base/index.ts'
import type { CoreOptions } from '#main/core.ts'
import type { Program } from '#main/ipc/index.ts'
import { hostFolders } from '../host-options.ts'
import type { HostFolders } from '../host-options.ts'
import { keyringOptions } from '../keyring-options.ts'
import { serveCalls } from './calls.ts'
import { createDialogs } from './dialogs.ts'
import { systemKeyStore } from './key-store.ts'
import { followMenu } from './menu.ts'
import { printInHiddenWindow } from './print.ts'
import { registerAppScheme, serveRenderer } from './protocol.ts'
import { createQuitter } from './quit.ts'
import { fenceAllContents, fenceSession } from './security.ts'
import { createMainWindow } from './window.ts'

export type CreateProgram = (options: CoreOptions) => Program

/** `out/`, where this bundle lies in `main/`. */
const OUT = resolve(import.meta.dirname, '..')

export function runElectronHost(createProgram: CreateProgram): void {
  const logger = createLogger({ level: app.isPackaged ? 'warn' : 'info' })
  const folders = hostFolders(app.isPackaged ? process.resourcesPath : join(OUT, '..', 'build'))
  // Before the lock is asked for: it belongs to this folder, so that two data folders are two instances.
  const windowData = join(folders.dataDirectory, 'window')
  mkdirSync(windowData, { recursive: true })
  app.setPath('userData', windowData)
  if (!app.requestSingleInstanceLock()) {
    app.quit()
    return
  }
  app.enableSandbox()
  registerAppScheme()
  fenceAllContents(logger)
  app
    .whenReady()
    .then(() => start(createProgram, folders, logger))
    .catch((thrown: unknown) => {
      logger.error({ err: thrown }, 'start failed')
      createDialogs(() => undefined).sayStartFailed(thrown)
      app.exit(1)
    })
}

function start(createProgram: CreateProgram, folders: HostFolders, logger: Logger): void {
  fenceSession(session.defaultSession)
  serveRenderer(session.defaultSession, join(OUT, 'renderer'))
  const shown: { window?: BrowserWindow } = {}
  const dialogs = createDialogs(() => shown.window)
  const program = createProgram({
    host: 'electron',
    version: app.getVersion(),
    clock: systemClock,
    random: systemRandom,
    logger,
    ...folders,
    // A keyring that was made under a passphrase is opened by it here, too.
    keyring: { ...keyringOptions().keyring, system: systemKeyStore() },
    services: {
      chooseSiteFile: () => dialogs.chooseSiteFile(),
      reveal: (path) => Promise.resolve(dialogs.reveal(path)),
      printPdf: (html) => printInHiddenWindow(html),
      canPrintPdf: () => true,
    },
  })
  const quitter = createQuitter({ program, dialogs, clock: systemClock, logger })
  const window = createMainWindow({
    preloadPath: join(OUT, 'preload', 'index.cjs'),
    stateFile: join(folders.dataDirectory, 'window.json'),
    iconPath: app.isPackaged ? undefined : join(OUT, '..', 'build', 'icons', 'icon.png'),
    dialogs,
    logger,
    quitter,
  })
  shown.window = window
  serveCalls({ window, service: program.service, logger })
  followMenu({ service: program.service, quit: () => app.quit(), systemLocale: app.getLocale(), developer: !app.isPackaged })

  const openSite = (path: string): void => {
    program.openSiteFile(path).catch((thrown: unknown) => dialogs.sayOpenFailed(path, thrown))
  }
  app.on('second-instance', (_event, argv, workingDirectory) => {
    if (window.isMinimized()) window.restore()
    window.focus()
    const path = siteArgument(argv, workingDirectory)
    if (path !== undefined) openSite(path)
  })
  app.on('open-file', (event, path) => {
    event.preventDefault()
    openSite(path)
  })
  const path = siteArgument(process.argv, process.cwd())
  if (path !== undefined) openSite(path)
}

/** The site file that the program was started with, if any. */
export function siteArgument(argv: readonly string[], workingDirectory: string): string | undefined {
  const named = argv.slice(1).find((argument) => argument.endsWith('.site') && !argument.startsWith('-'))
  const path = named === undefined ? undefined : resolve(workingDirectory, named)
  return path !== undefined && existsSync(path) ? path : undefined
}
