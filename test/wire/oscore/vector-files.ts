// The vectors as the tests read them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex } from '#main/base/index.ts'
import { importPrivateKey, type Curve } from '#main/base/index.ts'
import { readCredential, type GroupContextInput, type SequenceStore, type UnicastContextInput } from '#main/wire/oscore/index.ts'

export interface VectorMember {
  readonly sid: string
  readonly private: string
  readonly cred: string
}

export interface VectorGroup {
  readonly hkdf: number
  readonly gid: string
  readonly master_secret: string
  readonly master_salt: string
  readonly alg_aead: number | null
  readonly alg_group_enc: number | null
  readonly alg_signature: number | null
  readonly alg_pairwise: number | null
  readonly cred_fmt?: number
  readonly gm_cred: string
  readonly members: readonly VectorMember[]
}

export interface VectorMessage {
  readonly from: 'client' | 'server'
  readonly type: 'request' | 'response'
  readonly mode?: 'group' | 'pairwise' | 'oscore'
  readonly unprotected?: string
  readonly protected: string
  readonly plaintext: string
  readonly oscore_option: string
  readonly external_aad: string
  readonly nonce: string
  readonly ciphertext: string
  readonly to_be_signed?: string
  readonly keystream?: string
  readonly in_reply_to?: number
  readonly after_rekey?: boolean
}

export interface Vector {
  readonly name: string
  readonly source: string
  readonly countersign_structure_elements?: 4 | 5
  readonly context?: {
    readonly alg: number
    readonly hkdf: number
    readonly client_sid: string
    readonly server_sid: string
    readonly master_secret: string
    readonly master_salt: string | null
    readonly id_context: string | null
  }
  readonly group?: VectorGroup
  readonly group_after_rekey?: VectorGroup
  readonly client?: string
  readonly server?: string
  readonly derived?: Readonly<Record<string, string>>
  readonly kdf?: {
    readonly sender_keys?: Readonly<Record<string, string>>
    readonly shared_secrets?: ReadonlyArray<{ readonly private_of: string; readonly public_of: string; readonly secret: string }>
  }
  readonly messages?: readonly VectorMessage[]
}

const folder = join(import.meta.dirname, '../../vectors/oscore')

export function loadVectors(filter: (file: string) => boolean = () => true): readonly Vector[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && filter(file))
    .flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector | Vector[])
}

export function hex(text: string | null | undefined): Uint8Array {
  const bytes = fromHex(text ?? '')
  if (bytes === undefined) throw new TypeError('no hex')
  return bytes
}

/** Gives out numbers from here on. */
export function sequencesFrom(first: number): SequenceStore {
  let next = first
  return {
    establish: () => true,
    reserve: (_context, count) => {
      next += count
      return next - count
    },
    forget: () => undefined,
  }
}

export function unicastInput(vector: Vector, side: 'client' | 'server'): UnicastContextInput {
  const { context } = vector
  if (context === undefined) throw new TypeError('no context')
  const [senderId, recipientId] = side === 'client' ? [context.client_sid, context.server_sid] : [context.server_sid, context.client_sid]
  return {
    name: side === 'client' ? 'server' : 'client',
    masterSecret: hex(context.master_secret),
    masterSalt: hex(context.master_salt),
    senderId: hex(senderId),
    recipientId: hex(recipientId),
    aead: context.alg,
    hkdf: context.hkdf,
    ...(context.id_context === null ? {} : { idContext: hex(context.id_context) }),
  }
}

export function groupInput(group: VectorGroup, ownSid: string, elements: 4 | 5 = 5): GroupContextInput {
  const own = group.members.find((member) => member.sid === ownSid)
  if (own === undefined) throw new TypeError('no such member')
  return {
    groupName: 'vectors',
    gid: hex(group.gid),
    masterSecret: hex(group.master_secret),
    masterSalt: hex(group.master_salt),
    hkdf: group.hkdf,
    ...(group.alg_aead === null ? {} : { aead: group.alg_aead }),
    ...(group.alg_group_enc === null ? {} : { groupEncryption: group.alg_group_enc }),
    ...(group.alg_signature === null ? {} : { signature: group.alg_signature }),
    ...(group.alg_pairwise === null ? {} : { keyAgreement: group.alg_pairwise }),
    groupManagerCredential: hex(group.gm_cred),
    own: { senderId: hex(own.sid), credential: hex(own.cred), privateKey: privateKeyOf(own) },
    members: group.members.map((member) => ({ senderId: hex(member.sid), credential: hex(member.cred) })),
    countersignElements: elements,
  }
}

export function privateKeyOf(member: VectorMember): ReturnType<typeof importPrivateKey> {
  return importPrivateKey(curveOf(member), hex(member.private))
}

export function curveOf(member: VectorMember): Curve {
  return readCredential(hex(member.cred), 14).publicKey.curve
}
