// The one window: sandboxed, isolated, without Node, at the place where it was left.
import { BrowserWindow, app, screen } from 'electron'
import type { Logger } from '#main/base/index.ts'
import type { Dialogs } from './dialogs.ts'
import { APP_ORIGIN } from './protocol.ts'
import type { Quitter } from './quit.ts'
import { placeWithin, readWindowState, writeWindowState } from './window-state.ts'

export interface MainWindowOptions {
  readonly preloadPath: string
  readonly stateFile: string
  /** Shown by window managers that take it from the window; packages carry their own. */
  readonly iconPath: string | undefined
  readonly dialogs: Pick<Dialogs, 'askAfterCrash'>
  readonly logger: Logger
  readonly quitter: Quitter
}

export function createMainWindow({ preloadPath, stateFile, iconPath, dialogs, logger, quitter }: MainWindowOptions): BrowserWindow {
  const state = readWindowState(stateFile)
  const areas = screen.getAllDisplays().map((display) => display.workArea)
  const window = new BrowserWindow({
    ...placeWithin(state, areas),
    minWidth: 960,
    minHeight: 600,
    show: false,
    title: 'Groupwright',
    ...(iconPath === undefined ? {} : { icon: iconPath }),
    webPreferences: {
      preload: preloadPath,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInSubFrames: false,
      nodeIntegrationInWorker: false,
      webviewTag: false,
      webSecurity: true,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  })
  if (state.maximized) window.maximize()
  window.once('ready-to-show', () => window.show())
  const keepState = (): void => {
    if (window.isDestroyed()) return
    writeWindowState(stateFile, { bounds: window.getNormalBounds(), maximized: window.isMaximized() })
  }
  // Closing the window ends the program; the window stays until the core is done, so that there is something to see.
  window.on('close', (event) => {
    keepState()
    if (quitter.finished) return
    event.preventDefault()
    app.quit()
  })
  quitter.beforeExit(keepState)

  const load = (): void => {
    window.loadURL(`${APP_ORIGIN}/index.html`).catch((thrown: unknown) => logger.error({ err: thrown }, 'the window did not load'))
  }
  window.webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
    if (quitter.finished || reason === 'clean-exit') return
    logger.error({ reason, exitCode }, 'the window crashed')
    dialogs.askAfterCrash().then(
      (again) => {
        if (again) load()
        else app.quit()
      },
      (thrown: unknown) => logger.error({ err: thrown }, 'the message about the crash failed'),
    )
  })
  load()
  return window
}
