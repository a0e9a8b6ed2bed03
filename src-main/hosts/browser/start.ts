// The browser host: the window and the contract on 127.0.0.1, for the one person who has the one-time address.
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { AppError } from '#main/base/index.ts'
import type { Clock, Logger, Random } from '#main/base/index.ts'
import { securityHeaders } from '#main/hosts/index.ts'
import type { Program } from '#main/ipc/index.ts'
import { Access, cookieValue, isOwnHost, isOwnOrigin } from './access.ts'
import { SOCKET_PATH } from './bridge-script.ts'
import { MAX_FRAME_BYTES, serveConnection } from './connection.ts'
import { ENTRY_PATH, answerRequest } from './pages.ts'

export interface BrowserHostOptions {
  readonly core: Pick<Program, 'service' | 'exportPath'>
  /** The built window (`out/renderer`). */
  readonly rendererDirectory: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface BrowserHost {
  /** The address that opens the window, once. */
  readonly url: string
  /** Another such address. */
  newUrl(): string
  /** Ends connections and stops listening; the program goes on. */
  close(): Promise<void>
}

const ADDRESS = '127.0.0.1'
const MAX_HTTP_CONNECTIONS = 128
const MAX_WINDOWS = 16

export async function startBrowserHost(options: BrowserHostOptions): Promise<BrowserHost> {
  const { core, clock, logger } = options
  const access = new Access(options)
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000, maxHeaderSize: 16 * 1024 })
  server.maxConnections = MAX_HTTP_CONNECTIONS
  const port = await listen(server, options.port ?? 0)
  const authority = `${ADDRESS}:${port}`
  // Browsers do not keep cookies apart by port: the name does.
  const cookieName = `groupwright-${port}`
  const pages = {
    access,
    rendererDirectory: options.rendererDirectory,
    headers: securityHeaders([`ws://${authority}`]),
    authority,
    cookieName,
    exportPath: (handle: string) => core.exportPath(handle),
  }

  server.on('request', (request, response) => {
    answerRequest(request, response, pages).catch((thrown: unknown) => {
      logger.warn({ err: thrown }, 'request failed')
      response.destroy()
    })
  })
  server.on('clientError', (_error, socket) => refuse(socket, '400 Bad Request'))

  const windows = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false, clientTracking: true })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    const refusal = refusalOf(request)
    if (refusal === undefined) {
      windows.handleUpgrade(request, socket, head, (connection) => serveConnection(connection, { service: core.service, clock, logger }))
    } else {
      logger.warn({ refusal }, 'window connection refused')
      refuse(socket, refusal)
    }
  })

  function refusalOf(request: IncomingMessage): string | undefined {
    const { headers } = request
    if (!isOwnHost(headers, authority)) return '421 Misdirected Request'
    // Cookies go along with a WebSocket opened by any page: only the Origin tells whose it is, and browsers always send it.
    if (headers.origin === undefined || !isOwnOrigin(headers, authority)) return '403 Forbidden'
    if (!access.isSession(cookieValue(headers.cookie, cookieName))) return '401 Unauthorized'
    if (request.url !== SOCKET_PATH) return '404 Not Found'
    return windows.clients.size >= MAX_WINDOWS ? '503 Service Unavailable' : undefined
  }

  const newUrl = (): string => `http://${authority}${ENTRY_PATH}?token=${access.issueToken()}`
  return {
    url: newUrl(),
    newUrl,
    close: () =>
      new Promise((resolve) => {
        for (const connection of windows.clients) connection.terminate()
        windows.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'network.address-in-use' : 'network.bind-failed'
      reject(new AppError(code, `Cannot listen on ${ADDRESS}:${port}`, { details: { address: ADDRESS, port }, cause: error }))
    })
    server.listen(port, ADDRESS, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })
}

function refuse(socket: Duplex, status: string): void {
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  else socket.destroy()
}
