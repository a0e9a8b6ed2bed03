// Exports and what is given to the next system.
import { z } from 'zod'
import { exportFormat, exportRow, locale } from '../model.ts'

/** Whom keys in a bundle are encrypted for; left out: there are none in it. */
const receiverText = z.string().min(1).max(20_000)

export const handoverOps = {
  /** Without a language: the preference's, else English. */
  'handover.report': { in: z.object({ locale: locale.optional() }), out: z.object({ html: z.string() }) },
  'handover.export': {
    in: z.object({
      formats: z.array(exportFormat).min(1),
      redact: z.boolean().default(true),
      locale: locale.optional(),
      receiver: receiverText.optional(),
    }),
    out: z.array(exportRow),
  },
  /** Shows an exported file to the person in the way of the host; `url` is set where it can be downloaded. */
  'handover.reveal': { in: z.object({ handle: z.string() }), out: z.object({ url: z.string().nullable() }) },
} as const
