// BrowserWindow and WebContents over a page of a real Chromium.
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import type { CDPSession, Page } from 'playwright-core'
import { toBrowserUrl, toElectronUrl } from './addresses.ts'
import { deliver } from './ipc.ts'
import { session as sessions } from './session.ts'
import type { Session } from './session.ts'
import { BINDING, PRELOAD_WORLD, RECEIVE, mainWorldScript, preloadWorldScript } from './worlds.ts'

export interface WindowOptions {
  readonly show?: boolean
  readonly webPreferences?: {
    readonly preload?: string
    readonly session?: Session
    readonly javascript?: boolean
    readonly [name: string]: unknown
  }
  readonly [name: string]: unknown
}

/** An event whose default somebody may prevent. */
export class Preventable {
  prevented = false
  readonly url: string

  constructor(url = '') {
    this.url = url
  }

  preventDefault(): void {
    this.prevented = true
  }
}

export const contentsCreated = new EventEmitter()
/** What pages were kept from. */
export const denials: string[] = []
let serial = 0

export class WebContents extends EventEmitter {
  readonly id = (serial += 1)
  readonly session: Session
  readonly #options: WindowOptions
  #page: Promise<Page>
  #cdp: CDPSession | undefined
  #preloadContext: number | undefined
  #openHandler: ((details: { readonly url: string }) => { readonly action: string }) | undefined
  #loading: string | undefined
  destroyed = false

  constructor(options: WindowOptions) {
    super()
    this.#options = options
    this.session = options.webPreferences?.session ?? sessions.defaultSession
    this.#page = this.#createPage()
    contentsCreated.emit('created', {}, this)
  }

  get page(): Promise<Page> {
    return this.#page
  }

  setWindowOpenHandler(handler: (details: { readonly url: string }) => { readonly action: string }): void {
    this.#openHandler = handler
  }

  isDestroyed(): boolean {
    return this.destroyed
  }

  async load(url: string): Promise<void> {
    this.#loading = url
    const page = await this.#page
    await page.goto(toBrowserUrl(url))
    this.#loading = undefined
  }

  send(channel: string, ...args: readonly unknown[]): void {
    void this.#receive({ kind: 'event', channel, args })
  }

  async printToPDF(): Promise<Uint8Array> {
    return (await this.#page).pdf()
  }

  async #createPage(): Promise<Page> {
    const { webPreferences } = this.#options
    const page = await this.session.newPage(
      {
        mayNavigate: (url, isMainFrame) => this.#mayNavigate(url, isMainFrame),
        mayOpen: (url) => this.#mayOpen(url),
      },
      webPreferences?.javascript !== false,
    )
    page.on('crash', () => {
      this.#page = this.#createPage()
      this.emit('render-process-gone', {}, { reason: 'crashed', exitCode: 1 })
    })
    if (webPreferences?.preload !== undefined) await this.#installPreload(page, webPreferences.preload)
    return page
  }

  async #installPreload(page: Page, path: string): Promise<void> {
    const cdp = await page.context().newCDPSession(page)
    this.#cdp = cdp
    cdp.on('Runtime.executionContextCreated', ({ context }) => {
      const { frameId } = (context.auxData ?? {}) as { readonly frameId?: string }
      if (context.name === PRELOAD_WORLD && frameId === mainFrame) this.#preloadContext = context.id
    })
    cdp.on('Runtime.bindingCalled', ({ payload, executionContextId }) => {
      if (executionContextId === this.#preloadContext) void this.#take(JSON.parse(payload) as PreloadMessage)
    })
    await cdp.send('Page.enable')
    const { frameTree } = await cdp.send('Page.getFrameTree')
    const mainFrame = frameTree.frame.id
    await cdp.send('Runtime.enable')
    await cdp.send('Runtime.addBinding', { name: BINDING, executionContextName: PRELOAD_WORLD })
    await cdp.send('Page.addScriptToEvaluateOnNewDocument', {
      source: preloadWorldScript(readFileSync(path, 'utf8')),
      worldName: PRELOAD_WORLD,
    })
    await cdp.send('Page.addScriptToEvaluateOnNewDocument', { source: mainWorldScript })
  }

  async #take(message: PreloadMessage): Promise<void> {
    const url = toElectronUrl((await this.#page).url())
    const answer = await deliver(message, { sender: this, senderFrame: { url, parent: null } })
    if (message.kind === 'invoke') await this.#receive({ kind: 'result', id: message.id, ...answer })
  }

  async #receive(message: unknown): Promise<void> {
    if (this.#preloadContext === undefined || this.#cdp === undefined) return
    const expression = `${RECEIVE}(${JSON.stringify(message)})`
    // A page on its way out takes nothing any more.
    await this.#cdp.send('Runtime.evaluate', { expression, contextId: this.#preloadContext }).catch(() => undefined)
  }

  #mayNavigate(url: string, isMainFrame: boolean): boolean {
    if (isMainFrame && url === this.#loading) {
      this.emit('did-start-navigation', { isMainFrame, isSameDocument: false, url })
      return true
    }
    const event = new Preventable(url)
    this.emit('will-frame-navigate', event)
    if (isMainFrame) this.emit('will-navigate', event)
    if (event.prevented) denials.push(`navigate ${url}`)
    else this.emit('did-start-navigation', { isMainFrame, isSameDocument: false, url })
    return !event.prevented
  }

  #mayOpen(url: string): boolean {
    const allowed = this.#openHandler?.({ url }).action !== 'deny'
    if (!allowed) denials.push(`open ${url}`)
    return allowed
  }
}

export type PreloadMessage =
  | { readonly kind: 'invoke'; readonly id: number; readonly channel: string; readonly args: readonly unknown[] }
  | { readonly kind: 'send'; readonly channel: string; readonly args: readonly unknown[] }

export class BrowserWindow extends EventEmitter {
  static readonly all: BrowserWindow[] = []
  readonly options: WindowOptions
  readonly webContents: WebContents
  visible: boolean
  focused = 0
  minimized = false
  maximized = false

  constructor(options: WindowOptions) {
    super()
    this.options = options
    this.visible = options.show !== false
    this.webContents = new WebContents(options)
    BrowserWindow.all.push(this)
  }

  async loadURL(url: string): Promise<void> {
    await this.webContents.load(url)
    this.emit('ready-to-show')
  }

  show(): void {
    this.visible = true
  }

  focus(): void {
    this.focused += 1
  }

  isMinimized(): boolean {
    return this.minimized
  }

  restore(): void {
    this.minimized = false
  }

  maximize(): void {
    this.maximized = true
  }

  isMaximized(): boolean {
    return this.maximized
  }

  isDestroyed(): boolean {
    return this.webContents.destroyed
  }

  getNormalBounds(): unknown {
    const { x = 10, y = 20, width = 800, height = 600 } = this.options
    return { x, y, width, height }
  }

  /** As a person closes it. */
  close(): boolean {
    const event = new Preventable()
    this.emit('close', event)
    if (!event.prevented) this.destroy()
    return !event.prevented
  }

  destroy(): void {
    if (this.webContents.destroyed) return
    this.webContents.destroyed = true
    BrowserWindow.all.splice(BrowserWindow.all.indexOf(this), 1)
    void this.webContents.page.then((page) => page.close())
    this.webContents.emit('destroyed')
    this.emit('closed')
  }
}
