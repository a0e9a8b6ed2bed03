// How a site takes part in joining: makers' voucher servers, the registrar's join port, the join proxy that this program is, and what makers tell of devices.
import { z } from 'zod'
import { advertisement } from './directory.ts'
import { failure, timeMs } from './states.ts'

/** Where pledges can be served: `lan:<interface>` or `link:<dongle>`. */
export const joinPlaceId = z.string().regex(/^(lan|link):.{1,80}$/)

export const joinPlaceRow = z.object({
  id: z.string(),
  kind: z.enum(['lan', 'link']),
  /** Of the interface, or of the dongle. */
  name: z.string(),
  /** Our address there that pledges speak to; null while there is none. */
  linkLocal: z.string().nullable(),
})
export type JoinPlaceRow = z.infer<typeof joinPlaceRow>

export const makerCertificate = z.object({ subject: z.string(), fingerprint: z.string(), notAfter: timeMs })

/** Key identifier in requests to the maker's server: none, that of its certificate, or the hash of its public key. */
export const makerKeyId = z.enum(['none', 'key-id', 'sha256'])

/** A manufacturer that the site trusts, and how its voucher server (MASA) is reached and known. */
export const joinMakerRow = z.object({
  /** Fingerprint of its certificate, as in the anchors of the `ra` feed. */
  id: z.string(),
  name: z.string(),
  /** Set here; null where its devices' certificates say it. */
  masaUrl: z.string().nullable(),
  /** Who may vouch for that server; none: whom the system trusts. */
  tlsAnchors: z.array(makerCertificate),
  /** Who alone may sign its vouchers; none: every manufacturer of the site. */
  voucherAnchors: z.array(makerCertificate),
  showsCertificate: z.boolean(),
  keyId: makerKeyId,
  /** Its server is simulated within this program. */
  simulated: z.boolean(),
  /** How it went the last time since the program was started. */
  lastAsked: z.object({ at: timeMs, ok: z.boolean(), code: z.string().nullable() }).nullable(),
})
export type JoinMakerRow = z.infer<typeof joinMakerRow>

/** What an op changes of a maker: what is left out stays; null takes back. */
export const joinMakerPatch = z.object({
  masaUrl: z.string().trim().min(1).max(500).nullable().optional(),
  /** PEM, one or more. */
  tlsAnchors: z.string().max(200_000).nullable().optional(),
  voucherAnchors: z.string().max(200_000).nullable().optional(),
  showsCertificate: z.boolean().optional(),
  keyId: makerKeyId.optional(),
})

/** `automatic`: stateless where any registrar takes that, else stateful. */
export const joinProxyMode = z.enum(['off', 'automatic', 'stateless', 'stateful'])
export type JoinProxyMode = z.infer<typeof joinProxyMode>

/** Of the messages to a registrar: today's `20`, or `01`. */
export const joinProxyVersion = z.enum(['automatic', '20', '01'])

export const registrarSearch = z.enum(['coap', 'directory', 'dns-sd'])
export type RegistrarSearchKind = z.infer<typeof registrarSearch>

export const joinProxySettings = z.object({
  mode: joinProxyMode,
  version: joinProxyVersion,
  /** The links whose pledges are served. */
  places: z.array(joinPlaceId).max(16),
  /** How a registrar is looked for where none is set. */
  search: z.array(registrarSearch).min(1).max(3),
  /** `jpy://[address]:port` or `coaps://[address]:port`: then nothing is looked for. */
  registrar: z.string().trim().min(1).max(200).nullable(),
})
export type JoinProxySettings = z.infer<typeof joinProxySettings>

/** A registrar that pledges are relayed to. */
export const joinRegistrarRow = z.object({
  uri: z.string(),
  mode: z.enum(['stateless', 'stateful']),
  version: z.enum(['20', '01']),
  by: z.enum(['configuration', 'multicast', 'directory', 'dns-sd']),
})
export type JoinRegistrarRow = z.infer<typeof joinRegistrarRow>

/** One port that pledges send to. */
export const joinPortRow = z.object({
  place: z.string(),
  port: z.number().int(),
  registrar: joinRegistrarRow,
  /** Pledges that are remembered. */
  pledges: z.number().int(),
  /** Of the stateful mode. */
  mappings: z.number().int(),
  fromPledges: z.number().int(),
  toPledges: z.number().int(),
  /** Thrown away by a rate, for want of a place, because nobody may ask for it, or because it was forged. */
  refused: z.number().int(),
})
export type JoinPortRow = z.infer<typeof joinPortRow>

export const joinProxyRow = z.object({
  settings: joinProxySettings,
  /** `no-place`: none of its links has an address now; `searching`: no registrar is known yet. */
  state: z.enum(['off', 'no-place', 'searching', 'serving', 'failed']),
  failure: failure.nullable(),
  registrars: z.array(joinRegistrarRow),
  ports: z.array(joinPortRow),
  /** Places where pledges cannot find it by themselves: another program has the CoAP port there. */
  hidden: z.array(z.string()),
})
export type JoinProxyRow = z.infer<typeof joinProxyRow>

export const joinRegistrarState = z.object({
  /** Whether stateless join proxies are served, where the site has an authority. */
  joinPort: z.boolean(),
  state: z.enum(['off', 'no-authority', 'listening', 'failed']),
  failure: failure.nullable(),
  /** `jpy://…` where proxies reach it. */
  uris: z.array(z.string()),
  /** By DNS-SD, as `_brski-rjp._udp`. */
  advertisement,
})

/** The single row of the `joining` feed. */
export const joiningRow = z.object({
  key: z.literal('joining'),
  /** No maker's server is asked: vouchers come from files. */
  offline: z.boolean(),
  makers: z.array(joinMakerRow),
  places: z.array(joinPlaceRow),
  registrar: joinRegistrarState,
  proxy: joinProxyRow,
  vouchers: z.object({
    kept: z.number().int(),
    /** Ended, or about to. */
    ending: z.number().int(),
    lastRound: z.object({ at: timeMs, renewed: z.number().int(), failed: z.number().int(), code: z.string().nullable() }).nullable(),
  }),
  /** Another number whenever a maker has told of a device. */
  makerLogVersion: z.number().int(),
})
export type JoiningRow = z.infer<typeof joiningRow>

/** What the maker has on record of a device: to whom it was given, and when (RFC 8995 §5.8). */
export const makerLog = z.object({
  /** When it was asked; `code` says why it could not tell. */
  at: timeMs,
  code: z.string().nullable(),
  detail: z.string().nullable(),
  /** Owners other than this site. */
  otherOwners: z.number().int(),
  /** Newest first. */
  events: z.array(
    z.object({
      at: timeMs,
      /** Lower-case hex. */
      domainId: z.string(),
      isOurs: z.boolean(),
      assertion: z.string(),
      /** Given without the device being asked: its owner could take it again. */
      nonceless: z.boolean(),
      /** Further ones of the same owner. */
      truncated: z.number().int(),
    }),
  ),
  /** Events that the maker has left out. */
  left: z.object({ nonced: z.number().int(), nonceless: z.number().int(), arbitrary: z.number().int() }),
})
export type MakerLog = z.infer<typeof makerLog>
