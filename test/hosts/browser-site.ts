// A running browser host over a contract of the test's own, with a small window on disk, and a client that can lie.
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import type { Clock } from '#main/base/index.ts'
import { startBrowserHost } from '#main/hosts/browser/index.ts'
import type { BrowserHost } from '#main/hosts/browser/index.ts'
import { contractDouble } from '../ipc/contract-double.ts'
import type { ContractDouble, ContractDoubleOptions } from '../ipc/contract-double.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface BrowserSite {
  readonly host: BrowserHost
  readonly contract: ContractDouble
  readonly authority: string
  readonly origin: string
  /** What was written into `out/renderer/..`, to be reached by nobody. */
  readonly secret: string
  /** Sends the path exactly as it is given. */
  get(path: string, headers?: Readonly<Record<string, string>>, method?: string): Promise<Answer>
  /** Uses a fresh address up and gives the cookie. */
  enter(): Promise<string>
  /** A window's WebSocket; resolves with the refusal's status where there is one. */
  connect(headers: Readonly<Record<string, string>>, path?: string, options?: ClientOptions): Promise<WebSocket | number>
  close(): Promise<void>
}

export interface BrowserSiteOptions extends ContractDoubleOptions {
  readonly clock?: Clock
  readonly page?: string
  readonly script?: string
  readonly exports?: ReadonlyMap<string, string>
}

export async function browserSite(options: BrowserSiteOptions = {}): Promise<BrowserSite> {
  const secret = 'secret-outside'
  const directory = await mkdtemp(join(tmpdir(), 'groupwright-browser-'))
  const rendererDirectory = join(directory, 'renderer')
  await mkdir(join(rendererDirectory, 'assets'), { recursive: true })
  await writeFile(join(directory, 'secret.txt'), secret)
  await writeFile(join(rendererDirectory, 'index.html'), options.page ?? '<!doctype html><html><head></head><body>the window</body></html>')
  await writeFile(join(rendererDirectory, 'assets', 'main-1a.js'), options.script ?? 'export {}')
  const contract = contractDouble({ clock: systemClock, ...options })
  const host = await startBrowserHost({
    core: { service: contract.service, exportPath: (handle) => options.exports?.get(handle) },
    rendererDirectory,
    clock: options.clock ?? systemClock,
    random: systemRandom,
    logger: silentLogger,
  })
  const { host: authority, origin, port } = new URL(host.url)

  const site: BrowserSite = {
    host,
    contract,
    authority,
    origin,
    secret,
    get: (path, headers = {}, method = 'GET') =>
      new Promise((resolve, reject) => {
        const sent = request(
          { host: '127.0.0.1', port, path, method, headers: { host: authority, ...headers }, agent: false },
          (response) => {
            const parts: Buffer[] = []
            response.on('data', (part: Buffer) => parts.push(part))
            response.on('end', () => {
              resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString() })
            })
          },
        )
        sent.on('error', reject)
        sent.end()
      }),
    async enter() {
      const { headers } = await site.get(pathOf(host.newUrl()))
      return String(headers['set-cookie']).split(';')[0] ?? ''
    },
    connect: (headers, path = '/socket', clientOptions = {}) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers, ...clientOptions })
        socket.once('open', () => resolve(socket))
        socket.once('unexpected-response', (_request, response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        })
        socket.once('error', reject)
      }),
    async close() {
      await host.close()
      contract.service.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
  return site
}

export function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
