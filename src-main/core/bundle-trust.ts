// Whose word on a site counts: a bundle under one of its own roots, by a signer whom its authority has not revoked (docs/adr/0012).
import { AppError, sha256, toHex } from '#main/base/index.ts'
import type { OpenedBundle } from '#main/site/exchange/index.ts'
import { createRaStore, type SiteFile } from '#main/store/index.ts'

type Database = SiteFile['database']

/** Roots of the site's authority, as people compare them. From the file, because they count where its keys are shut, too. */
export function rootsOf(database: Database): ReadonlySet<string> {
  const roots = createRaStore(database)
    .authorities()
    .filter(({ state }) => state === 'active' || state === 'retired')
    .flatMap(({ certificate, chain }) => chain.at(-1) ?? certificate ?? [])
  return new Set(roots.map((der) => toHex(sha256(der))))
}

/**
 * Whether a bundle speaks for the authority of this file. A signer that is not known here may have been certified by the next writer.
 * Throws `bundle.signer-untrusted` for one that was revoked.
 */
export function isOurs(database: Database, { signature, serial }: OpenedBundle): boolean {
  if (!rootsOf(database).has(signature.rootFingerprint)) return false
  if (!isRevoked(database, serial)) return true
  const reason = 'The certificate of the signer was revoked'
  throw new AppError('bundle.signer-untrusted', reason, { details: { reason } })
}

export function isRevoked(database: Database, serial: string): boolean {
  return createRaStore(database).certificate(serial)?.state === 'revoked'
}
