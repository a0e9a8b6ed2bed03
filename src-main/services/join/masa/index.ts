// The maker's server: how it is asked over HTTPS, and what it does.
export { decodeAuditLog } from './audit-log.ts'
export { createHttpsMasaClient, type HttpsMasaOptions } from './client.ts'
export { localMasaClient } from './local.ts'
export { createMasa, type Masa, type MasaAnswer, type MasaOptions, type MasaQuestion } from './masa.ts'
export { createDeviceList, type MasaDevice, type MasaDevices } from './devices.ts'
