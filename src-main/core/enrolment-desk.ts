// What people do with the registration authority: one method for each op of the contract. Secrets go in, and those drawn here come out once.
import { AppError, toHex, type Clock, type Random } from '#main/base/index.ts'
import {
  base64Of,
  Certificate,
  certificatesOnly,
  normaliseIdentity,
  pemOf,
  readPem,
  scopedIdentity,
  type CrlReasonName,
  type PreRegistrationInput,
} from '#main/services/ra/index.ts'
import type { ObservingClient } from '#main/wire/coap/index.ts'
import type {
  RaAnchor,
  RaCertificateDetail,
  RaCertificateRow,
  RaDecision,
  RaFile,
  RaPolicy,
  RaProfile,
  RaUpstream,
} from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'
import type { AuthoritiesAbove } from './enrolment-news.ts'
import { bytesOf, type EnrolmentSettings } from './enrolment-settings.ts'
import type { OpenAuthority } from './enrolment-types.ts'
import { checkUpstream, credentialSummary, enrolAt } from './enrolment-upstream.ts'
import { certificateDetail, certificateRow, preRegistrationRow, requestRow, type NameOf } from './enrolment-views.ts'

export interface DeskPorts {
  /** Throws where the keys cannot be opened. */
  readonly parts: () => OpenAuthority
  readonly settings: () => EnrolmentSettings
  readonly change: (next: EnrolmentSettings) => Promise<void>
  /** Without keys that nobody can open any more. Throws where they can be opened. */
  readonly startOver: (actor: string) => Promise<void>
  readonly done: () => void
  /** Tells the site's audit what was chosen; what the authority does it tells itself. */
  readonly log: (actor: string, details: { readonly what: string }) => void
  readonly nameOf: NameOf
  readonly isFixed: (fingerprint: string) => boolean
  /** Whether it is the SHA-256 of a manufacturer's authority that is trusted. */
  readonly isMaker: (fingerprint: string) => boolean
  /** What it is called. */
  readonly makerName: (fingerprint: string) => string
  readonly siteName: () => string
  /** Who asks a server above over CoAP. */
  readonly coapClient: () => ObservingClient | undefined
  readonly above: Pick<AuthoritiesAbove, 'rows' | 'decide'>
  readonly clock: Clock
  readonly random: Random
}

const DAY_S = 86_400
const DAY_MS = DAY_S * 1000
/** Letters and digits that are not taken for each other when a label is typed off; 100 bits. */
const SECRET_SIGNS = '0123456789abcdefghjkmnpqrstvwxyz'
const SECRET_LENGTH = 20
const MOST_SERVERS = 16
const MOST_ANCHORS = 256

export type EnrolmentDesk = ReturnType<typeof createEnrolmentDesk>

export function createEnrolmentDesk(ports: DeskPorts) {
  const { parts, settings, change, done, log, nameOf, clock, random } = ports
  const fileOf = (suffix: string, text: string): RaFile => ({ fileName: `${ports.siteName()} ${suffix}`, text, encoding: 'text' })
  const bytesFile = (suffix: string, bytes: Uint8Array): RaFile => ({
    fileName: `${ports.siteName()} ${suffix}`,
    text: base64Of(bytes),
    encoding: 'base64',
  })
  const changeNow = async (next: EnrolmentSettings, actor: string, what: string): Promise<void> => {
    await change(next)
    log(actor, { what })
  }

  return {
    // ---- The authority -------------------------------------------------------------------------------------------

    async createRoot({ subject, algorithm, lifetimeDays }: OpParsed<'ra.createRoot'>, actor: string): Promise<void> {
      await parts().ca.createRoot({ subject, algorithm, lifetimeS: lifetimeDays * DAY_S }, actor)
      done()
    },
    async createSubordinate({ subject, algorithm }: OpParsed<'ra.createSubordinate'>, actor: string): Promise<RaFile> {
      const request = await parts().ca.createSubordinate({ subject, algorithm }, actor)
      done()
      return fileOf('authority.csr', pemOf('CERTIFICATE REQUEST', request))
    },
    request(): RaFile {
      const request = parts()
        .ca.describe()
        .findLast(({ state }) => state === 'awaiting-certificate')?.request
      if (request === undefined) throw new AppError('ra.not-found', 'No request waits for its certificate')
      return fileOf('authority.csr', pemOf('CERTIFICATE REQUEST', request))
    },
    async install({ text }: OpParsed<'ra.install'>, actor: string): Promise<void> {
      const [own, ...chain] = readPem('CERTIFICATE', text)
      if (own === undefined) throw new AppError('input.invalid', 'The text holds no certificate')
      await parts().ca.installCertificate(own, chain, actor)
      done()
    },
    async rollOver({ algorithm, lifetimeDays }: OpParsed<'ra.rollOver'>, actor: string): Promise<void> {
      await parts().ca.rollOver({ algorithm, lifetimeS: lifetimeDays * DAY_S }, actor)
      done()
    },
    startOver: (actor: string): Promise<void> => ports.startOver(actor),
    crl({ refresh, form }: OpParsed<'ra.crl'>): RaFile {
      const { ca } = parts()
      const crl = refresh ? ca.refreshCrl() : (ca.crl() ?? ca.refreshCrl())
      done()
      return form === 'der' ? bytesFile('authority.crl', crl.der) : fileOf('authority.crl.pem', pemOf('X509 CRL', crl.der))
    },
    chain({ form }: OpParsed<'ra.chain'>): RaFile {
      const { record, certificate } = parts().ca.active
      if (form === 'p7c') return bytesFile('authority.p7c', certificatesOnly([certificate.bytes, ...record.chain]))
      return fileOf('authority.pem', [certificate.bytes, ...record.chain].map((der) => pemOf('CERTIFICATE', der)).join(''))
    },

    // ---- Requests ------------------------------------------------------------------------------------------------

    pending({ offset, limit }: OpParsed<'ra.pending'>): OpOutput<'ra.pending'> {
      const all = parts().desk.pending()
      return { total: all.length, rows: all.slice(offset, offset + limit).map((request) => requestRow(request, nameOf)) }
    },
    async approve({ ids }: OpParsed<'ra.approve'>, actor: string): Promise<RaDecision[]> {
      const outcomes = await parts().desk.approve(ids, actor)
      done()
      return outcomes.map((outcome) => ({ ...outcome, serial: outcome.serial ?? null }))
    },
    deny({ ids, reason }: OpParsed<'ra.deny'>, actor: string): RaDecision[] {
      const outcomes = parts().desk.deny(ids, reason, actor)
      done()
      return outcomes.map((outcome) => ({ ...outcome, serial: outcome.serial ?? null }))
    },

    // ---- Certificates --------------------------------------------------------------------------------------------

    certificates(input: OpParsed<'ra.certificates'>): RaCertificateRow[] {
      const { offset, limit, search, state, deviceId, endsWithinDays } = input
      const now = clock.now()
      const text = search.trim()
      const found = parts().desk.certificates({
        offset,
        limit,
        ...(endsWithinDays === undefined ? {} : { state: 'valid', endsBefore: now + Math.round(endsWithinDays * DAY_MS) }),
        ...(state === undefined ? {} : { state }),
        ...(deviceId === undefined ? {} : { deviceId }),
        ...(text === '' ? {} : { text }),
      })
      return found.map((record) => certificateRow(record, now, nameOf))
    },
    certificate({ serial }: OpParsed<'ra.certificate'>): RaCertificateDetail {
      const { authority, desk } = parts()
      const record = authority.context.store.certificate(serial)
      if (record === undefined) throw new AppError('ra.not-found', 'There is no certificate of that serial number')
      return certificateDetail(record, desk.history(serial), clock.now(), nameOf)
    },
    revoke({ serial, reason }: { readonly serial: string; readonly reason: CrlReasonName }, actor: string): void {
      parts().desk.revoke(serial, reason, actor)
      done()
    },

    // ---- Expected devices ----------------------------------------------------------------------------------------

    preRegistrations({ offset, limit }: OpParsed<'ra.preRegistrations'>): OpOutput<'ra.preRegistrations'> {
      const all = parts().desk.preRegistrations()
      return { total: all.length, rows: all.slice(offset, offset + limit).map((entry) => preRegistrationRow(entry, ports.makerName)) }
    },
    async preRegister({ entries, draw }: OpParsed<'ra.preRegister'>, actor: string): Promise<OpOutput<'ra.preRegister'>> {
      const { desk } = parts()
      const drawn: Array<{ reference: string; secret: string }> = []
      const inputs = entries.map(({ secret, profile, expiresAt, maker, identities: plain, ...entry }): PreRegistrationInput => {
        if (maker !== undefined && !ports.isMaker(maker))
          throw new AppError('ra.not-found', 'The manufacturer is not trusted here', { details: { reference: entry.reference } })
        const identities = maker === undefined ? plain : plain.map((identity) => scopedIdentity(maker, identity))
        const given = secret ?? (draw ? drawSecret(random) : undefined)
        if (secret === undefined && given !== undefined) drawn.push({ reference: entry.reference, secret: given })
        return {
          ...entry,
          identities,
          ...(given === undefined ? {} : { secret: given }),
          ...(profile === undefined ? {} : { profile }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        }
      })
      for (const { reference, secret, identities = [] } of inputs) {
        if (secret === undefined && identities.every((identity) => normaliseIdentity(identity) === '')) {
          throw new AppError('input.invalid', 'An expected device needs a secret or something that it is known by', {
            details: { reference },
          })
        }
      }
      await desk.preRegister(inputs, actor)
      done()
      return { count: inputs.length, secrets: drawn }
    },
    withdraw({ references }: OpParsed<'ra.withdraw'>, actor: string): void {
      const { desk } = parts()
      for (const reference of references) desk.removePreRegistration(reference, actor)
      done()
    },

    // ---- Choices -------------------------------------------------------------------------------------------------

    setPolicy: (policy: RaPolicy, actor: string) => changeNow({ ...settings(), policy }, actor, 'policy'),
    setProfiles({ profiles }: { readonly profiles: readonly RaProfile[] }, actor: string): Promise<void> {
      if (new Set(profiles.map(({ name }) => name)).size < profiles.length)
        throw new AppError('input.invalid', 'Two profiles have the same name')
      return changeNow({ ...settings(), profiles }, actor, 'profiles')
    },
    async trust({ kind, text }: OpParsed<'ra.trust'>, actor: string): Promise<{ count: number }> {
      const found = readPem('CERTIFICATE', text).map((der) => ({ kind, der: toHex(new Certificate(der).bytes) }))
      const isOther = (one: { readonly kind: RaAnchor['kind']; readonly der: string }): boolean => found.every(({ der }) => der !== one.der)
      const anchors = [...settings().anchors.filter(isOther), ...found]
      if (anchors.length > MOST_ANCHORS) throw new AppError('input.too-large', 'Too many certificates are trusted')
      await changeNow({ ...settings(), anchors }, actor, 'trust')
      return { count: found.length }
    },
    async distrust({ fingerprint }: OpParsed<'ra.distrust'>, actor: string): Promise<void> {
      if (ports.isFixed(fingerprint)) throw new AppError('ra.state-invalid', 'The certificate belongs to the simulated devices')
      const anchors = settings().anchors.filter(({ der }) => fingerprintOf(der) !== fingerprint)
      if (anchors.length === settings().anchors.length) throw new AppError('ra.not-found', 'There is no such certificate')
      await changeNow({ ...settings(), anchors }, actor, 'trust')
    },
    async setUpstream({ server, anchors }: { readonly server: RaUpstream; readonly anchors: string }, actor: string): Promise<void> {
      checkUpstream(server, clock)
      const others = settings().upstreams.filter(({ name }) => name !== server.name)
      if (others.length >= MOST_SERVERS) throw new AppError('input.too-large', 'Too many servers')
      const before = settings().upstreams.find(({ name }) => name === server.name)
      const roots =
        anchors.trim() === '' ? (before?.anchors ?? []) : readPem('CERTIFICATE', anchors).map((der) => toHex(new Certificate(der).bytes))
      // A key that one server has certified is not shown to another.
      const credential = before?.url === server.url ? before.credential : null
      await changeNow({ ...settings(), upstreams: [...others, { ...server, anchors: roots, credential }] }, actor, `server ${server.name}`)
    },
    async removeUpstream({ name }: OpParsed<'ra.removeUpstream'>, actor: string): Promise<void> {
      const upstreams = settings().upstreams.filter((each) => each.name !== name)
      if (upstreams.length === settings().upstreams.length) throw new AppError('ra.not-found', 'There is no such server')
      await changeNow({ ...settings(), upstreams }, actor, `server ${name}`)
    },
    async enrolUpstream({ name, ...wish }: OpParsed<'ra.enrolUpstream'>, actor: string): Promise<OpOutput<'ra.enrolUpstream'>> {
      const { vault } = parts()
      const server = settings().upstreams.find((each) => each.name === name)
      if (server === undefined) throw new AppError('ra.not-found', 'There is no such server')
      const credential = await enrolAt(server, wish, { vault, clock, random, coapClient: ports.coapClient })
      const upstreams = settings().upstreams.map((each) => (each.name === name ? { ...each, credential } : each))
      await changeNow({ ...settings(), upstreams }, actor, `certificate at ${name}`)
      return credentialSummary(credential)
    },

    // ---- Authorities above ---------------------------------------------------------------------------------------

    news({ offset, limit }: OpParsed<'ra.news'>): OpOutput<'ra.news'> {
      const { rows } = ports.above
      return { total: rows.length, rows: rows.slice(offset, offset + limit) }
    },
    async decideNews({ id, decision }: OpParsed<'ra.decideNews'>, actor: string): Promise<void> {
      parts()
      await ports.above.decide(id, decision, actor)
      done()
    },
  }
}

function drawSecret(random: Random): string {
  return Array.from(random.bytes(SECRET_LENGTH), (byte) => SECRET_SIGNS[byte & 31]).join('')
}

function fingerprintOf(der: string): string {
  return toHex(new Certificate(bytesOf(der)).fingerprint())
}
