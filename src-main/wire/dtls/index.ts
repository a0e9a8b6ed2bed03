// The face of dtls: DTLS 1.2 (RFC 6347) over any DatagramChannel.
export { isAlertName, type AlertName } from './alert.ts'
export { createDtlsChannel, type AddressedPeer, type DtlsChannel, type DtlsChannelOptions } from './channel.ts'
export { DtlsEngine, type DtlsCounters, type DtlsEngineOptions } from './engine.ts'
export type { GroupName } from './groups.ts'
export type { Role } from './key-schedule.ts'
export type { SuiteName } from './suites.ts'
export * from './types.ts'
