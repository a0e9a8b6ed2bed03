// The face of the browser host.
export { startBrowserHost } from './start.ts'
export type { BrowserHost, BrowserHostOptions } from './start.ts'
export { browserServices } from './services.ts'
