// What pages may not do: other windows, other addresses, devices, the network. Only the camera is allowed, to read labels.
import { app } from 'electron'
import type { Session, WebContents } from 'electron'
import type { Logger } from '#main/base/index.ts'
import { isAppUrl } from './protocol.ts'

/** Holds for every page that this process ever makes, before it loads anything. */
export function fenceAllContents(logger: Logger): void {
  app.on('web-contents-created', (_event, contents: WebContents) => {
    contents.setWindowOpenHandler(({ url }) => {
      logger.warn({ scheme: schemeOf(url) }, 'a new window was denied')
      return { action: 'deny' }
    })
    const deny = (event: { preventDefault(): void }, url: string): void => {
      logger.warn({ scheme: schemeOf(url) }, 'a navigation was denied')
      event.preventDefault()
    }
    // The window is one page for its whole life; even its own address is not navigated to by pages.
    contents.on('will-navigate', (event) => deny(event, event.url))
    contents.on('will-redirect', (event) => deny(event, event.url))
    contents.on('will-frame-navigate', (event) => {
      if (!isInnerFrameUrl(event.url)) deny(event, event.url)
    })
    contents.on('will-attach-webview', (event) => event.preventDefault())
  })
}

export function fenceSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, callback, details) => {
    const kinds = 'mediaTypes' in details ? (details.mediaTypes ?? []) : []
    callback(permission === 'media' && isAppUrl(details.requestingUrl) && kinds.length === 1 && kinds[0] === 'video')
  })
  session.setPermissionCheckHandler((_contents, permission, requestingOrigin, details) => {
    return permission === 'media' && isAppUrl(`${requestingOrigin.replace(/\/$/, '')}/`) && details.mediaType === 'video'
  })
  session.setDevicePermissionHandler(() => false)
  session.webRequest.onBeforeRequest((details, callback) => callback({ cancel: !isLocalUrl(details.url) }))
}

function isLocalUrl(url: string): boolean {
  return isAppUrl(url) || /^(blob:app:\/\/groupwright\/|data:|devtools:)/.test(url)
}

/** The report's preview is a frame without an address of its own. */
function isInnerFrameUrl(url: string): boolean {
  return url === 'about:srcdoc' || url === 'about:blank'
}

/** Addresses may carry what is not for logs. */
function schemeOf(url: string): string {
  return url.split(':', 1)[0] ?? ''
}
