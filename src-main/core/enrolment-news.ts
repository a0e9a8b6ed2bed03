// What becomes of the authorities above a site: their announcements are heard, or their status is asked for (RFC 9482 §2.6). CRLs are used at once, for
// they only take away; a new root is offered to people, however well it is proven; what concerns this program's own certificate is said.
import { z } from 'zod'
import { AppError, equalBytes, sha256, toAppError, toHex, utf8, type Clock, type Logger } from '#main/base/index.ts'
import {
  Certificate,
  nameText,
  readCrl,
  RefusalLog,
  sameName,
  tryCertificate,
  watchAuthority,
  type AuthorityNews,
  type AuthorityWatchOptions,
} from '#main/services/ra/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { ObservingClient } from '#main/wire/coap/index.ts'
import { raNewsRow } from '#contract/model.ts'
import type { RaNewsRow, RaUpstreamRow } from '#contract/model.ts'
import { bytesOf, type StoredUpstream } from './enrolment-settings.ts'

export interface NewsPorts {
  readonly file: Pick<SiteFile, 'getMeta' | 'setMeta'>
  readonly clock: Clock
  readonly logger: Logger
  /** How a server is listened to at present; undefined where there is no way. */
  readonly waysTo: (
    server: StoredUpstream,
  ) => Promise<(Pick<AuthorityWatchOptions, 'announcements' | 'poll'> & { close(): void }) | undefined>
  /** Who asks over CoAP at present: where that is another than before, all servers are asked anew. */
  readonly client: () => ObservingClient | undefined
  /** Certificates of this site's own authority. */
  readonly ownAuthorities: () => readonly Certificate[]
  /** Trusts the root for that server from now on. */
  readonly trustRoot: (server: string, root: Uint8Array) => Promise<void>
  readonly audit: (actor: string, details: Readonly<Record<string, string | number | null>>) => void
  readonly changed: () => void
}

export interface AuthoritiesAbove {
  /** Listens to these servers, and to no others any more. */
  follow(servers: readonly StoredUpstream[]): void
  /** The network has changed: those that are not heard are tried again. */
  again(): void
  listening(server: string): RaUpstreamRow['listening']
  /** Newest first. */
  readonly rows: readonly RaNewsRow[]
  decide(id: string, decision: 'take' | 'dismiss', actor: string): Promise<void>
  /** Whether the newest CRL that the server's authority has issued lists the certificate. */
  isRevoked(server: string, certificate: Certificate): boolean
  close(): void
}

const META = 'raNews'
const MOST_ROWS = 100
/** Longer lists are used while the program runs, and fetched anew. */
const KEPT_CRL_BYTES = 65_536
const MOST_CRLS = 16
const ACTOR = 'groupwright'

const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const storedShape = z.object({
  rows: z.array(raNewsRow.extend({ root: hex.nullable() })),
  crls: z.array(z.object({ server: z.string(), key: hex, der: hex })),
})
type StoredRow = z.infer<typeof storedShape>['rows'][number]

interface HeldCrl {
  readonly server: string
  /** Of the issuer's key: after a roll-over two lists are good under one name. */
  readonly key: string
  readonly list: ReturnType<typeof readCrl>
  readonly serials: ReadonlySet<string>
}

interface Watched {
  readonly key: string
  readonly server: StoredUpstream
  readonly client: ObservingClient | undefined
  listening: RaUpstreamRow['listening']
  end: () => void
}

const OFF: RaUpstreamRow['listening'] = { state: 'off', heardAt: null, problem: null }

export function createAuthoritiesAbove(ports: NewsPorts): AuthoritiesAbove {
  const { file, clock, logger, changed } = ports
  const stored = storedShape.catch({ rows: [], crls: [] }).parse(file.getMeta(META) ?? {})
  let rows: readonly StoredRow[] = stored.rows
  let crls: readonly HeldCrl[] = stored.crls.flatMap(({ server, key, der }) => heldCrl(server, key, bytesOf(der)))
  let watched: ReadonlyMap<string, Watched> = new Map()
  const told = new RefusalLog(clock, (actor, details) => ports.audit(actor, details as Readonly<Record<string, string | number | null>>))

  const keep = (): void => {
    const known = new Set(watched.keys())
    file.setMeta(META, {
      rows: rows.map((row) => ({ ...row })),
      crls: crls
        .filter(({ server, list }) => known.has(server) && list.bytes.length <= KEPT_CRL_BYTES)
        .map(({ server, key, list }) => ({ server, key, der: toHex(list.bytes) })),
    })
    changed()
  }
  const isRevoked = (server: string, { issuer, serial }: Pick<Certificate, 'issuer' | 'serial'>): boolean =>
    crls.some((held) => held.server === server && held.serials.has(toHex(serial)) && sameName(held.list.issuer, issuer))

  function begin(server: StoredUpstream, key: string): Watched {
    const entry: Watched = { key, server, client: ports.client(), listening: OFF, end: () => undefined }
    let ended = false
    let stop: (() => void) | undefined
    entry.end = () => {
      ended = true
      stop?.()
    }
    const set = (listening: Partial<RaUpstreamRow['listening']>): void => {
      entry.listening = { ...entry.listening, ...listening }
      changed()
    }
    const watch = async (): Promise<void> => {
      const ways = server.anchors.length === 0 ? undefined : await ports.waysTo(server)
      if (ended || ways === undefined) {
        ways?.close()
        return
      }
      const { announcements, poll } = ways
      const endWatching = watchAuthority({
        announcements,
        poll,
        clock,
        anchors: server.anchors.map(bytesOf),
        others: server.credential?.chain.map(bytesOf) ?? [],
        isRevoked: (certificate) => isRevoked(server.name, certificate),
        onState: (state) => set(state === 'unheard' ? { state } : { state, heardAt: clock.now(), problem: null }),
        onNews: (news) => take(entry, news),
        onProblem: ({ code, message, retryable }) => {
          logger.info({ server: server.name, code }, 'the authority above was not heard, or not believed')
          set({ problem: { code, message, retryable, details: {} } })
        },
      })
      stop = () => {
        endWatching()
        ways.close()
      }
    }
    watch().catch((thrown: unknown) => {
      const { code, message, retryable } = toAppError(thrown)
      if (!ended) set({ state: 'unheard', problem: { code, message, retryable, details: {} } })
    })
    return entry
  }

  function take(entry: Watched, news: AuthorityNews): void {
    const row = rowOf(entry.server, news)
    entry.listening = { ...entry.listening, heardAt: clock.now(), problem: null }
    const before = row === undefined ? undefined : rows.find(({ id }) => id === row.id)
    // What was said before, and decided perhaps, is no news. A newer list takes the place of the last.
    if (row === undefined || (before !== undefined && news.kind !== 'crl')) {
      changed()
      return
    }
    rows = bounded([row, ...rows.filter(({ id }) => id !== row.id)])
    keep()
    const { server, kind, subject, outcome } = row
    told.tell(ACTOR, { what: 'announced', server, kind, subject, outcome })
  }

  function rowOf(server: StoredUpstream, news: AuthorityNews): StoredRow | undefined {
    const base = { server: server.name, at: clock.now(), fingerprint: null, serial: null, crl: null, root: null, by: null }
    const idOf = (...what: readonly Uint8Array[]): string => toHex(sha256(utf8(`${server.name}:${news.kind}:`), ...what).subarray(0, 16))
    switch (news.kind) {
      case 'key-update': {
        const { root } = news
        if (server.anchors.includes(toHex(root.bytes))) return undefined
        const about = { subject: nameText(root.subject), fingerprint: toHex(root.fingerprint()), root: toHex(root.bytes) }
        return { ...base, ...about, id: idOf(root.bytes), kind: news.kind, outcome: 'offered' }
      }
      case 'certificate': {
        const { certificate } = news
        const about = { subject: nameText(certificate.subject), fingerprint: toHex(certificate.fingerprint()) }
        return { ...base, ...about, id: idOf(certificate.bytes), kind: news.kind, outcome: 'noted' }
      }
      case 'revocation': {
        const about = { subject: nameText(news.issuer), serial: toHex(news.serial) }
        return { ...base, ...about, id: idOf(news.issuer, news.serial), kind: news.kind, outcome: outcomeFor(server, [news]) }
      }
      case 'crl': {
        const { list } = news
        const key = toHex(sha256(news.issuer.spki))
        const held = crls.find((each) => each.server === server.name && each.key === key && sameName(each.list.issuer, list.issuer))
        if (held !== undefined && !isNewer(list, held.list)) return undefined
        crls = [...heldCrl(server.name, key, list.bytes), ...crls.filter((each) => each !== held)].slice(0, MOST_CRLS)
        const outcome = outcomeFor(
          server,
          list.revoked.map(({ serial }) => ({ issuer: list.issuer, serial })),
        )
        const crl = { number: list.number ?? null, revoked: list.revoked.length, nextUpdate: list.nextUpdate ?? null }
        return {
          ...base,
          id: idOf(list.issuer, news.issuer.spki),
          kind: news.kind,
          subject: nameText(list.issuer),
          crl,
          outcome: outcome === 'noted' ? 'kept' : outcome,
        }
      }
    }
  }

  /** Whether it is about certificates of this program, or about whom it trusts. */
  function outcomeFor(
    server: StoredUpstream,
    revoked: ReadonlyArray<{ readonly issuer: Uint8Array; readonly serial: Uint8Array }>,
  ): RaNewsRow['outcome'] {
    const serials = new Set(revoked.map(({ serial }) => toHex(serial)))
    const isAmong = (certificate: Certificate): boolean =>
      serials.has(toHex(certificate.serial)) &&
      revoked.some(({ issuer, serial }) => equalBytes(serial, certificate.serial) && sameName(issuer, certificate.issuer))
    const credential = server.credential === null ? undefined : tryCertificate(bytesOf(server.credential.certificate))
    const own = [...(credential === undefined ? [] : [credential]), ...ports.ownAuthorities()]
    if (own.some(isAmong)) return 'own-revoked'
    return server.anchors.flatMap((der) => tryCertificate(bytesOf(der)) ?? []).some(isAmong) ? 'root-revoked' : 'noted'
  }

  return {
    follow(servers) {
      const next = new Map<string, Watched>()
      for (const server of servers) {
        const key = JSON.stringify([server.url, server.anchors, server.credential])
        const known = watched.get(server.name)
        if (known?.key === key) next.set(server.name, known)
        else {
          known?.end()
          next.set(server.name, begin(server, key))
        }
      }
      const isGone = [...watched.keys()].filter((name) => !next.has(name))
      for (const name of isGone) watched.get(name)?.end()
      watched = next
      if (isGone.length === 0) return
      rows = rows.filter(({ server }) => next.has(server))
      crls = crls.filter(({ server }) => next.has(server))
      keep()
    },
    again() {
      const next = new Map(watched)
      const client = ports.client()
      for (const [name, { key, server, listening, end, client: before }] of watched) {
        if (client === before && (listening.state === 'observed' || listening.state === 'polled')) continue
        end()
        next.set(name, begin(server, key))
      }
      watched = next
    },
    listening: (server) => watched.get(server)?.listening ?? OFF,
    get rows() {
      return rows.map(shown)
    },
    async decide(id, decision, actor) {
      const row = rows.find((each) => each.id === id)
      if (row === undefined) throw new AppError('ra.not-found', 'There is no such announcement')
      if (row.outcome !== 'offered' || row.root === null) throw new AppError('ra.state-invalid', 'There is nothing to decide about it')
      const root = bytesOf(row.root)
      if (decision === 'take' && !new Certificate(root).isValidAt(clock.now()))
        throw new AppError('ra.state-invalid', 'The new root is not valid at this time')
      const outcome = decision === 'take' ? 'taken' : 'dismissed'
      if (decision === 'take') await ports.trustRoot(row.server, root)
      rows = rows.map((each) => (each.id === id ? { ...each, outcome, by: actor } : each))
      keep()
      ports.audit(actor, { what: outcome, server: row.server, kind: row.kind, subject: row.subject, fingerprint: row.fingerprint })
    },
    isRevoked,
    close() {
      for (const { end } of watched.values()) end()
    },
  }
}

function shown({ root, ...row }: StoredRow): RaNewsRow {
  return root === null ? row : { ...row, fingerprint: row.fingerprint ?? toHex(sha256(bytesOf(root))) }
}

/** By the number (RFC 5280 §5.2.3); where one has none, by when it was made. What somebody has recorded does not take a list's place again. */
function isNewer(list: HeldCrl['list'], held: HeldCrl['list']): boolean {
  return list.number !== undefined && held.number !== undefined ? list.number > held.number : list.thisUpdate > held.thisUpdate
}

function heldCrl(server: string, key: string, der: Uint8Array): readonly HeldCrl[] {
  try {
    const list = readCrl(der)
    return [{ server, key, list, serials: new Set(list.revoked.map(({ serial }) => toHex(serial))) }]
  } catch {
    return []
  }
}

/** What waits for a decision stays. */
function bounded(rows: readonly StoredRow[]): readonly StoredRow[] {
  if (rows.length <= MOST_ROWS) return rows
  const last = rows.findLastIndex(({ outcome }) => outcome !== 'offered')
  return rows.filter((_, index) => index !== (last < 0 ? rows.length - 1 : last))
}
