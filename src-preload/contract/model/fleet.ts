// Where a site is sent to, who may write to it, and what a bundle says of itself.
import { z } from 'zod'
import { failure, shortText, timeMs } from './states.ts'

export const pushContent = z.enum(['bundle', 'json', 'td', 'ditto'])
export type PushContent = z.infer<typeof pushContent>
export const pushAuth = z.enum(['none', 'basic', 'bearer', 'certificate'])
export type PushAuth = z.infer<typeof pushAuth>

/** One line of a policy that says who owns what: letters, digits, and what separates names. */
const dittoName = z.string().regex(/^[\w.:{}\- ]{1,120}$/)
const pem = z.string().min(1).max(100_000)

const common = {
  name: shortText,
  content: pushContent,
  auth: pushAuth,
  user: z.string().max(200),
  /** PEM of the authorities that may vouch for the destination; null: those of the system. */
  anchors: pem.nullable(),
  /** PEM of our certificate, with those above it. */
  certificate: pem.nullable(),
  ditto: z.object({
    namespace: z
      .string()
      .max(120)
      .regex(/^[a-zA-Z]\w*(?:[.-][a-zA-Z]\w*)*$/),
    subject: dittoName,
  }),
  /** Public key (JWK, or certificate in PEM) of whom secrets in a bundle are for; null: the bundle holds none. */
  receiver: z.string().max(20_000).nullable(),
}

export const pushTargetSettings = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('https'),
    url: z.url({ protocol: /^https$/ }).max(2000),
    method: z.enum(['PUT', 'POST']),
    ...common,
  }),
  z.object({
    kind: z.literal('mqtt'),
    /** TLS alone: passwords and keys go over it. */
    url: z.url({ protocol: /^mqtts$/ }).max(2000),
    version: z.union([z.literal(4), z.literal(5)]),
    topic: z
      .string()
      .min(1)
      .max(400)
      .regex(/^[^+#\u0000]+$/),
    retain: z.boolean(),
    ...common,
  }),
])
export type PushTargetSettings = z.infer<typeof pushTargetSettings>

/** As somebody may give it: what lets in is a secret and has its own place, not one in an address that everybody sees. */
export const newPushTarget = pushTargetSettings.refine(({ url }) => !hasUserinfo(url), {
  path: ['url'],
  error: 'A URL with a user name or password in it is refused: give them by themselves',
})

function hasUserinfo(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { username, password } = new URL(text)
  return username !== '' || password !== ''
}

export const pushTargetRow = z.object({
  id: z.string(),
  settings: pushTargetSettings,
  /** Whether a password, token or key is kept for it. */
  hasSecret: z.boolean(),
  /** The last push: its revision, and whether all of it arrived. */
  last: z
    .object({ jobId: z.string(), at: timeMs, revision: z.number().int(), state: z.enum(['running', 'confirmed', 'incomplete']) })
    .nullable(),
})
export type PushTargetRow = z.infer<typeof pushTargetRow>

/** Who may send to the devices of the site. */
export const writerRow = z.object({
  key: z.literal('writer'),
  state: z.enum(['writer', 'taken-over', 'reader']),
  epoch: z.number().int(),
  /** Thumbprint of this program's receiver key. */
  self: z.string(),
  holder: z.string(),
  since: timeMs,
  failure: failure.nullable(),
})
export type WriterRow = z.infer<typeof writerRow>

export const bundleFacts = z.object({
  siteId: z.string(),
  siteName: z.string(),
  revision: z.number().int(),
  devices: z.number().int(),
  groups: z.number().int(),
  signer: z.string(),
  root: z.string(),
  /** SHA-256 of the root's certificate, hex. */
  rootFingerprint: z.string(),
  signedAt: timeMs,
  epoch: z.number().int(),
  holder: z.string(),
  /** Keys: none, for the key of this program, or for somebody else's. */
  secrets: z.enum(['none', 'ours', 'others']),
  /** Against what this program knows of the site: not known, as far as it knows, newer, or older than what it has seen; or another writer of the same epoch. */
  relation: z.enum(['unknown', 'same', 'newer', 'older', 'conflict']),
})
export type BundleFacts = z.infer<typeof bundleFacts>
