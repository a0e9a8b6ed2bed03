// Whether a certification request was made within the session that carries it (RFC 9148 §3, RFC 7030 §3.5): by tls-unique (RFC 5929 §3) or by the
// exporter of RFC 9266 §4.2, which exists in every version.
import { equalBytes } from '#main/base/index.ts'
import type { DtlsSession } from '#main/wire/dtls/index.ts'

/** `ignored`: requests are taken as they are. `checked`: one that claims to be bound must be. `required`: each must be. */
export type BindingPolicy = 'ignored' | 'checked' | 'required'

const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32

/** Both values; none for a session without the extended master secret, which somebody in the middle could have made the same on two sides. */
export function bindingsOf(session: DtlsSession): readonly Uint8Array[] {
  if (!session.extendedMasterSecret) return []
  return [session.exportKey(EXPORTER_LABEL, new Uint8Array(0), EXPORTER_BYTES), session.firstFinished]
}

/** The challenge password that binds a request to the session; undefined where nothing can. */
export function challengeOf(session: DtlsSession): string | undefined {
  const [value] = bindingsOf(session)
  return value === undefined ? undefined : toBase64(value)
}

/** Whether the policy lets a request with that challenge password through. */
export function isBound(policy: BindingPolicy, challenge: string | undefined, session: DtlsSession | undefined): boolean {
  if (policy === 'ignored' || (policy === 'checked' && challenge === undefined)) return true
  if (challenge === undefined || session === undefined) return false
  const value = fromBase64(challenge)
  return value !== undefined && bindingsOf(session).some((binding) => equalBytes(binding, value))
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array | undefined {
  if (text.length > 128 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  try {
    return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))
  } catch {
    return undefined
  }
}
