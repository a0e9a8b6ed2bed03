// The reverse proxy to other authorities.
export { CmpProxy, type CmpProxyOptions } from './proxy.ts'
export {
  DEFAULT_UPSTREAM_LIMITS,
  type UpstreamLimits,
  type UpstreamRecord,
  type UpstreamServer,
  type UpstreamState,
  type UpstreamStore,
} from './types.ts'
