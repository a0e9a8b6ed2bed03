// The composition root: builds every service from its ports and is the one place that knows all of them.
export { createCore } from './core/core.ts'
export type { Core } from './core/core.ts'
export type { CoreOptions, HostServices } from './core/types.ts'
export type { SystemKeyStore } from './core/keyring.ts'
export type { NetworkInterface } from './core/interfaces.ts'
export type { OpenSite } from './core/open-site-types.ts'
export type { AnnouncedPlace, AnnouncedService, DnsSd } from './core/dns-sd.ts'
