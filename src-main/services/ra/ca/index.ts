// The site's certification authority.
export { certificatesOnly, pemOf, readPem } from './export.ts'
export { DEVICE_PROFILE } from './profiles.ts'
export { type AuthorityInfo, type NewAuthority, SiteCa, type SiteCaEvent, type SiteCaOptions } from './site-ca.ts'
