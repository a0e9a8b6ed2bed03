// This program on this computer, as other programs know it: by a key that secrets are encrypted for. And what it has seen of the writers of sites,
// outside their files, where no copy takes it along.
import { join } from 'node:path'
import { z } from 'zod'
import {
  AppError,
  exportPrivateKey,
  fromHex,
  generateKeyPair,
  importPrivateKey,
  publicKeyOf,
  toHex,
  type PrivateKey,
} from '#main/base/index.ts'
import { outranks, receiverJwk, type SeenWriter } from '#main/site/exchange/index.ts'
import { readJsonFile, writeJsonFile } from './json-file.ts'
import type { Keyring } from './keyring.ts'

export interface Installation {
  /** Thumbprint of the key: who holds a writer's lease. */
  readonly self: string
  /** The public key, for the other laptop. */
  readonly jwk: string
  readonly key: PrivateKey
}

const keyFile = z.object({ version: z.literal(1), sealed: z.string().regex(/^(?:[0-9a-f]{2})+$/) })
const writersFile = z.record(z.string(), z.unknown())
const writersRow = z.object({ epoch: z.number().int().min(1), holder: z.string().min(1).max(64) })

/** Makes the key where there is none, or none that this keyring opens. Throws `store.io`. */
export function openInstallation(dataDirectory: string, { sealer }: Keyring): Installation {
  const path = join(dataDirectory, 'receiver-key.json')
  const kept = keyFile.safeParse(readJsonFile(path)).data
  const key = kept === undefined ? undefined : openKey(fromHex(kept.sealed), sealer)
  if (key !== undefined) return of(key)
  const { privateKey } = generateKeyPair('P-256')
  writeJsonFile(path, { version: 1, sealed: toHex(sealer.seal(exportPrivateKey(privateKey))) })
  return of(privateKey)
}

function openKey(sealed: Uint8Array | undefined, sealer: Keyring['sealer']): PrivateKey | undefined {
  if (sealed === undefined) return undefined
  try {
    return importPrivateKey('P-256', sealer.open(sealed))
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}

function of(key: PrivateKey): Installation {
  const { text, thumbprint } = receiverJwk(publicKeyOf(key))
  return { self: thumbprint, jwk: text, key }
}

/** By the roots under which they were seen, SHA-256 in hex: whoever makes a site of the same id under another root says nothing of this one. */
export interface Writers {
  /** The highest under any of these roots; without one, of copies that have no authority. */
  seen(siteId: string, roots: ReadonlySet<string>): SeenWriter | undefined
  /** Keeps the highest under each of these roots. */
  note(siteId: string, writer: SeenWriter, roots: ReadonlySet<string>): void
}

export function openWriters(dataDirectory: string): Writers {
  const path = join(dataDirectory, 'writers.json')
  // Row by row: one that cannot be read costs no other site what is known of it.
  const read = (): Map<string, SeenWriter> =>
    new Map(
      Object.entries(writersFile.safeParse(readJsonFile(path)).data ?? {}).flatMap(([key, value]) => {
        const row = writersRow.safeParse(value).data
        return row === undefined ? [] : [[key, row] as const]
      }),
    )
  return {
    seen(siteId, roots) {
      const known = read()
      const rows = keysOf(siteId, roots).flatMap((key) => known.get(key) ?? [])
      return rows.reduce<SeenWriter | undefined>((best, row) => (best === undefined || outranks(row, best) ? row : best), undefined)
    },
    note(siteId, { epoch, holder }, roots) {
      const known = read()
      const isNew = (key: string): boolean => {
        const before = known.get(key)
        return before === undefined || outranks({ epoch, holder }, before)
      }
      const keys = keysOf(siteId, roots).filter(isNew)
      if (keys.length === 0) return
      for (const key of keys) known.set(key, { epoch, holder })
      writeJsonFile(path, Object.fromEntries(known))
    },
  }
}

function keysOf(siteId: string, roots: ReadonlySet<string>): readonly string[] {
  return roots.size === 0 ? [siteId] : [...roots].map((root) => `${siteId} ${root}`)
}
