// Projects: made, opened, bound to a network; the program’s preferences.
import { z } from 'zod'
import { demoOptions, networkOptions, preferencesRow, recentSite, siteDetails } from '../model.ts'
import { done, fileText, nothing } from './common.ts'

export const siteOps = {
  'site.recent': { in: nothing, out: z.array(recentSite) },
  'site.create': {
    in: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('demo'), details: siteDetails, demo: demoOptions }),
      z.object({ kind: z.literal('network'), details: siteDetails, network: networkOptions }),
    ]),
    out: z.object({ handle: z.string() }),
  },
  'site.open': { in: z.object({ handle: z.string() }), out: done },
  /** Lets the host ask for a file; `opened` is false when the person cancelled or the host has no dialogs. */
  'site.openDialog': { in: nothing, out: z.object({ opened: z.boolean() }) },
  'site.close': { in: nothing, out: done },
  'site.update': { in: siteDetails.partial(), out: done },
  /** Creates and opens a new site from a site export (JSON). */
  'site.import': { in: z.object({ text: fileText }), out: z.object({ handle: z.string() }) },
  'site.interfaces': {
    in: nothing,
    out: z.array(z.object({ name: z.string(), address: z.string(), family: z.enum(['IPv4', 'IPv6']), internal: z.boolean() })),
  },
  /** Binds the CoAP endpoint anew and keeps that with the site; what listened before goes on where it fails. */
  'site.setNetwork': { in: networkOptions, out: done },
  /** Advertises the directory by DNS-SD, or no longer. */
  'site.setAdvertisement': { in: z.object({ on: z.boolean() }), out: done },
  'preflight.run': { in: nothing, out: done },
  'preferences.set': { in: preferencesRow.omit({ key: true }).partial(), out: done },
} as const
