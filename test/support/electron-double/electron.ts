// The double of the `electron` module, main process side: what this program uses of it, acting as Electron's documents say.
import { EventEmitter } from 'node:events'
import { existsSync, readFileSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listenToTest, tellTest } from './control.ts'
import { dialogs, shown } from './dialogs.ts'
import { closeBrowser, launchBrowser, markReady } from './session.ts'
import { BrowserWindow, Preventable, contentsCreated } from './window.ts'

export { ipcMain } from './ipc.ts'
export { session } from './session.ts'
export { BrowserWindow } from './window.ts'
export { dialog, shell } from './dialogs.ts'

export const privileged: unknown[] = []
let isReady = false

export const protocol = {
  registerSchemesAsPrivileged(schemes: readonly unknown[]): void {
    if (isReady) throw new Error('schemes are registered before the app is ready')
    privileged.push(...schemes)
  },
}

export const screen = {
  getAllDisplays() {
    if (!isReady) throw new Error('screen is used before the app is ready')
    return [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }]
  },
}

/** As on a desktop without a password manager: what is encrypted is protected by nothing. */
export const safeStorage = {
  getSelectedStorageBackend: (): string => (isReady ? 'basic_text' : 'unknown'),
  isAsyncEncryptionAvailable: (): Promise<boolean> => Promise.resolve(isReady),
  encryptStringAsync: (text: string): Promise<Buffer> => Promise.resolve(Buffer.from(`v10${text}`)),
  decryptStringAsync: (bytes: Buffer): Promise<{ readonly shouldReEncrypt: boolean; readonly result: string }> =>
    Promise.resolve({ shouldReEncrypt: false, result: bytes.toString().slice(3) }),
}

interface MenuEntry {
  readonly id?: string
  readonly label?: string
  readonly submenu?: readonly MenuEntry[]
  readonly click?: () => void
}

export const Menu = {
  current: [] as readonly MenuEntry[],
  buildFromTemplate: (template: readonly MenuEntry[]): readonly MenuEntry[] => template,
  setApplicationMenu(menu: readonly MenuEntry[]): void {
    Menu.current = menu
  },
}

class App extends EventEmitter {
  readonly isPackaged = false
  sandboxed = false
  #userData = ''
  #lock = ''
  #exiting = false

  setPath(name: string, path: string): void {
    if (!existsSync(path)) throw new Error(`there is no folder for ${name}`)
    if (name === 'userData') this.#userData = path
  }

  getVersion(): string {
    return '0.0.0-double'
  }

  getLocale(): string {
    return process.env.DOUBLE_LOCALE ?? 'en-GB'
  }

  enableSandbox(): void {
    if (isReady) throw new Error('the sandbox is enabled before the app is ready')
    this.sandboxed = true
  }

  async whenReady(): Promise<void> {
    await launchBrowser()
    isReady = true
    markReady()
  }

  /** A second instance leaves its arguments beside the lock of the first and gets false. */
  requestSingleInstanceLock(): boolean {
    const lock = join(this.#userData, 'double.lock')
    if (existsSync(lock) && isAlive(Number(readFileSync(lock, 'utf8')))) {
      writeFileSync(join(this.#userData, `${process.pid}.second`), JSON.stringify([process.argv, process.cwd()]))
      return false
    }
    writeFileSync(lock, String(process.pid))
    this.#lock = lock
    watch(this.#userData, () => {
      for (const name of readdirSync(this.#userData).filter((entry) => entry.endsWith('.second'))) {
        const path = join(this.#userData, name)
        try {
          const [argv, directory] = JSON.parse(readFileSync(path, 'utf8')) as [string[], string]
          rmSync(path)
          this.emit('second-instance', {}, argv, directory)
        } catch {
          // Not written whole yet: the watcher calls again.
        }
      }
    }).unref()
    return true
  }

  quit(): void {
    if (this.#exiting) return
    if (!isReady) {
      this.exit(0)
      return
    }
    const event = new Preventable()
    this.emit('before-quit', event)
    if (event.prevented) return
    for (const window of [...BrowserWindow.all]) if (!window.close()) return
    this.exit(0)
  }

  exit(code: number): void {
    if (this.#exiting) return
    this.#exiting = true
    if (this.#lock !== '') rmSync(this.#lock, { force: true })
    tellTest({ exiting: code })
    void (isReady ? closeBrowser() : Promise.resolve()).finally(() => process.exit(code))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export const app = new App()
contentsCreated.on('created', (event: unknown, contents: unknown) => app.emit('web-contents-created', event, contents))
listenToTest({ app, menu: () => Menu.current, privileged, dialogs, shown })
