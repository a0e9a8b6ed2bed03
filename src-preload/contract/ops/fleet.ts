// Out to fleets: destinations and pushes, bundles that come in, and who writes to a site.
import { z } from 'zod'
import { bundleFacts, newPushTarget } from '../model.ts'
import { done, nothing } from './common.ts'

const bundleText = z
  .string()
  .min(1)
  .max(64 * 1024 * 1024)

export const fleetOps = {
  /**
   * Without an id it is a new one. `secret`: password, token, or private key in PEM; empty: none; left out: as it was, unless the
   * destination is another one (scheme, host, port) or the secret is of another kind: then it has to be given again.
   */
  'fleet.saveTarget': {
    in: z.object({ id: z.string().optional(), settings: newPushTarget, secret: z.string().max(100_000).optional() }),
    out: z.object({ id: z.string() }),
  },
  'fleet.removeTarget': { in: z.object({ id: z.string() }), out: done },
  /** Connects, shows who we are, and ends. Nothing of the site is sent. */
  'fleet.testTarget': { in: z.object({ id: z.string() }), out: done },
  'fleet.push': { in: z.object({ id: z.string(), redact: z.boolean().default(true) }), out: z.object({ jobId: z.string() }) },
  /** The public key that another program encrypts a take-over for. */
  'fleet.receiverKey': { in: nothing, out: z.object({ jwk: z.string(), thumbprint: z.string() }) },
  /** What a bundle is; where it is of the open site and a newer writer's, this copy stops sending. */
  'fleet.inspect': { in: z.object({ text: bundleText }), out: bundleFacts },
  /** Makes a site of a bundle. `root`: the fingerprint that the person has compared. With `takeOver` this program writes from now on. */
  'fleet.importBundle': {
    in: z.object({ text: bundleText, root: z.string().regex(/^[0-9a-f]{64}$/), takeOver: z.boolean() }),
    out: z.object({ handle: z.string() }),
  },
  /** Makes this program the writer of the open site, with fresh sender contexts. */
  'fleet.takeOver': { in: nothing, out: done },
} as const
