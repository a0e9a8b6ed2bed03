// CMP over CoAP.
export { Announcer, type AnnouncerOptions } from './announcements.ts'
export { CMP_ROOT, PKIXCMP } from './paths.ts'
export { type Admission, type RateLimits, SourceRates } from './rates.ts'
export { type CmpServer, type CmpServerOptions, serveCmp, type UpstreamRouter } from './resources.ts'
