// Certificates that come again and again: read once, their keys prepared once. Bounded; the longest unused go first.
import { sha256, toHex } from '#main/base/index.ts'
import { tryCertificate, type Certificate } from './certificate.ts'

const MAX_ENTRIES = 1000

export class CertificatePool {
  readonly #known = new Map<string, Certificate>()

  /** The certificate, or undefined where the bytes are none. */
  readonly read = (bytes: Uint8Array): Certificate | undefined => {
    const key = toHex(sha256(bytes))
    const known = this.#known.get(key)
    if (known !== undefined) {
      this.#known.delete(key)
      this.#known.set(key, known)
      return known
    }
    // A copy: the message that it came in is not to be kept for its sake.
    const certificate = tryCertificate(bytes.slice())
    if (certificate === undefined) return undefined
    const [oldest] = this.#known.keys()
    if (this.#known.size >= MAX_ENTRIES && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(key, certificate)
    return certificate
  }
}
