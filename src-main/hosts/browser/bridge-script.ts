// The script that gives the page its bridge before the window's own code runs.
import { createSocketBridge } from './bridge-client.ts'

export const BRIDGE_PATH = '/bridge.js'
export const SOCKET_PATH = '/socket'

/** An ES module: modules run in document order, so `window.groupwright` is there when the next one starts. */
export function bridgeScript(): string {
  return `const socketUrl = new URL(${JSON.stringify(SOCKET_PATH)}, import.meta.url)
socketUrl.protocol = 'ws:'
const bridge = (${createSocketBridge.toString()})({
  openSocket: () => new WebSocket(socketUrl),
  schedule: (delayMs, callback) => { setTimeout(callback, delayMs) },
})
Object.defineProperty(globalThis, 'groupwright', { value: Object.freeze(bridge), enumerable: true })
`
}

/** The window's page with the bridge as its first script. */
export function withBridge(html: string): string {
  const tag = `<script type="module" src="${BRIDGE_PATH}"></script>`
  const head = /<head[^>]*>/i
  return head.test(html) ? html.replace(head, (opening) => opening + tag) : tag + html
}
