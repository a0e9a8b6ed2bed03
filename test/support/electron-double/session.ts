// Sessions: protocol handlers, permissions and request filters, over a browser context of their own.
import type { Browser, BrowserContext, Page, Route } from 'playwright-core'
import { chromium } from 'playwright-core'
import { findChromium } from '../../../build/find-chromium.ts'
import { toElectronUrl } from './addresses.ts'

type Handler = (request: Request) => Response | Promise<Response>
type Permit = (contents: unknown, permission: string, callback: (granted: boolean) => void, details: unknown) => void
type Check = (contents: unknown, permission: string, origin: string, details: unknown) => boolean
type Filter = (details: { readonly url: string }, callback: (answer: { readonly cancel: boolean }) => void) => void

/** What a page wants to do that its window may object to. */
export interface PageOwner {
  /** Whether a navigation of one of its frames may go on. */
  mayNavigate(url: string, isMainFrame: boolean): boolean
  mayOpen(url: string): boolean
}

let browser: Promise<Browser> | undefined

export function launchBrowser(): Promise<Browser> {
  browser ??= findChromium().then((found) => {
    if (found === undefined) throw new Error('no Chromium')
    return chromium.launch({ executablePath: found.executablePath, args: [...found.args] })
  })
  return browser
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close()
}

export class Session {
  readonly protocol = { handle: (scheme: string, handler: Handler) => void this.#schemes.set(scheme, handler) }
  readonly webRequest = { onBeforeRequest: (filter: Filter) => void (this.#filter = filter) }
  readonly #schemes = new Map<string, Handler>()
  readonly #owners = new Map<Page, PageOwner>()
  #filter: Filter | undefined
  #permit: Permit | undefined
  #check: Check | undefined
  #device: (() => boolean) | undefined
  #context: Promise<BrowserContext> | undefined

  setPermissionRequestHandler(handler: Permit): void {
    this.#permit = handler
  }

  setPermissionCheckHandler(handler: Check): void {
    this.#check = handler
  }

  setDevicePermissionHandler(handler: () => boolean): void {
    this.#device = handler
  }

  /** As Electron: without a handler everything is granted. */
  permissions(permission: string, details: { readonly requestingUrl: string; readonly mediaTypes?: readonly string[] }): Promise<unknown> {
    const origin = new URL(details.requestingUrl).href.split('/', 3).join('/')
    const checked = this.#check?.(null, permission, `${origin}/`, { mediaType: details.mediaTypes?.[0] }) ?? true
    const device = this.#device?.() ?? true
    if (this.#permit === undefined) return Promise.resolve({ requested: true, checked, device })
    return new Promise((resolve) => this.#permit?.(null, permission, (requested) => resolve({ requested, checked, device }), details))
  }

  async newPage(owner: PageOwner, javaScriptEnabled: boolean): Promise<Page> {
    this.#context ??= this.#createContext(javaScriptEnabled)
    const page = await (await this.#context).newPage()
    this.#owners.set(page, owner)
    return page
  }

  async #createContext(javaScriptEnabled: boolean): Promise<BrowserContext> {
    const context = await (await launchBrowser()).newContext({ javaScriptEnabled })
    await context.route('**/*', (route) => this.#serve(route))
    context.on('page', (page) => void this.#checkPopup(page))
    return context
  }

  async #checkPopup(page: Page): Promise<void> {
    const opener = await page.opener()
    const owner = opener === null ? undefined : this.#owners.get(opener)
    if (owner?.mayOpen(toElectronUrl(page.url())) === false) await page.close()
  }

  async #serve(route: Route): Promise<void> {
    const request = route.request()
    const url = toElectronUrl(request.url())
    // 204 leaves the page as it is, as a prevented navigation does; an abort would put an error page in its place.
    if (request.isNavigationRequest() && !this.#mayNavigate(route, url)) return route.fulfill({ status: 204 })
    const cancelled = await new Promise<boolean>((resolve) => {
      if (this.#filter === undefined) resolve(false)
      else this.#filter({ url }, ({ cancel }) => resolve(cancel))
    })
    if (cancelled) return route.abort('blockedbyclient')
    const handler = this.#schemes.get(new URL(url).protocol.slice(0, -1))
    if (handler === undefined) return route.fulfill({ status: 200, contentType: 'text/html', body: '<title>outside</title>' })
    const response = await handler(new Request(url, { method: request.method() }))
    return route.fulfill({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    })
  }

  #mayNavigate(route: Route, url: string): boolean {
    try {
      const frame = route.request().frame()
      return this.#owners.get(frame.page())?.mayNavigate(url, frame.parentFrame() === null) ?? true
    } catch {
      // A page that is just being opened has no frame yet; `#checkPopup` judges it.
      return true
    }
  }
}

const partitions = new Map<string, Session>()

const defaultSession = new Session()
let ready = false

export function markReady(): void {
  ready = true
}

export const session = {
  get defaultSession(): Session {
    if (!ready) throw new Error('session is used before the app is ready')
    return defaultSession
  },
  fromPartition(name: string): Session {
    const found = partitions.get(name) ?? new Session()
    partitions.set(name, found)
    return found
  },
}
