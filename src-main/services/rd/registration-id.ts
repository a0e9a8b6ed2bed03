// Identifiers of registrations, the last segment of their locations.
import type { Random } from '#main/base/index.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LENGTH = 6

/** Short, because every update carries it over the air; random, because locations of removed registrations must not come back soon. */
export function newRegistrationId(random: Random, isTaken: (id: string) => boolean): string {
  for (;;) {
    const id = Array.from(random.bytes(LENGTH), (byte) => ALPHABET[byte & 31]).join('')
    if (!isTaken(id)) return id
  }
}
