// Certificates that come again and again: read once, their keys prepared once. Bounded; the longest unused go first.
import { equalBytes, toHex } from '#main/base/index.ts'
import { tryCertificate, type Certificate } from './certificate.ts'

const MAX_ENTRIES = 1000
/** The end of a signature: as good as a hash where nobody tampers, and where somebody does, the bytes are compared anyway. */
const KEY_BYTES = 16

export class CertificatePool {
  readonly #known = new Map<string, Certificate>()

  /** The certificate, or undefined where the bytes are none. */
  readonly read = (bytes: Uint8Array): Certificate | undefined => {
    const key = toHex(bytes.subarray(-KEY_BYTES))
    const known = this.#known.get(key)
    if (known !== undefined && equalBytes(known.bytes, bytes)) {
      this.#known.delete(key)
      this.#known.set(key, known)
      return known
    }
    // A copy: the message that it came in is not to be kept for its sake.
    const certificate = tryCertificate(bytes.slice())
    if (certificate === undefined) return undefined
    const [oldest] = this.#known.keys()
    if (known === undefined && this.#known.size >= MAX_ENTRIES && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(key, certificate)
    return certificate
  }
}
