// Ops and feeds between the window and the contract. Every message is refused that is not our window's main frame's.
import { ipcMain } from 'electron'
import type { BrowserWindow, WebFrameMain } from 'electron'
import type { Logger } from '#main/base/index.ts'
import { ClientSubscriptions } from '#main/ipc/index.ts'
import type { ContractService } from '#main/ipc/index.ts'
import type { Reply } from '#contract/ops.ts'
import { isAppUrl } from './protocol.ts'

export interface CallsOptions {
  readonly window: BrowserWindow
  readonly service: ContractService
  readonly logger: Logger
}

interface Sender {
  readonly sender: { readonly id: number }
  readonly senderFrame: WebFrameMain | null
}

export function serveCalls({ window, service, logger }: CallsOptions): void {
  const { webContents } = window
  const subscriptions = new ClientSubscriptions(service, (id, message) => {
    if (!webContents.isDestroyed()) webContents.send('groupwright:feed', id, message)
  })

  function isOurs({ sender, senderFrame }: Sender): boolean {
    const ours = sender.id === webContents.id && senderFrame !== null && senderFrame.parent === null && isAppUrl(senderFrame.url)
    if (!ours) logger.warn({ contents: sender.id }, 'a message from elsewhere was refused')
    return ours
  }

  ipcMain.handle('groupwright:call', (event, name: unknown, input: unknown): Reply | Promise<Reply> => {
    if (!isOurs(event)) {
      return { ok: false, error: { code: 'access.denied', message: 'Only the window may call', retryable: false, details: {} } }
    }
    return service.call(name, input, { actor: 'operator' })
  })
  ipcMain.on('groupwright:subscribe', (event, id: unknown, feed: unknown) => {
    if (!isOurs(event) || !isId(id)) return
    const outcome = subscriptions.subscribe(id, feed)
    if (outcome !== 'subscribed') logger.warn({ outcome }, 'a subscription was refused')
  })
  ipcMain.on('groupwright:unsubscribe', (event, id: unknown) => {
    if (isOurs(event) && isId(id)) subscriptions.unsubscribe(id)
  })
  ipcMain.on('groupwright:acknowledge', (event, id: unknown) => {
    if (isOurs(event) && isId(id)) subscriptions.acknowledge(id)
  })
  // A page that is gone listens no more; the next one has ids of its own.
  webContents.on('did-start-navigation', (details) => {
    if (details.isMainFrame && !details.isSameDocument) subscriptions.clear()
  })
  webContents.on('render-process-gone', () => subscriptions.clear())
  webContents.on('destroyed', () => subscriptions.clear())
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}
