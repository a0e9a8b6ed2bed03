// `app://groupwright`: the built window under an origin of its own, which `file:` could not give it.
import { protocol } from 'electron'
import type { Session } from 'electron'
// Not through the face of hosts: that would bring the headless printer, which this host has no use for, into the bundle.
import { readRendererFile, securityHeaders } from '../renderer-files.ts'

const SCHEME = 'app'
export const APP_ORIGIN = 'app://groupwright'

/** Before the app is ready. A standard, secure scheme has an origin, relative addresses, and the camera. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ])
}

export function isAppUrl(url: string): boolean {
  return url.startsWith(`${APP_ORIGIN}/`)
}

export function serveRenderer(session: Session, directory: string): void {
  session.protocol.handle(SCHEME, async (request) => {
    const headers = securityHeaders()
    if (!isAppUrl(request.url) || request.method !== 'GET') return new Response('Not found', { status: 404, headers })
    const path = request.url.slice(APP_ORIGIN.length).split(/[?#]/, 1)[0] ?? '/'
    const file = await readRendererFile(directory, path)
    if (file === undefined) return new Response('Not found', { status: 404, headers })
    return new Response(new Blob([new Uint8Array(file.body)]), { headers: { ...headers, 'Content-Type': file.mediaType } })
  })
}
