// The site bundle, version 1: the site export with who may write to the site and, where the installer said so, what only the next one may
// read. From its shape comes the published JSON Schema; the bytes that are signed are its canonical JSON (RFC 8785).
import { z } from 'zod'
import { siteDocument } from '../document.ts'

export const BUNDLE_FORMAT = 'groupwright-bundle'
export const BUNDLE_VERSION = 1
/** Nobody gets there by take-overs; beyond it, one more would not be a number that files keep. */
const HIGHEST_EPOCH = 2 ** 31 - 1
/** `typ` of the JWS around it. */
export const BUNDLE_TYPE = 'groupwright-bundle+json'

const part = z.string().regex(/^[A-Za-z0-9_-]*$/)

const encrypted = z
  .strictObject({ protected: part, encrypted_key: part, iv: part, ciphertext: part, tag: part })
  .nullable()
  .meta({ description: 'Keys for the receiver alone, as a JWE in flattened JSON (RFC 7516); null where none were asked for' })

const writer = z
  .strictObject({
    epoch: z.number().int().min(1).max(HIGHEST_EPOCH).meta({ description: 'Goes up with each take-over' }),
    holder: z.string().min(1).max(64).meta({ description: 'JWK thumbprint (RFC 7638) of the receiver key of the program that writes' }),
    since: z.iso.datetime({ precision: 3 }),
  })
  .meta({ description: 'Who alone may send to the devices of the site' })

export const bundleDocument = z
  .strictObject({
    format: z.literal(BUNDLE_FORMAT),
    version: z.literal(BUNDLE_VERSION),
    revision: z.number().int().min(0).meta({ description: 'Revision of the project that it shows' }),
    writer,
    site: siteDocument,
    secrets: encrypted,
  })
  .meta({
    title: 'Groupwright site bundle, version 1',
    description: 'What the payload of a signed bundle holds: the site export, the writer of the site, and keys for one receiver.',
  })

export type BundleDocument = z.infer<typeof bundleDocument>

/** The published JSON Schema (draft 2020-12) of a bundle's payload, as the text of `docs/site-bundle.schema.json`. */
export function bundleJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(bundleDocument), null, 2)}\n`
}
