// The CMP client.
export { CmpClient, type CmpClientOptions, type Enrolled, type EnrolmentWish } from './client.ts'
export { type AuthorityNews, type KeyUpdate, type NewsTrust, readNews } from './news.ts'
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
export { type AuthorityWatchOptions, type ListeningState, watchAuthority } from './watch.ts'
export type { Protector } from '../cmp/protection.ts'
