export { createJoinPort } from './join-port.ts'
export { isProxiedSource, proxyOfSource } from './pledge-addresses.ts'
export {
  DEFAULT_PORT_LIMITS,
  type JoinPath,
  type JoinPort,
  type JoinPortCounters,
  type JoinPortEvent,
  type JoinPortLimits,
  type JoinPortOptions,
} from './types.ts'
