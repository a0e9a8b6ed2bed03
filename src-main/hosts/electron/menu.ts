// The native menu, in the language of the preferences. Every entry does something; what a site needs lies in the window.
import { Menu } from 'electron'
import type { MenuItemConstructorOptions } from 'electron'
import type { ContractService } from '#main/ipc/index.ts'
import type { OpName } from '#contract/ops.ts'
import { textsFor } from './texts.ts'
import type { Texts } from './texts.ts'

export interface MenuOptions {
  readonly service: ContractService
  readonly quit: () => void
  readonly systemLocale: string
  readonly developer: boolean
}

/** Sets the menu, and again whenever the language changes or a site opens or closes. */
export function followMenu(options: MenuOptions): void {
  let locale = options.systemLocale
  let siteOpen = false
  const update = (): void => Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(textsFor(locale), siteOpen, options)))
  options.service.subscribe('preferences', (message) => {
    for (const row of message.kind === 'snapshot' ? message.rows : message.upsert) {
      if ('locale' in row) locale = row.locale ?? options.systemLocale
    }
    update()
  })
  options.service.subscribe('session', (message) => {
    for (const row of message.kind === 'snapshot' ? message.rows : message.upsert) {
      if ('site' in row) siteOpen = row.site !== null
    }
    update()
  })
}

export function menuTemplate(
  texts: Texts,
  siteOpen: boolean,
  { service, quit, developer }: MenuOptions,
  isMac = process.platform === 'darwin',
): MenuItemConstructorOptions[] {
  // Failures are shown by the window, which follows the session.
  const run = (op: OpName) => () => void service.call(op, {}, { actor: 'operator' })
  const quitItem: MenuItemConstructorOptions = { id: 'quit', label: texts.quit, accelerator: 'CmdOrCtrl+Q', click: quit }
  const about: MenuItemConstructorOptions = { label: texts.about, role: 'about' }
  const separator: MenuItemConstructorOptions = { type: 'separator' }
  return [
    ...(isMac ? [{ label: 'Groupwright', submenu: [about, separator, quitItem] }] : []),
    {
      label: texts.file,
      submenu: [
        { id: 'open-site', label: texts.openSite, accelerator: 'CmdOrCtrl+O', click: run('site.openDialog') },
        { id: 'close-site', label: texts.closeSite, enabled: siteOpen, click: run('site.close') },
        ...(isMac ? [] : [separator, about, separator, quitItem]),
      ],
    },
    {
      label: texts.edit,
      submenu: [
        { label: texts.undo, role: 'undo' },
        { label: texts.redo, role: 'redo' },
        separator,
        { label: texts.cut, role: 'cut' },
        { label: texts.copy, role: 'copy' },
        { label: texts.paste, role: 'paste' },
        { label: texts.selectAll, role: 'selectAll' },
      ],
    },
    {
      label: texts.view,
      submenu: [
        { label: texts.actualSize, role: 'resetZoom' },
        { label: texts.zoomIn, role: 'zoomIn' },
        { label: texts.zoomOut, role: 'zoomOut' },
        { label: texts.fullScreen, role: 'togglefullscreen' },
        ...(developer ? [separator, { label: texts.developerTools, role: 'toggleDevTools' } as const] : []),
      ],
    },
    { label: texts.window, submenu: [{ label: texts.minimize, role: 'minimize' }] },
  ]
}
