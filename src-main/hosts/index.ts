// The face of what hosts share.
export { findChromium, findInstalledChromium, hasChromium } from './find-chromium.ts'
export type { Chromium, ChromiumSearch } from './find-chromium.ts'
export { canPrintPdf, printPdf } from './print-pdf.ts'
export { readRendererFile, securityHeaders } from './renderer-files.ts'
export type { RendererFile } from './renderer-files.ts'
export { hostFolders } from './host-options.ts'
export type { HostFolders } from './host-options.ts'
export { keyringOptions, secretFrom } from './keyring-options.ts'
