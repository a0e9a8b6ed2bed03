// The dialogs of the main process. Paths come from here and never from a page.
import { app, dialog, shell } from 'electron'
import type { BrowserWindow, MessageBoxOptions } from 'electron'
import { toAppError } from '#main/base/index.ts'
import { textsFor } from './texts.ts'
import type { Texts } from './texts.ts'

export interface Dialogs {
  chooseSiteFile(): Promise<string | undefined>
  reveal(path: string): { readonly url: null }
  sayOpenFailed(path: string, thrown: unknown): void
  sayStartFailed(thrown: unknown): void
  /** Tells that the end waits; resolves with whether to quit at once. Goes away when the signal aborts. */
  askWhileFinishing(signal: AbortSignal): Promise<boolean>
  /** Tells that the page crashed; resolves with whether to load it again. */
  askAfterCrash(): Promise<boolean>
}

export function createDialogs(window: () => BrowserWindow | undefined): Dialogs {
  const texts = (): Texts => textsFor(app.getLocale())
  const ask = async (options: MessageBoxOptions): Promise<number> => {
    const parent = window()
    const { response } = await (parent === undefined || parent.isDestroyed()
      ? dialog.showMessageBox(options)
      : dialog.showMessageBox(parent, options))
    return response
  }
  return {
    async chooseSiteFile() {
      const { chooseSite, siteFiles } = texts()
      const options = { title: chooseSite, filters: [{ name: siteFiles, extensions: ['site'] }], properties: ['openFile' as const] }
      const parent = window()
      const { canceled, filePaths } = await (parent === undefined ? dialog.showOpenDialog(options) : dialog.showOpenDialog(parent, options))
      return canceled ? undefined : filePaths[0]
    },
    reveal(path) {
      shell.showItemInFolder(path)
      return { url: null }
    },
    sayOpenFailed: (path, thrown) => dialog.showErrorBox(texts().openFailed, `${path}\n${toAppError(thrown).message}`),
    sayStartFailed: (thrown) => dialog.showErrorBox(texts().startFailed, toAppError(thrown).message),
    async askWhileFinishing(signal) {
      const { finishing, finishingDetail, keepWaiting, quitNow } = texts()
      const buttons = [keepWaiting, quitNow]
      return (await ask({ type: 'info', message: finishing, detail: finishingDetail, buttons, defaultId: 0, cancelId: 0, signal })) === 1
    },
    async askAfterCrash() {
      const { windowGone, windowGoneDetail, reload, quit } = texts()
      return (
        (await ask({
          type: 'error',
          message: windowGone,
          detail: windowGoneDetail,
          buttons: [reload, quit],
          defaultId: 0,
          cancelId: 0,
        })) === 0
      )
    },
  }
}
