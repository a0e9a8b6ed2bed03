// The face of rd: the CoRE Resource Directory (RFC 9176).
export { createResourceDirectory } from './create.ts'
export type {
  DirectoryEvent,
  DirectoryLimits,
  DirectoryOptions,
  EnrolmentCandidate,
  GroupInput,
  Registration,
  RegistrationChange,
  RegistrationInput,
  RegistrationRecord,
  RegistrationSource,
  RegistrationStore,
  ResourceDirectory,
  SimpleRegistrationLimits,
  SimpleRegistrationOptions,
  SourceLimits,
} from './types.ts'
