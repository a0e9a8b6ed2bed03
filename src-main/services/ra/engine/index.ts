// The authority's engine and desk.
export { DEFAULT_SETTINGS, type RaAnswer, type RaOptions, RegistrationAuthority, type RequestOrigin } from './authority.ts'
export { type CarriedOutcome, type CarriedRequest, enrolCarried, type FailInfo, rejectCarried, takeUpCarried } from './carried.ts'
export type { RaSettings } from './context.ts'
export { type DecisionOutcome, type PendingRequest, type PreRegistrationInfo, type PreRegistrationInput, RaDesk } from './desk.ts'
export { identitiesOf, normaliseIdentity } from './identities.ts'
export type { ApprovalPolicy } from './policy.ts'
export { issueServiceCertificate, type ServiceCertificateWish } from './service-certificate.ts'
export { describeMessage } from '../cmp/describe.ts'
