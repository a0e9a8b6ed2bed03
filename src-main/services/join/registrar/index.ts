// The registrar's assembly.
export { type Caller, Callers, type CallerVerdict, pledgeOf } from './callers.ts'
export type { RegistrarCredential, RegistrarKeeper } from './identity.ts'
export { createRegistrar, type Registrar, type RegistrarOptions, type RegistrarSettings } from './registrar.ts'
