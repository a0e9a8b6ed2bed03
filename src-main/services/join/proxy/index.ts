export {
  announceJoinProxy,
  announceRegistrar,
  JOIN_SERVICES,
  registrarLinks,
  type JoinPortLink,
  type Asked,
  type LinkRegistry,
  type ProxyAnnouncement,
  type RegistrarAnnouncement,
} from './announce.ts'
export { findRegistrars, type RegistrarRoute, type RegistrarSearch } from './find-registrar.ts'
export { createJoinProxy } from './join-proxy.ts'
export { openJoinService, type JoinService, type JoinServiceOptions } from './join-service.ts'
export type { Rate } from './rates.ts'
export { RegistrarFinder, type RegistrarFinderOptions } from './registrar-finder.ts'
export { DEFAULT_KEY_TIMES, SEALED_HEADER_BYTES, type HeaderKeyTimes } from './sealed-header.ts'
export {
  DEFAULT_PROXY_LIMITS,
  type JoinProxy,
  type JoinProxyCounters,
  type JoinProxyEvent,
  type JoinProxyLimits,
  type JoinProxyOptions,
  type StatefulOptions,
  type StatelessOptions,
  type UnreachableCode,
} from './types.ts'
