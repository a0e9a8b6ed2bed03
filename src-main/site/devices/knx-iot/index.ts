// The face of knx-iot: devices of the KNX IoT Point API.
export * from './addresses.ts'
export { chooseBinding, withGroup, withoutGroup, withRoutes, type KnxBinding, type KnxTables } from './bindings.ts'
export { createKnxProfile, KNX_PROFILE_ID, type KnxSitePorts } from './profile.ts'
export { readKnxConfiguration } from './configuration-file.ts'
export {
  compareKnx,
  configureKnx,
  groupTokenId,
  isEmptyDifference,
  type KnxConfiguration,
  type KnxDifference,
  type KnxStep,
} from './commissioning.ts'
export { KnxDevice, type Datapoint, type KnxIdentity, type KnxReach, type LoadState, type ResetKind } from './device.ts'
export { endpointNameOf, parseEndpointName, searchRequest, type KnxEndpointName, type KnxSearch } from './discovery.ts'
export { proveKnxPassword, type PasswordKeys, type PasswordOptions } from './password.ts'
export { decodeGroupMessage, encodeGroupMessage, groupMessageRequest, type GroupMessage } from './s-mode.ts'
export type { GroupObject, GroupObjectFlag, GroupRoute, GroupToken, UnicastToken } from './tables.ts'
