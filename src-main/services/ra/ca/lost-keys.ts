// Gives up what a keyring that is gone has sealed: the way out where the keys of a site cannot be had back. Nothing that was issued is forgotten.
import { AppError } from '#main/base/index.ts'
import { secretPurpose } from '../engine/credentials.ts'
import type { AuthorityRecord, KeyVault, PreRegistration, RaStore } from '../types.ts'
import { keyPurpose } from './authority-keys.ts'

export interface LostKeys {
  /** Authorities that sign nothing any more. */
  readonly authorities: number
  /** Expected devices whose one-time secrets are gone; they stay expected by what else they are known by. */
  readonly secrets: number
}

/** What this vault can open stays as it is. */
export async function abandonLostKeys({ store, vault }: { readonly store: RaStore; readonly vault: KeyVault }): Promise<LostKeys> {
  const lost: AuthorityRecord[] = []
  for (const record of store.authorities()) {
    if (record.state === 'lost') continue
    const { id, signer } = record
    const opens =
      (await canOpen(vault, keyPurpose(id, 'authority'), record.sealedKey)) &&
      (signer === undefined || (await canOpen(vault, keyPurpose(id, 'signer'), signer.sealedKey)))
    if (!opens) lost.push({ ...record, state: 'lost' })
  }
  const forgotten: PreRegistration[] = []
  for (const record of store.preRegistrations()) {
    const { sealedSecret } = record
    if (sealedSecret === undefined || (await canOpen(vault, secretPurpose(record.reference), sealedSecret))) continue
    forgotten.push({ ...record, sealedSecret: undefined })
  }
  store.transaction(() => {
    for (const record of lost) store.saveAuthority(record)
    store.savePreRegistrations(forgotten)
  })
  return { authorities: lost.length, secrets: forgotten.length }
}

async function canOpen(vault: KeyVault, purpose: string, sealed: Uint8Array): Promise<boolean> {
  try {
    await vault.open(purpose, sealed)
    return true
  } catch (thrown) {
    // A vault that cannot be reached at this moment has lost nothing.
    if (thrown instanceof AppError && (thrown.code === 'crypto.authentication-failed' || thrown.code === 'security.locked')) return false
    throw thrown
  }
}
