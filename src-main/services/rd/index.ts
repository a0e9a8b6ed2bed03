// The face of rd: the CoRE Resource Directory (RFC 9176).
export { createResourceDirectory } from './create.ts'
export type {
  DirectoryEvent,
  DirectoryLimits,
  DirectoryOptions,
  Registration,
  RegistrationChange,
  RegistrationInput,
  RegistrationRecord,
  RegistrationSource,
  RegistrationStore,
  ResourceDirectory,
} from './types.ts'
