// The registration authority: authorities, requests, certificates.
import { z } from 'zod'
import {
  raAlgorithm,
  raCertificateDetail,
  raCertificateRow,
  raDecision,
  raFile,
  raNewsRow,
  raPolicy,
  raPreRegistrationRow,
  raProfile,
  raReason,
  raRequestRow,
  raUpstream,
} from '../model.ts'
import { done, id, name, nothing, page, search } from './common.ts'

const distinguishedName = z.string().trim().min(4).max(300)
const lifetimeDays = z.number().int().min(1).max(36_500)
const pemText = z.string().min(1).max(200_000)

export const raOps = {
  /** A self-signed root of the site's own. */
  'ra.createRoot': {
    in: z.object({ subject: distinguishedName, algorithm: raAlgorithm.default('P-256'), lifetimeDays: lifetimeDays.default(7300) }),
    out: done,
  },
  /** A key of an authority below the customer's; gives the PKCS #10 request. */
  'ra.createSubordinate': { in: z.object({ subject: distinguishedName, algorithm: raAlgorithm.default('P-256') }), out: raFile },
  /** The request that waits for its certificate. */
  'ra.request': { in: nothing, out: raFile },
  /** The certificate for the request, with those above it, in PEM; the root last. */
  'ra.install': { in: z.object({ text: pemText }), out: done },
  'ra.rollOver': { in: z.object({ algorithm: raAlgorithm, lifetimeDays: lifetimeDays.default(7300) }), out: done },
  /** Gives up keys that another keyring has sealed, so that a new authority can be made; what they have issued stays known. */
  'ra.startOver': { in: nothing, out: done },
  /** The newest CRL; `refresh` makes a new one. */
  'ra.crl': { in: z.object({ refresh: z.boolean().default(false), form: z.enum(['pem', 'der']).default('pem') }), out: raFile },
  /** The authority's certificate with those above it, in PEM or as a certs-only CMS message (RFC 8551 §3.8). */
  'ra.chain': { in: z.object({ form: z.enum(['pem', 'p7c']).default('pem') }), out: raFile },
  'ra.pending': { in: page, out: z.object({ total: z.number().int(), rows: z.array(raRequestRow) }) },
  'ra.approve': { in: z.object({ ids: z.array(id).min(1).max(1000) }), out: z.array(raDecision) },
  'ra.deny': {
    in: z.object({ ids: z.array(id).min(1).max(1000), reason: z.string().trim().min(1).max(200) }),
    out: z.array(raDecision),
  },
  'ra.certificates': {
    in: page.extend({
      search,
      state: z.enum(['unconfirmed', 'valid', 'revoked']).optional(),
      deviceId: id.optional(),
      /** Only valid ones that end within so many days. */
      endsWithinDays: z.number().min(0).max(36_500).optional(),
    }),
    out: z.array(raCertificateRow),
  },
  'ra.certificate': { in: z.object({ serial: id }), out: raCertificateDetail },
  'ra.revoke': { in: z.object({ serial: id, reason: raReason }), out: done },
  'ra.preRegistrations': { in: page, out: z.object({ total: z.number().int(), rows: z.array(raPreRegistrationRow) }) },
  /** Announces devices. `draw` makes a one-time secret for each without one: it is told here, once, and never again. */
  'ra.preRegister': {
    in: z.object({
      entries: z
        .array(
          z.object({
            reference: z.string().min(1).max(128),
            secret: z.string().min(8).max(200).optional(),
            identities: z.array(z.string().min(1).max(128)).max(32).default([]),
            /** SHA-256 of the manufacturer's certificate that is trusted, hex: only its devices are known by these numbers. */
            maker: z
              .string()
              .regex(/^[0-9a-f]{64}$/)
              .optional(),
            names: z.array(z.string().min(1).max(253)).max(32).default([]),
            profile: z.string().max(64).optional(),
            expiresAt: z.number().int().nonnegative().optional(),
          }),
        )
        .min(1)
        .max(10_000),
      draw: z.boolean().default(false),
    }),
    out: z.object({ count: z.number().int(), secrets: z.array(z.object({ reference: z.string(), secret: z.string() })) }),
  },
  'ra.withdraw': { in: z.object({ references: z.array(z.string().min(1).max(128)).min(1).max(1000) }), out: done },
  'ra.setPolicy': { in: raPolicy, out: done },
  /** The first one is for requests that name none. */
  'ra.setProfiles': { in: z.object({ profiles: z.array(raProfile).min(1).max(32) }), out: done },
  /** Trusts the certificates in the PEM text. */
  'ra.trust': { in: z.object({ kind: z.enum(['manufacturer', 'authority']), text: pemText }), out: z.object({ count: z.number().int() }) },
  'ra.distrust': { in: z.object({ fingerprint: z.string().regex(/^[0-9a-f]{64}$/) }), out: done },
  /** A server that requests go on to; one of the same name takes its place. Its roots in PEM. */
  'ra.setUpstream': { in: z.object({ server: raUpstream, anchors: z.string().max(200_000).default('') }), out: done },
  'ra.removeUpstream': { in: z.object({ name }), out: done },
  /** Gets this authority's own certificate from the server by a secret that its operator has given. */
  'ra.enrolUpstream': {
    in: z.object({ name, reference: z.string().min(1).max(128), secret: z.string().min(1).max(200), subject: distinguishedName }),
    out: z.object({ subject: z.string(), notAfter: z.number().int() }),
  },
  /** What authorities above have announced, newest first. */
  'ra.news': { in: page, out: z.object({ total: z.number().int(), rows: z.array(raNewsRow) }) },
  /** Takes a new root that is offered, so that its server is believed by it too, or lets it be. */
  'ra.decideNews': { in: z.object({ id, decision: z.enum(['take', 'dismiss']) }), out: done },
} as const
