// Answers to HTTP requests of the browser host: the entry by token, the window's files, the bridge, and downloads.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readRendererFile } from '#main/hosts/index.ts'
import { cookieValue, isOwnHost, isOwnOrigin } from './access.ts'
import type { Access } from './access.ts'
import { BRIDGE_PATH, bridgeScript, withBridge } from './bridge-script.ts'

export const ENTRY_PATH = '/enter'
const DOWNLOAD_PATH = '/download/'
const NEW_ADDRESS = 'Each address works once; press Enter in the terminal of Groupwright for a new one.'

export interface PagesOptions {
  readonly access: Access
  readonly rendererDirectory: string
  readonly headers: Readonly<Record<string, string>>
  /** `127.0.0.1:port` */
  readonly authority: string
  readonly cookieName: string
  exportPath(handle: string): string | undefined
}

interface Refusal {
  readonly status: number
  readonly text: string
}

export async function answerRequest(request: IncomingMessage, response: ServerResponse, options: PagesOptions): Promise<void> {
  for (const [name, value] of Object.entries(options.headers)) response.setHeader(name, value)
  response.setHeader('Cache-Control', 'no-store')
  // The path as it was sent: a URL parser would tidy `..` away and hide what was tried.
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2)
  const refusal = refusalOf(request, path, options)
  if (refusal !== undefined) sayText(response, refusal.status, refusal.text)
  else if (path === ENTRY_PATH) enter(request, response, new URLSearchParams(query).get('token') ?? '', options)
  else if (path === BRIDGE_PATH) sayText(response, 200, bridgeScript(), 'text/javascript; charset=utf-8')
  else if (path.startsWith(DOWNLOAD_PATH)) await download(response, path.slice(DOWNLOAD_PATH.length), options)
  else await sendRendererFile(response, path, options)
}

function refusalOf({ headers, method }: IncomingMessage, path: string, options: PagesOptions): Refusal | undefined {
  if (!isOwnHost(headers, options.authority)) return { status: 421, text: 'This server answers to its own address only.' }
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'Only GET and HEAD are answered here.' }
  // The entry is opened from outside by its nature; its token is the check.
  if (path === ENTRY_PATH) return undefined
  if (!options.access.isSession(cookieValue(headers.cookie, options.cookieName))) {
    return { status: 401, text: `Open the address that Groupwright printed. ${NEW_ADDRESS}` }
  }
  return isOwnOrigin(headers, options.authority) ? undefined : { status: 403, text: 'Requests from other sites are refused.' }
}

async function sendRendererFile(response: ServerResponse, path: string, options: PagesOptions): Promise<void> {
  const file = await readRendererFile(options.rendererDirectory, path)
  if (file === undefined) sayText(response, 404, 'There is nothing at this address.')
  else if (file.mediaType.startsWith('text/html')) sayText(response, 200, withBridge(new TextDecoder().decode(file.body)), file.mediaType)
  else sayBytes(response, file.body, file.mediaType)
}

/** The token leaves the address bar at once; what stays is a cookie that no script reads and no other site sends. */
function enter(request: IncomingMessage, response: ServerResponse, token: string, options: PagesOptions): void {
  // HEAD must not use the token up.
  const session = request.method === 'GET' ? options.access.redeem(token) : undefined
  if (session === undefined) {
    sayText(response, 401, `This address was used already or is too old. ${NEW_ADDRESS}`)
    return
  }
  response.setHeader('Set-Cookie', `${options.cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict`)
  response.writeHead(303, { Location: '/' }).end()
}

async function download(response: ServerResponse, rawHandle: string, options: PagesOptions): Promise<void> {
  const handle = decodeHandle(rawHandle)
  const path = handle === undefined ? undefined : options.exportPath(handle)
  const size = path === undefined ? undefined : await fileSize(path)
  if (path === undefined || size === undefined) {
    sayText(response, 404, 'There is no such file any more.')
    return
  }
  const name = basename(path)
  const exactName = encodeURIComponent(name).replace(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': size,
    // RFC 6266 §4.3: a plain name for all, the exact one for those who read it.
    'Content-Disposition': `attachment; filename="${name.replace(/[^\w.-]/g, '_')}"; filename*=UTF-8''${exactName}`,
  })
  await pipeline(createReadStream(path), response)
}

function decodeHandle(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch {
    return undefined
  }
}

function sayText(response: ServerResponse, status: number, text: string, mediaType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'Content-Type': mediaType }).end(text)
}

function sayBytes(response: ServerResponse, body: Uint8Array, mediaType: string): void {
  response.writeHead(200, { 'Content-Type': mediaType, 'Content-Length': body.length }).end(body)
}
