// Who may use the browser host: one-time tokens that become sessions, and the checks of Host and Origin.
// Governed by RFC 6265 (cookies) and the WHATWG Fetch standard's Origin and Sec-Fetch-Site headers.
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock, Random } from '#main/base/index.ts'

export const TOKEN_LIFETIME_MS = 10 * 60_000
const MAX_TOKENS = 16
const MAX_SESSIONS = 16

export interface AccessOptions {
  readonly clock: Clock
  readonly random: Random
}

export class Access {
  readonly #clock: Clock
  readonly #random: Random
  /** Token to deadline, oldest first. */
  readonly #tokens = new Map<string, number>()
  readonly #sessions = new Set<string>()

  constructor(options: AccessOptions) {
    this.#clock = options.clock
    this.#random = options.random
  }

  /** A token that opens one session within its lifetime. */
  issueToken(): string {
    const token = this.#secret()
    this.#tokens.set(token, this.#clock.monotonicMs() + TOKEN_LIFETIME_MS)
    dropOldest(this.#tokens, MAX_TOKENS)
    return token
  }

  /** Turns a token into a session; undefined for one that is unknown, used or expired. */
  redeem(token: string): string | undefined {
    const deadlineMs = this.#tokens.get(token)
    this.#tokens.delete(token)
    if (deadlineMs === undefined || this.#clock.monotonicMs() > deadlineMs) return undefined
    const session = this.#secret()
    this.#sessions.add(session)
    dropOldest(this.#sessions, MAX_SESSIONS)
    return session
  }

  isSession(session: string | undefined): boolean {
    return session !== undefined && this.#sessions.has(session)
  }

  /** 256 random bits: a lookup's timing tells nothing that helps to guess one. */
  #secret(): string {
    return Buffer.from(this.#random.bytes(32)).toString('base64url')
  }
}

function dropOldest(
  entries: { readonly size: number; keys(): IterableIterator<string>; delete(key: string): boolean },
  limit: number,
): void {
  for (const key of entries.keys()) {
    if (entries.size <= limit) return
    entries.delete(key)
  }
}

/** The value of a cookie, RFC 6265 §4.2.1. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const [key, ...value] = pair.trim().split('=')
    if (key === name) return value.join('=')
  }
  return undefined
}

/** Whether the request names this very server: a rebound DNS name does not. */
export function isOwnHost(headers: IncomingHttpHeaders, authority: string): boolean {
  return headers.host === authority
}

/** Whether a request was caused by our own pages or by the person, never by another site's page. */
export function isOwnOrigin(headers: IncomingHttpHeaders, authority: string): boolean {
  if (headers.origin !== undefined && headers.origin !== `http://${authority}`) return false
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'same-origin' || site === 'none'
}
