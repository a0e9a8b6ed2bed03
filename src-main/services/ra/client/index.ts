// The CMP client.
export { CmpClient, type CmpClientOptions, type Enrolled, type EnrolmentWish } from './client.ts'
export { type Announcement, type AnnouncementOptions, observeAnnouncements } from './observe.ts'
export {
  type CmpServerAddress,
  type CmpTransport,
  type CoapTransportOptions,
  createCoapTransport,
  createHttpTransport,
  discoverCmp,
  type HttpTransportOptions,
  parseCmpUri,
} from './transport.ts'
export type { Protector } from '../cmp/protection.ts'
