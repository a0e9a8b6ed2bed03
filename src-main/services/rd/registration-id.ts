// Identifiers of registrations, the last segment of their locations.
import type { Random } from '#main/base/index.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LENGTH = 6
/** Not in the alphabet. The id is at rest with the registration, so that how it was made is known after a restart too. */
const SIMPLE_MARK = 'u'

/** Drawn at a time: the system's generator costs much the same for one id and for many. */
const POOL_BYTES = 100 * LENGTH

/** Short, because every update carries it over the air; random, because locations of removed registrations must not come back soon. */
export class RegistrationIds {
  readonly #random: Random
  #pool: Uint8Array = new Uint8Array(0)
  #used = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(isTaken: (id: string) => boolean, isSimple = false): string {
    for (;;) {
      const id = (isSimple ? SIMPLE_MARK : '') + this.#draw()
      if (!isTaken(id)) return id
    }
  }

  #draw(): string {
    if (this.#used >= this.#pool.length) {
      this.#pool = this.#random.bytes(POOL_BYTES)
      this.#used = 0
    }
    let id = ''
    for (const byte of this.#pool.subarray(this.#used, this.#used + LENGTH)) id += ALPHABET.charAt(byte & 31)
    this.#used += LENGTH
    return id
  }
}

/** Whether it was made by simple registration: nobody knows its location, so it goes when its lifetime ends (RFC 9176 §5.1). */
export function isSimpleId(id: string): boolean {
  return id.startsWith(SIMPLE_MARK)
}
