// The open site, the network, known sites and the person’s preferences.
import { z } from 'zod'
import { failure, shortText, timeMs } from './states.ts'

export const siteKind = z.enum(['demo', 'network'])
export type SiteKind = z.infer<typeof siteKind>

export const demoOptions = z.object({
  devices: z.number().int().min(1).max(10_000),
  lossPercent: z.number().min(0).max(90),
  seed: z.number().int().nonnegative(),
})
export type DemoOptions = z.infer<typeof demoOptions>

export const networkOptions = z.object({
  /** Local IP address that the CoAP endpoint binds to; loopback unless the installer chose an interface. */
  bindAddress: z.string().min(1).max(64),
  coapPort: z.number().int().min(0).max(65_535),
  /** Of CoAP over DTLS; the one after `coapPort` unless told. */
  coapsPort: z.number().int().min(0).max(65_535).optional(),
})
export type NetworkOptions = z.infer<typeof networkOptions>

export const siteDetails = z.object({
  name: shortText,
  organisation: z.string().max(120),
  address: z.string().max(240),
  operator: z.string().max(120),
})
export type SiteDetails = z.infer<typeof siteDetails>

export const listeningAddress = z.object({
  scheme: z.enum(['coap', 'coaps', 'jpy']),
  address: z.string(),
  port: z.number().int(),
  channel: z.string(),
})
export type ListeningAddress = z.infer<typeof listeningAddress>

/** The single row of the `session` feed. */
export const sessionRow = z.object({
  key: z.literal('session'),
  version: z.string(),
  host: z.enum(['electron', 'browser', 'cli']),
  site: z
    .object({
      id: z.string(),
      kind: siteKind,
      fileName: z.string(),
      details: siteDetails,
      createdAt: timeMs,
      /** Grows with every change of the project; exports name it. */
      revision: z.number().int(),
      demo: demoOptions.nullable(),
      /** Where the site wants to listen; null for a demo site. */
      network: networkOptions.nullable(),
    })
    .nullable(),
  network: z.object({
    state: z.enum(['off', 'starting', 'up', 'failed']),
    failure: failure.nullable(),
    listening: z.array(listeningAddress),
  }),
})
export type SessionRow = z.infer<typeof sessionRow>

/** A site that was open before, or that lies in the sites folder; `handle` stands for its path. */
export const recentSite = z.object({
  handle: z.string(),
  name: z.string(),
  fileName: z.string(),
  kind: siteKind.nullable(),
  openedAt: timeMs.nullable(),
  exists: z.boolean(),
})
export type RecentSite = z.infer<typeof recentSite>

export const locale = z.enum(['en', 'de'])
/** The single row of the `preferences` feed, kept outside the site. */
export const preferencesRow = z.object({
  key: z.literal('preferences'),
  locale: locale.nullable(),
  theme: z.enum(['system', 'light', 'dark']),
  density: z.enum(['normal', 'touch']),
  /** Free-form view settings by name, e.g. column sets. */
  views: z.record(z.string(), z.string().max(20_000)),
})
export type PreferencesRow = z.infer<typeof preferencesRow>
