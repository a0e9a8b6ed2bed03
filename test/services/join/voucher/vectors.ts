// The published vectors of draft-ietf-anima-constrained-voucher-31 Appendix C.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex, importSigningKey, type SigningKey } from '#main/base/index.ts'

const folder = join(import.meta.dirname, '../../../vectors/voucher')

export function vectorHex(name: string): Uint8Array {
  const bytes = fromHex(readFileSync(join(folder, 'hex', `${name}.hex`), 'utf8').replace(/\s+/g, ''))
  if (bytes === undefined) throw new Error(`${name}.hex is no hex`)
  return bytes
}

export function vectorKey(name: string): SigningKey {
  return importSigningKey(readFileSync(join(folder, 'keys', `privkey_${name}.pem`), 'utf8'))
}
