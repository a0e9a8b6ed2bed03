// Device profiles: which there are, what is wrong with a file, and a trial with a device.
import { z } from 'zod'
import { profileFinding, profileList, profileTrialStep } from '../model.ts'
import { id, nothing } from './common.ts'

const text = z.string().max(256 * 1024)

export const profileOps = {
  /** Reads the folders anew: a file that was put there since the site was opened is used from the next opening on. */
  'profiles.list': { in: nothing, out: profileList },
  'profiles.lint': { in: z.object({ text }), out: z.object({ findings: z.array(profileFinding) }) },
  /** Step by step with one device: by a profile in use, or by the text of one. Asks only, unless `write`; takes some seconds. */
  'profiles.try': {
    in: z.object({ deviceId: id, profileId: z.string().max(80).optional(), text: text.optional(), write: z.boolean().default(false) }),
    out: z.object({ profileId: z.string(), steps: z.array(profileTrialStep) }),
  },
} as const
