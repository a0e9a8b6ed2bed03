// The room's face: roles on a shared laptop.
export { createAccess, type AccessOptions } from './access.ts'
export { requireKeyRoles } from './key-roles.ts'
export type { Access, AccessRecord, AccessStore, PinRecord } from './types.ts'
