// The test's hand inside the process: commands come as messages of the parent process.
import type { EventEmitter } from 'node:events'
import { deliver } from './ipc.ts'
import { session } from './session.ts'
import { BrowserWindow, denials } from './window.ts'

interface MenuEntry {
  readonly id?: string
  readonly label?: string
  readonly submenu?: readonly MenuEntry[]
  readonly click?: () => void
}

export interface Inside {
  readonly app: EventEmitter & { quit(): void; readonly sandboxed: boolean }
  readonly menu: () => readonly MenuEntry[]
  readonly privileged: readonly unknown[]
  readonly dialogs: ReadonlyArray<{ readonly text: string; readonly buttons: readonly string[]; readonly answer: (value: unknown) => void }>
  readonly shown: readonly string[]
}

export type Command =
  | { readonly name: 'evaluate'; readonly expression: string }
  /** As if a page or frame elsewhere had got hold of the channel. */
  | {
      readonly name: 'forge'
      readonly channel: string
      readonly args: readonly unknown[]
      readonly url: string
      readonly inFrame: boolean
      readonly foreign: boolean
    }
  | { readonly name: 'permission'; readonly permission: string; readonly url: string; readonly mediaTypes?: readonly string[] }
  | { readonly name: 'state' }
  | { readonly name: 'answerDialog'; readonly value: unknown }
  | { readonly name: 'clickMenu'; readonly id: string }
  | { readonly name: 'closeWindow' }
  | { readonly name: 'minimize' }
  | { readonly name: 'quit' }
  | { readonly name: 'crash' }

export function tellTest(message: unknown): void {
  process.send?.(message)
}

export function listenToTest(inside: Inside): void {
  if (process.send === undefined) return
  process.on('message', ({ id, command }: { readonly id: number; readonly command: Command }) => {
    obey(command, inside).then(
      (value) => tellTest({ id, value }),
      (thrown: unknown) => tellTest({ id, error: String(thrown) }),
    )
  })
  // The channel alone keeps no process alive that wants to end.
  process.channel?.unref()
}

async function obey(command: Command, inside: Inside): Promise<unknown> {
  const [window] = BrowserWindow.all
  const page = async () => {
    if (window === undefined) throw new Error('there is no window')
    return window.webContents.page
  }
  switch (command.name) {
    case 'evaluate':
      return (await page()).evaluate(command.expression)
    case 'forge': {
      const { channel, args, url, inFrame, foreign } = command
      const senderFrame = { url, parent: inFrame ? {} : null }
      return deliver({ kind: 'invoke', channel, args }, { sender: { id: foreign ? -1 : window?.webContents.id }, senderFrame })
    }
    case 'permission':
      return session.defaultSession.permissions(command.permission, {
        requestingUrl: command.url,
        ...(command.mediaTypes === undefined ? {} : { mediaTypes: command.mediaTypes }),
      })
    case 'state':
      return {
        sandboxed: inside.app.sandboxed,
        privileged: inside.privileged,
        denials,
        shown: inside.shown,
        dialogs: inside.dialogs.map(({ text, buttons }) => ({ text, buttons })),
        menu: inside.menu(),
        windows: BrowserWindow.all.map(({ options, visible, focused, minimized }) => ({
          options: { ...options, webPreferences: { ...options.webPreferences, session: undefined } },
          visible,
          focused,
          minimized,
        })),
      }
    case 'answerDialog':
      inside.dialogs[0]?.answer(command.value)
      return undefined
    case 'clickMenu':
      inside
        .menu()
        .flatMap(({ submenu }) => submenu ?? [])
        .find(({ id }) => id === command.id)
        ?.click?.()
      return undefined
    case 'closeWindow':
      return window?.close()
    case 'minimize':
      if (window !== undefined) window.minimized = true
      return undefined
    case 'quit':
      inside.app.quit()
      return undefined
    case 'crash': {
      const crashing = await page()
      const cdp = await crashing.context().newCDPSession(crashing)
      void cdp.send('Page.crash').catch(() => undefined)
      return undefined
    }
  }
}
