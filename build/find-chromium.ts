// The Chromium that scripts and browser tests use: the same that the program prints with.
export { findChromium, findInstalledChromium, hasChromium } from '../src-main/hosts/find-chromium.ts'
export type { Chromium } from '../src-main/hosts/find-chromium.ts'
