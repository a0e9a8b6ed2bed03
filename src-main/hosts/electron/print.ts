// Prints HTML to PDF in a hidden window of its own session: no scripts, no network, no bridge.
import { BrowserWindow, session } from 'electron'
import { AppError } from '#main/base/index.ts'
import { fenceSession } from './security.ts'
import { APP_ORIGIN } from './protocol.ts'

const PAGE = `${APP_ORIGIN}/report.html`

export async function printInHiddenWindow(html: string): Promise<Uint8Array> {
  // Without `persist:` the session lives in memory only.
  const partition = session.fromPartition(`print-${(serial += 1)}`)
  fenceSession(partition)
  partition.protocol.handle('app', (request) => {
    if (request.url !== PAGE) return new Response('Not found', { status: 404 })
    return new Response(html, {
      headers: {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:",
      },
    })
  })
  const window = new BrowserWindow({
    show: false,
    webPreferences: { session: partition, sandbox: true, contextIsolation: true, nodeIntegration: false, javascript: false },
  })
  try {
    await window.loadURL(PAGE)
    return new Uint8Array(await window.webContents.printToPDF({ pageSize: 'A4', printBackground: true, preferCSSPageSize: true }))
  } catch (thrown) {
    throw new AppError('export.pdf-unavailable', 'The report could not be printed', { retryable: true, cause: thrown })
  } finally {
    window.destroy()
  }
}

let serial = 0
