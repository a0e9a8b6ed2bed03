// Text helpers. Pure.

/** Keeps the beginning and the end, which is where addresses and identifiers differ. */
export function middleTruncate(text: string, limit: number): string {
  if (text.length <= limit) return text
  const tail = Math.ceil((limit - 1) / 2)
  return `${text.slice(0, limit - 1 - tail)}…${text.slice(text.length - tail)}`
}

/** The text in two parts, of which only the first may be cut where it is shown: the end of an address is what tells it from others. */
export function headAndTail(text: string, tail = 12): readonly [string, string] {
  const at = Math.max(0, text.length - tail)
  return [text.slice(0, at), text.slice(at)]
}

/** `coap://[fd00::1]:5683`: an IPv6 address is bracketed (RFC 3986 §3.2.2). */
export function addressText(at: { readonly scheme: string; readonly address: string; readonly port: number }): string {
  const host = at.address.includes(':') ? `[${at.address}]` : at.address
  return `${at.scheme}://${host}:${at.port}`
}
