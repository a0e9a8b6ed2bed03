// The URI paths of CMP over CoAP (RFC 9482 §2.1, RFC 9483 §6.2): `/.well-known/cmp[/p/<profile>][/<operation>]`.
import type { BodyType } from '../cmp/body.ts'

/** application/pkixcmp (RFC 9482 §5). */
export const PKIXCMP = 259
export const CMP_ROOT = '/.well-known/cmp'

/** What may begin a transaction on the path of an operation. What follows stays on the path of the request. */
const OPERATIONS: Readonly<Record<string, readonly BodyType[]>> = {
  ir: ['ir'],
  cr: ['cr'],
  kur: ['kur'],
  p10: ['p10cr'],
  rr: ['rr'],
  crts: ['genm'],
  rcu: ['genm'],
  att: ['genm'],
  crls: ['genm'],
  nest: ['nested'],
}
const FOLLOWING: readonly BodyType[] = ['certConf', 'pollReq', 'error']

export interface CmpPath {
  readonly profile: string | undefined
  readonly operation: string | undefined
  /** Bodies that belong there; undefined for all. */
  readonly allowed: readonly BodyType[] | undefined
}

/** Of the segments after `cmp`; undefined where nothing is. */
export function readCmpPath(segments: readonly string[]): CmpPath | undefined {
  const [first, second, ...rest] = segments
  if (first === 'p') return second === undefined || second === '' ? undefined : operationPath(rest, second)
  return operationPath(segments, undefined)
}

function operationPath(segments: readonly string[], profile: string | undefined): CmpPath | undefined {
  const [operation, ...more] = segments
  // A trailing slash, as clients write it.
  if (operation === undefined || (operation === '' && more.length === 0)) return { profile, operation: undefined, allowed: undefined }
  if (more.length > 0 || !Object.hasOwn(OPERATIONS, operation)) return undefined
  return { profile, operation, allowed: [...(OPERATIONS[operation] ?? []), ...FOLLOWING] }
}

/** The operation's label for a body that begins a transaction; undefined where there is none. */
export function operationOf(body: BodyType): string | undefined {
  return Object.keys(OPERATIONS).find((label) => OPERATIONS[label]?.includes(body))
}
