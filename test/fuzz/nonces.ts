// Watches what contexts seal (RFC 8613 §5.2; draft-ietf-core-oscore-groupcomm-28 §2.5.3).
import { toHex } from '#main/base/index.ts'
import type { UnicastContext } from '#main/wire/oscore/index.ts'
import type { GroupContext } from '../../src-main/wire/oscore/group-context.ts'

/** Watches what is sealed: no key of a context may seal two messages under one nonce. */
export class Nonces {
  readonly #used = new Map<string, string>()
  readonly #contexts = new WeakMap<object, number>()
  readonly #fault: (what: string) => void
  #count = 0

  constructor(fault: (what: string) => void) {
    this.#fault = fault
  }

  sealed(context: object, key: string, nonce: string, bytes: Uint8Array): void {
    const number = this.#contexts.get(context) ?? ++this.#count
    this.#contexts.set(context, number)
    const name = `${number} ${key} ${nonce}`
    const text = toHex(bytes)
    const before = this.#used.get(name)
    if (before !== undefined && before !== text) this.#fault(`one nonce for two messages: ${name}`)
    this.#used.set(name, text)
  }

  watch(group: GroupContext): void {
    const sealForGroup = group.sealForGroup.bind(group)
    const sealForOne = group.sealForOne.bind(group)
    group.sealForGroup = (frame, plaintext) => {
      const bytes = sealForGroup(frame, plaintext)
      this.sealed(group, 'group', nonceNameOf(frame.request, frame.partialIv), bytes)
      return bytes
    }
    group.sealForOne = (frame, to, plaintext) => {
      const bytes = sealForOne(frame, to, plaintext)
      this.sealed(group, `one ${toHex(to.id)}`, nonceNameOf(frame.request, frame.partialIv), bytes)
      return bytes
    }
  }

  watchUnicast(context: UnicastContext, name: object): void {
    const seal = context.seal.bind(context)
    context.seal = (request, partialIv, plaintext) => {
      const bytes = seal(request, partialIv, plaintext)
      this.sealed(name, 'alone', nonceNameOf(request, partialIv), bytes)
      return bytes
    }
  }
}

function nonceNameOf(request: { readonly kid: Uint8Array; readonly partialIv: Uint8Array }, own: Uint8Array | undefined): string {
  return own === undefined ? `${toHex(request.kid)} ${toHex(request.partialIv)}` : `own ${toHex(own)}`
}
