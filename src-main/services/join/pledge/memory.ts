// What a pledge has reached, as bytes that outlive a power cut: from there it goes on, with the same request, which gets the same certificate.
import {
  decodeCbor,
  encodeCbor,
  exportSigningKey,
  importSigningKey,
  isCborMap,
  type CborKey,
  type CborValue,
  type SigningKey,
} from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'

export interface PledgeState {
  /** The CA certificate of the voucher that it has accepted, or its only key. */
  readonly pinned: readonly Uint8Array[]
  readonly anchors: readonly Uint8Array[]
  readonly key: SigningKey | undefined
  readonly request: Uint8Array | undefined
  readonly certificate: Certificate | undefined
}

export const NEW_PLEDGE: PledgeState = { pinned: [], anchors: [], key: undefined, request: undefined, certificate: undefined }

const Field = { PINNED: 1, ANCHORS: 2, KEY: 3, REQUEST: 4, CERTIFICATE: 5 } as const
const MAX_BYTES = 65_536

export function writePledgeState({ pinned, anchors, key, request, certificate }: PledgeState): Uint8Array {
  const fields = new Map<number, CborValue>([
    [Field.PINNED, pinned],
    [Field.ANCHORS, anchors],
  ])
  if (key !== undefined) fields.set(Field.KEY, exportSigningKey(key))
  if (request !== undefined) fields.set(Field.REQUEST, request)
  if (certificate !== undefined) fields.set(Field.CERTIFICATE, certificate.bytes)
  return encodeCbor(fields)
}

/** That of a new pledge for anything that cannot be read: it then starts from the beginning. */
export function readPledgeState(bytes: Uint8Array | undefined): PledgeState {
  if (bytes === undefined) return NEW_PLEDGE
  try {
    const map = decodeCbor(bytes, { maxBytes: MAX_BYTES, maxDepth: 3 })
    if (!isCborMap(map)) return NEW_PLEDGE
    const [key, request, certificate] = [bytesAt(map, Field.KEY), bytesAt(map, Field.REQUEST), bytesAt(map, Field.CERTIFICATE)]
    return {
      pinned: listAt(map, Field.PINNED),
      anchors: listAt(map, Field.ANCHORS),
      key: key === undefined ? undefined : importSigningKey(key),
      request,
      certificate: certificate === undefined ? undefined : new Certificate(certificate),
    }
  } catch {
    return NEW_PLEDGE
  }
}

function bytesAt(map: ReadonlyMap<CborKey, CborValue>, field: number): Uint8Array | undefined {
  const value = map.get(field)
  return value instanceof Uint8Array ? value : undefined
}

function listAt(map: ReadonlyMap<CborKey, CborValue>, field: number): readonly Uint8Array[] {
  const value: unknown = map.get(field)
  return Array.isArray(value) ? value.filter((one): one is Uint8Array => one instanceof Uint8Array) : []
}
