// PKIMessage (RFC 9810 §5.1): header and body keep the bytes they came in, because protection covers exactly those.
import { bitString, bitStringBytes, DerFields, elementsOf, explicit, invalidDer, readDer, sequence, Tag } from '../der/index.ts'
import { encodeBody, readBody, type PkiBody } from './body.ts'
import { encodeHeader, readHeader, type PkiHeader } from './header.ts'

export interface PkiMessage {
  readonly bytes: Uint8Array
  readonly headerBytes: Uint8Array
  readonly bodyBytes: Uint8Array
  readonly header: PkiHeader
  readonly body: PkiBody
  readonly protection: Uint8Array | undefined
  /** Certificates in DER, as they came; they are not trusted by being here. */
  readonly extraCerts: readonly Uint8Array[]
}

/** No CMP message of a device or a CA comes near. */
export const MAX_MESSAGE_BYTES = 256 * 1024
/** A chain has a handful; each one costs a signature check. */
export const MAX_EXTRA_CERTS = 24

/** Throws `der.invalid`. Every body that is spoken here is read to its end. */
export function readMessage(bytes: Uint8Array): PkiMessage {
  if (bytes.length > MAX_MESSAGE_BYTES) throw invalidDer('a message too large')
  const fields = new DerFields(readDer(bytes))
  const header = fields.field(Tag.SEQUENCE)
  const body = fields.any()
  const protection = fields.explicit(0)
  const extra = fields.explicit(1)
  fields.end()
  const extraCerts = extra === undefined ? [] : elementsOf(extra).map((certificate) => certificate.bytes)
  if (extraCerts.length > MAX_EXTRA_CERTS) throw invalidDer('too many certificates')
  return {
    bytes,
    headerBytes: header.bytes,
    bodyBytes: body.bytes,
    header: readHeader(header),
    body: readBody(body),
    protection: protection === undefined ? undefined : bitStringBytes(protection),
    extraCerts,
  }
}

/** What the protection is computed over: `SEQUENCE { header, body }` of the very bytes. */
export function protectedPart({ headerBytes, bodyBytes }: Pick<PkiMessage, 'headerBytes' | 'bodyBytes'>): Uint8Array {
  return sequence(headerBytes, bodyBytes)
}

export function assembleMessage(parts: Pick<PkiMessage, 'headerBytes' | 'bodyBytes' | 'protection' | 'extraCerts'>): Uint8Array {
  const { headerBytes, bodyBytes, protection, extraCerts } = parts
  return sequence(
    headerBytes,
    bodyBytes,
    explicit(0, protection === undefined ? undefined : bitString(protection)),
    explicit(1, extraCerts.length === 0 ? undefined : sequence(...extraCerts)),
  )
}

/** The message written anew from what was read: the same bytes for whatever DER this room speaks. */
export function encodeMessage({
  header,
  body,
  protection,
  extraCerts,
}: Pick<PkiMessage, 'header' | 'body' | 'protection' | 'extraCerts'>): Uint8Array {
  return assembleMessage({ headerBytes: encodeHeader(header), bodyBytes: encodeBody(body), protection, extraCerts })
}
