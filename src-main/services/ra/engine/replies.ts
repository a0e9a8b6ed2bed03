// Builds what the authority answers: header by the rules of a transaction, body, protection of the kind that the request had (RFC 9483 §3).
import { hash, toHex, type Clock, type Random } from '#main/base/index.ts'
import type { PkiBody } from '../cmp/body.ts'
import { bareMessage, protectMessage, type HeaderDraft, type Protector } from '../cmp/protection.ts'
import type { InfoTypeAndValue, PkiHeader } from '../cmp/header.ts'
import type { SiteCa } from '../ca/site-ca.ts'
import { NULL_DN, type GeneralName } from '../x509/names.ts'

export const CMP_2000 = 2
export const CMP_2021 = 3
const NONCE_BYTES = 16

export interface Reply {
  readonly bytes: Uint8Array
  /** Our nonce, hex: what the next request must bring back. */
  readonly nonce: string
}

export interface ReplyOptions {
  readonly generalInfo?: readonly InfoTypeAndValue[]
  /** By default the nonce of the request. */
  readonly recipNonce?: Uint8Array | undefined
  readonly certificates?: readonly Uint8Array[]
}

export class Replies {
  readonly #ca: SiteCa
  readonly #clock: Clock
  readonly #random: Random

  constructor(ca: SiteCa, clock: Clock, random: Random) {
    this.#ca = ca
    this.#clock = clock
    this.#random = random
  }

  /** `request` is undefined where its header could not be read. */
  async build(request: PkiHeader | undefined, body: PkiBody, protector: Protector | undefined, options: ReplyOptions = {}): Promise<Reply> {
    const signer = protector ?? (this.#ca.exists ? this.#ca.active.signer : undefined)
    const senderNonce = this.#random.bytes(NONCE_BYTES)
    const sender: GeneralName = { kind: 'directory', name: this.#ca.exists ? this.#ca.active.signer.certificate.subject : NULL_DN }
    const draft: HeaderDraft = {
      pvno: request?.pvno === CMP_2021 ? CMP_2021 : CMP_2000,
      sender,
      recipient: request?.sender ?? { kind: 'directory', name: NULL_DN },
      messageTime: this.#clock.now(),
      recipKID: undefined,
      transactionID: request?.transactionID,
      senderNonce,
      recipNonce: 'recipNonce' in options ? options.recipNonce : request?.senderNonce,
      freeText: [],
      generalInfo: options.generalInfo ?? [],
    }
    const bytes =
      signer === undefined ? bareMessage(draft, body) : await protectMessage(draft, body, signer, this.#random, options.certificates ?? [])
    return { bytes, nonce: toHex(senderNonce) }
  }
}

export function requestHash(bytes: Uint8Array): string {
  return toHex(hash('sha256', bytes))
}
