// The one way to the core: the object that the host put into the window before any script ran.
import type { Bridge } from '#contract/bridge.ts'

declare global {
  interface Window {
    readonly groupwright: Bridge
  }
}

export const bridge: Bridge = window.groupwright
