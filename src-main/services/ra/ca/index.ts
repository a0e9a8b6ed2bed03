// The site's certification authority.
export { base64Of, certificatesOnly, pemOf, readPem } from './export.ts'
export { abandonLostKeys, type LostKeys } from './lost-keys.ts'
export { DEVICE_PROFILE } from './profiles.ts'
export { type AuthorityInfo, type NewAuthority, SiteCa, type SiteCaEvent, type SiteCaOptions } from './site-ca.ts'
