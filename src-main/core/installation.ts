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
import { receiverJwk, type SeenWriter } from '#main/site/exchange/index.ts'
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
const writersFile = z.record(z.string(), z.object({ epoch: z.number().int().min(1), holder: z.string().min(1).max(64) }))

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

export interface Writers {
  seen(siteId: string): SeenWriter | undefined
  /** Keeps the highest. */
  note(siteId: string, writer: SeenWriter): void
}

export function openWriters(dataDirectory: string): Writers {
  const path = join(dataDirectory, 'writers.json')
  const read = (): Record<string, SeenWriter> => writersFile.safeParse(readJsonFile(path)).data ?? {}
  return {
    seen: (siteId) => new Map(Object.entries(read())).get(siteId),
    note(siteId, { epoch, holder }) {
      const known = read()
      const before = new Map(Object.entries(known)).get(siteId)
      if (before !== undefined && before.epoch >= epoch) return
      writeJsonFile(path, { ...known, [siteId]: { epoch, holder } })
    },
  }
}
