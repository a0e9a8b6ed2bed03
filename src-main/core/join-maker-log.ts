// What a maker has on record of a device, as it is kept and shown (RFC 8995 §5.8).
import { AppError, toHex } from '#main/base/index.ts'
import { domainIdOf, type AuditLog } from '#main/services/join/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import type { MakerLog } from '#contract/model.ts'

const MOST_EVENTS = 100

/** What is kept of what a maker has told. Owners are known by the hash of their authority's key (RFC 8995 §5.8.1). */
export function makerLogOf(told: AuditLog | AppError, ownChain: readonly Uint8Array[], atMs: number): MakerLog {
  if (told instanceof AppError) {
    const { code, message } = told
    return { at: atMs, code, detail: message.slice(0, 200), otherOwners: 0, events: [], left: { nonced: 0, nonceless: 0, arbitrary: 0 } }
  }
  const own = new Set(ownChain.map((der) => toHex(domainIdOf(new Certificate(der)))))
  const events = told.events
    .map(({ atMs: at, domainId, nonce, assertion, truncated }) => ({
      at,
      domainId,
      isOurs: own.has(domainId),
      assertion,
      nonceless: nonce === undefined,
      truncated,
    }))
    .toSorted((a, b) => b.at - a.at)
  const others = new Set(events.flatMap(({ isOurs, domainId }) => (isOurs ? [] : domainId)))
  return {
    at: atMs,
    code: null,
    detail: null,
    otherOwners: others.size,
    events: events.slice(0, MOST_EVENTS),
    left: { ...told.truncation },
  }
}
