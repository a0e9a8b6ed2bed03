// The face of group-manager: security groups for OSCORE, their administration, and the member's side.
export type { GroupConfiguration, GroupConfigurationInput, RekeyingPolicy } from './configuration.ts'
export type { CredentialIssuers } from './credential-trust.ts'
export { securityGroupLinks } from './discovery.ts'
export { GroupManager, type GroupManagerOptions } from './manager.ts'
export { GroupMemberClient } from './member-client.ts'
export type { GroupMemberClientOptions, MembershipState } from './member-types.ts'
export { rolesOf, type Roles } from './scope.ts'
export type { ControlPoint, GroupManagerStore, StoredGrant, StoredGroup, StoredMember } from './store.ts'
export { requestToken, transferToken, updateRights, type IssuedToken, type TokenTransfer } from './token-client.ts'
export type {
  AdminPermission,
  Authorisation,
  GroupEvent,
  GroupEventKind,
  GroupPermission,
  GroupStatus,
  MemberKeys,
  MemberStatus,
  PublishedGroup,
  SecretSealer,
} from './types.ts'
