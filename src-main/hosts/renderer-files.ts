// The window's files as both windowed hosts serve them: which file an address means, its media type, and the headers that fence it in.
import { readFile, realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'

export interface RendererFile {
  readonly body: Uint8Array
  readonly mediaType: string
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.json', 'application/json; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.ico', 'image/x-icon'],
  ['.woff', 'font/woff'],
  ['.woff2', 'font/woff2'],
  ['.wasm', 'application/wasm'],
  ['.txt', 'text/plain; charset=utf-8'],
])

/** The file that an address's path means below the directory; undefined where there is none or the path leads out of it. */
export async function readRendererFile(directory: string, urlPath: string): Promise<RendererFile | undefined> {
  const segments = pathSegments(urlPath)
  if (segments === undefined) return undefined
  const wanted = segments.length === 0 ? ['index.html'] : segments
  const mediaType = MEDIA_TYPES.get(extname(wanted.at(-1) ?? ''))
  if (mediaType === undefined) return undefined
  try {
    const root = await realpath(directory)
    // Links are followed before the comparison, so that none leads out.
    const path = await realpath(join(root, ...wanted))
    if (!path.startsWith(root + sep) || !(await stat(path)).isFile()) return undefined
    return { body: new Uint8Array(await readFile(path)), mediaType }
  } catch {
    return undefined
  }
}

/** Decoded once and refused when any part could mean another place on any system. */
function pathSegments(urlPath: string): readonly string[] | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(urlPath)
  } catch {
    return undefined
  }
  const segments = decoded.split('/').filter((segment) => segment !== '')
  const isPlain = (segment: string): boolean => /^[\w@~+,=-][\w@~+,=.-]*$/.test(segment)
  return segments.every(isPlain) ? segments : undefined
}

/** The headers of every answer. `connectSources` names where the window may connect to beside its own origin. */
export function securityHeaders(connectSources: readonly string[] = []): Readonly<Record<string, string>> {
  return {
    'Content-Security-Policy': contentSecurityPolicy(connectSources),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(self), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), hid=()',
  }
}

function contentSecurityPolicy(connectSources: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    ["connect-src 'self'", ...connectSources].join(' '),
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "media-src 'self' blob:",
    "worker-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
  ].join('; ')
}
