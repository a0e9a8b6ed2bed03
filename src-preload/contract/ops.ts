// Everything that the window and the command line can ask for. A new op without a handler does not compile.
import { z } from 'zod'
import {
  auditEntry,
  channelNoise,
  demoOptions,
  deviceDetail,
  deviceType,
  directoryLinkRow,
  directoryPolicy,
  exportFormat,
  evictionEffect,
  exportRow,
  foundNetwork,
  importEdit,
  importMapping,
  importPreview,
  jobItemRow,
  linkAttribute,
  linkPortList,
  linkProbe,
  locale,
  membershipChange,
  networkDescription,
  networkOptions,
  preferencesRow,
  raAlgorithm,
  raCertificateDetail,
  raCertificateRow,
  raDecision,
  raFile,
  raPolicy,
  raPreRegistrationRow,
  raProfile,
  raReason,
  raRequestRow,
  raUpstream,
  recentSite,
  registrationKind,
  registrationRow,
  registrationSort,
  roomKind,
  securityPolicy,
  securitySuite,
  siteDetails,
  testAction,
  traceDetail,
  traceEntryRow,
} from './model.ts'

const nothing = z.object({}).strict()
const done = z.void()
const id = z.string().min(1).max(80)
const ids = z.array(id).min(1).max(20_000)
const name = z.string().trim().min(1).max(120)
/** Text of a file that a person chose; the reader says what is wrong with it. */
const fileText = z.string().max(20_000_000)
const jobReply = z.object({ jobId: id })

const page = z.object({ offset: z.number().int().nonnegative(), limit: z.number().int().min(1).max(1000) })
const search = z.string().max(500).default('')

const distinguishedName = z.string().trim().min(4).max(300)
const lifetimeDays = z.number().int().min(1).max(36_500)
const pemText = z.string().min(1).max(200_000)

const importInput = z.object({
  text: fileText,
  delimiter: z.string().length(1).optional(),
  mapping: importMapping.optional(),
  edits: z.array(importEdit).max(20_000).optional(),
})

export const ops = {
  // Site
  'site.recent': { in: nothing, out: z.array(recentSite) },
  'site.create': {
    in: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('demo'), details: siteDetails, demo: demoOptions }),
      z.object({ kind: z.literal('network'), details: siteDetails, network: networkOptions }),
    ]),
    out: z.object({ handle: z.string() }),
  },
  'site.open': { in: z.object({ handle: z.string() }), out: done },
  /** Lets the host ask for a file; `opened` is false when the person cancelled or the host has no dialogs. */
  'site.openDialog': { in: nothing, out: z.object({ opened: z.boolean() }) },
  'site.close': { in: nothing, out: done },
  'site.update': { in: siteDetails.partial(), out: done },
  /** Creates and opens a new site from a site export (JSON). */
  'site.import': { in: z.object({ text: fileText }), out: z.object({ handle: z.string() }) },
  'site.interfaces': {
    in: nothing,
    out: z.array(z.object({ name: z.string(), address: z.string(), family: z.enum(['IPv4', 'IPv6']), internal: z.boolean() })),
  },
  /** Binds the CoAP endpoint anew and keeps that with the site; what listened before goes on where it fails. */
  'site.setNetwork': { in: networkOptions, out: done },
  /** Advertises the directory by DNS-SD, or no longer. */
  'site.setAdvertisement': { in: z.object({ on: z.boolean() }), out: done },
  'preflight.run': { in: nothing, out: done },
  'preferences.set': { in: preferencesRow.omit({ key: true }).partial(), out: done },

  // Devices
  'devices.detail': { in: z.object({ id }), out: deviceDetail },
  'devices.create': {
    in: z.object({
      name,
      type: deviceType,
      roomId: id.nullable(),
      eui64: z.string().max(40).nullable(),
      serial: z.string().trim().max(80).nullable(),
      comment: z.string().max(500).default(''),
    }),
    out: z.object({ id }),
  },
  'devices.update': {
    in: z.object({
      ids,
      patch: z.object({
        name: name.optional(),
        type: deviceType.optional(),
        roomId: id.nullable().optional(),
        comment: z.string().max(500).optional(),
      }),
    }),
    out: done,
  },
  'devices.remove': { in: z.object({ ids }), out: done },
  'devices.identify': { in: z.object({ ids, seconds: z.number().int().min(1).max(300) }), out: jobReply },
  'devices.importPreview': { in: importInput, out: importPreview },
  'devices.importApply': {
    in: importInput,
    out: z.object({ created: z.number().int(), updated: z.number().int(), skipped: z.number().int() }),
  },
  /** The demo site's own device list as CSV. */
  'demo.deviceList': { in: nothing, out: z.object({ fileName: z.string(), text: z.string() }) },
  'discovery.start': { in: z.object({ seconds: z.number().int().min(1).max(120).default(10) }), out: done },
  'discovery.stop': { in: nothing, out: done },

  // Rooms
  'rooms.create': { in: z.object({ parentId: id.nullable(), kind: roomKind, name }), out: z.object({ id }) },
  'rooms.update': {
    in: z.object({ id, patch: z.object({ name: name.optional(), kind: roomKind.optional(), parentId: id.nullable().optional() }) }),
    out: done,
  },
  'rooms.remove': { in: z.object({ id }), out: done },

  // Groups
  'groups.createApplication': {
    in: z.object({
      name,
      /** Absent: a new CoAP group of the same name with an allocated address. */
      coapGroupId: id.optional(),
      roomId: id.nullable().default(null),
      comment: z.string().max(500).default(''),
      members: z.array(id).max(20_000).default([]),
    }),
    out: z.object({ id }),
  },
  'groups.updateApplication': {
    in: z.object({
      id,
      patch: z.object({
        name: name.optional(),
        coapGroupId: id.optional(),
        roomId: id.nullable().optional(),
        comment: z.string().max(500).optional(),
      }),
    }),
    out: done,
  },
  'groups.removeApplication': { in: z.object({ id }), out: done },
  'groups.createCoap': {
    in: z.object({ name, address: z.string().max(64).optional(), port: z.number().int().min(1).max(65_535).default(5683) }),
    out: z.object({ id }),
  },
  'groups.updateCoap': {
    in: z.object({
      id,
      patch: z.object({
        name: name.optional(),
        address: z.string().max(64).optional(),
        port: z.number().int().min(1).max(65_535).optional(),
      }),
    }),
    out: done,
  },
  'groups.removeCoap': { in: z.object({ id }), out: done },
  'groups.setMemberships': { in: z.object({ changes: z.array(membershipChange).min(1).max(50_000) }), out: done },
  /** One group for each room and device type that has devices, with all of them in it. Existing groups are completed. */
  'groups.fromRooms': {
    in: z.object({ types: z.array(deviceType).min(1), roomIds: z.array(id).optional() }),
    out: z.object({ groups: z.number().int(), memberships: z.number().int() }),
  },
  /** Reads the members' group tables back and compares. */
  'groups.verify': { in: z.object({ groupIds: ids }), out: jobReply },

  // Security groups
  'security.create': {
    in: z.object({
      name,
      suite: securitySuite.default('standard'),
      policy: securityPolicy.partial().default({}),
      roomId: id.nullable().default(null),
      comment: z.string().max(500).default(''),
      /** Application groups that it protects from now on. */
      groupIds: z.array(id).max(256).default([]),
    }),
    out: z.object({ id }),
  },
  /** Other algorithms bring new keys to all members. The name stays once there are keys. */
  'security.update': {
    in: z.object({
      id,
      patch: z.object({
        name: name.optional(),
        suite: securitySuite.optional(),
        policy: securityPolicy.partial().optional(),
        comment: z.string().max(500).optional(),
      }),
    }),
    out: done,
  },
  /** Fails with `group.in-use` while it protects a group or has members. */
  'security.remove': { in: z.object({ id }), out: done },
  /** Protects application groups by security groups, or leaves them unprotected for a reason, or leaves the choice to the tool. */
  'security.protect': {
    in: z.object({
      groupIds: ids,
      how: z.discriminatedUnion('mode', [
        z.object({ mode: z.literal('secured'), securityGroupIds: z.array(id).min(1).max(8) }),
        z.object({ mode: z.literal('nosec'), reason: z.string().trim().min(3).max(300) }),
        z.object({ mode: z.literal('automatic') }),
      ]),
    }),
    out: done,
  },
  'security.rekey': { in: z.object({ id }), out: z.object({ generation: z.number().int() }) },
  /** What `security.evict` would do. */
  'security.evictionEffect': { in: z.object({ id, deviceIds: ids }), out: evictionEffect },
  /** Takes devices out of a security group for good; everybody else gets new keys. Their memberships in its groups end with it. */
  'security.evict': { in: z.object({ id, deviceIds: ids }), out: z.object({ generation: z.number().int() }) },
  /** The OSCORE context that a device has been given elsewhere, in hex. Goes in, is sealed, and never comes out. */
  'security.enrol': {
    in: z.object({
      deviceId: id,
      masterSecret: z.string().regex(/^[0-9a-fA-F]{32,128}$/),
      masterSalt: z
        .string()
        .regex(/^[0-9a-fA-F]{0,64}$/)
        .default(''),
      /** Its own Sender ID, and the tool's. */
      deviceSenderId: z.string().regex(/^([0-9a-fA-F]{2}){0,7}$/),
      toolSenderId: z.string().regex(/^([0-9a-fA-F]{2}){0,7}$/),
    }),
    out: done,
  },
  /** Forgets what another keyring has sealed: security groups begin anew, and devices have to be enrolled again. */
  'security.startAnew': { in: nothing, out: done },

  // Registration authority
  /** A self-signed root of the site's own. */
  'ra.createRoot': {
    in: z.object({ subject: distinguishedName, algorithm: raAlgorithm.default('P-256'), lifetimeDays: lifetimeDays.default(7300) }),
    out: done,
  },
  /** A key of an authority below the customer's; gives the PKCS #10 request. */
  'ra.createSubordinate': { in: z.object({ subject: distinguishedName, algorithm: raAlgorithm.default('P-256') }), out: raFile },
  /** The request that waits for its certificate. */
  'ra.request': { in: nothing, out: raFile },
  /** The certificate for the request, with those above it, in PEM; the root last. */
  'ra.install': { in: z.object({ text: pemText }), out: done },
  'ra.rollOver': { in: z.object({ algorithm: raAlgorithm, lifetimeDays: lifetimeDays.default(7300) }), out: done },
  /** The newest CRL; `refresh` makes a new one. */
  'ra.crl': { in: z.object({ refresh: z.boolean().default(false) }), out: raFile },
  /** The authority's certificate with those above it, in PEM. */
  'ra.chain': { in: nothing, out: raFile },
  'ra.pending': { in: page, out: z.object({ total: z.number().int(), rows: z.array(raRequestRow) }) },
  'ra.approve': { in: z.object({ ids: z.array(id).min(1).max(1000) }), out: z.array(raDecision) },
  'ra.deny': {
    in: z.object({ ids: z.array(id).min(1).max(1000), reason: z.string().trim().min(1).max(200) }),
    out: z.array(raDecision),
  },
  'ra.certificates': {
    in: page.extend({
      search,
      state: z.enum(['unconfirmed', 'valid', 'revoked']).optional(),
      deviceId: id.optional(),
      /** Only valid ones that end within so many days. */
      endsWithinDays: z.number().min(0).max(36_500).optional(),
    }),
    out: z.array(raCertificateRow),
  },
  'ra.certificate': { in: z.object({ serial: id }), out: raCertificateDetail },
  'ra.revoke': { in: z.object({ serial: id, reason: raReason }), out: done },
  'ra.preRegistrations': { in: page, out: z.object({ total: z.number().int(), rows: z.array(raPreRegistrationRow) }) },
  /** Announces devices. `draw` makes a one-time secret for each without one: it is told here, once, and never again. */
  'ra.preRegister': {
    in: z.object({
      entries: z
        .array(
          z.object({
            reference: z.string().min(1).max(128),
            secret: z.string().min(8).max(200).optional(),
            identities: z.array(z.string().min(1).max(128)).max(32).default([]),
            names: z.array(z.string().min(1).max(253)).max(32).default([]),
            profile: z.string().max(64).optional(),
            expiresAt: z.number().int().nonnegative().optional(),
          }),
        )
        .min(1)
        .max(10_000),
      draw: z.boolean().default(false),
    }),
    out: z.object({ count: z.number().int(), secrets: z.array(z.object({ reference: z.string(), secret: z.string() })) }),
  },
  'ra.withdraw': { in: z.object({ references: z.array(z.string().min(1).max(128)).min(1).max(1000) }), out: done },
  'ra.setPolicy': { in: raPolicy, out: done },
  /** The first one is for requests that name none. */
  'ra.setProfiles': { in: z.object({ profiles: z.array(raProfile).min(1).max(32) }), out: done },
  /** Trusts the certificates in the PEM text. */
  'ra.trust': { in: z.object({ kind: z.enum(['manufacturer', 'authority']), text: pemText }), out: z.object({ count: z.number().int() }) },
  'ra.distrust': { in: z.object({ fingerprint: z.string().regex(/^[0-9a-f]{64}$/) }), out: done },
  /** A server that requests go on to; one of the same name takes its place. Its roots in PEM. */
  'ra.setUpstream': { in: z.object({ server: raUpstream, anchors: z.string().max(200_000).default('') }), out: done },
  'ra.removeUpstream': { in: z.object({ name }), out: done },
  /** Gets this authority's own certificate from the server by a secret that its operator has given. */
  'ra.enrolUpstream': {
    in: z.object({ name, reference: z.string().min(1).max(128), secret: z.string().min(1).max(200), subject: distinguishedName }),
    out: z.object({ subject: z.string(), notAfter: z.number().int() }),
  },

  // Apply and jobs
  'plan.requests': {
    in: z.object({ lineIds: ids }),
    out: z.array(z.object({ lineId: id, requests: z.array(z.string()) })),
  },
  'apply.start': { in: z.object({ lineIds: ids.optional() }), out: jobReply },
  'jobs.pause': { in: z.object({ jobId: id }), out: done },
  'jobs.resume': { in: z.object({ jobId: id }), out: done },
  'jobs.cancel': { in: z.object({ jobId: id }), out: done },
  'jobs.retryFailed': { in: z.object({ jobId: id }), out: jobReply },
  'jobs.items': {
    in: z.object({ jobId: id, offset: z.number().int().nonnegative(), limit: z.number().int().min(1).max(500) }),
    out: z.array(jobItemRow),
  },

  // Test
  'test.actions': { in: z.object({ groupId: id }), out: z.array(testAction) },
  'test.run': {
    in: z.object({ groupId: id, action: z.string().max(40), repeats: z.number().int().min(1).max(20).default(1) }),
    out: z.object({ runId: id }),
  },
  'test.seen': { in: z.object({ runId: id, deviceId: id, seen: z.boolean().nullable() }), out: done },

  // Hand over
  /** Without a language: the preference's, else English. */
  'handover.report': { in: z.object({ locale: locale.optional() }), out: z.object({ html: z.string() }) },
  'handover.export': {
    in: z.object({ formats: z.array(exportFormat).min(1), redact: z.boolean().default(true), locale: locale.optional() }),
    out: z.array(exportRow),
  },
  /** Shows an exported file to the person in the way of the host; `url` is set where it can be downloaded. */
  'handover.reveal': { in: z.object({ handle: z.string() }), out: z.object({ url: z.string().nullable() }) },

  // Directory and audit
  /**
   * One page. `search`: words that must all match; `name=value`, `name=value*` is a criterion of a lookup, other words are looked for everywhere.
   * Without `sort` in the order in which they were first made.
   */
  'rd.list': {
    in: page.extend({
      search,
      kind: registrationKind.default('all'),
      sort: registrationSort.optional(),
      descending: z.boolean().default(false),
      withLinks: z.boolean().default(true),
    }),
    out: z.object({ version: z.number().int(), total: z.number().int(), rows: z.array(registrationRow) }),
  },
  /** One page of all links, as a resource lookup pages them. `search`: criteria of a lookup; a word alone is the beginning of a resource type. */
  'rd.links': {
    in: z.object({ page: z.number().int().nonnegative(), count: z.number().int().min(1).max(500), search }),
    out: z.object({ version: z.number().int(), rows: z.array(directoryLinkRow) }),
  },
  'rd.detail': { in: z.object({ id }), out: registrationRow },
  'rd.remove': { in: z.object({ ids: z.array(id).min(1).max(1000) }), out: z.object({ removed: z.number().int() }) },
  /** Registers in the name of an endpoint, as a commissioning tool may (RFC 9176 §5). */
  'rd.register': {
    in: z.object({
      endpointName: z.string().min(1).max(63),
      sector: z.string().max(63).optional(),
      base: z.string().min(1).max(500),
      lifetimeS: z.number().int().min(1).max(4_294_967_295).optional(),
      attributes: z.array(linkAttribute).max(32).default([]),
      /** application/link-format */
      links: z.string().max(65_536).default(''),
    }),
    out: registrationRow,
  },
  /** A lookup as a client would ask it (RFC 9176 §6), with its query as text: `rt=temperature&count=10`. */
  'rd.lookup': {
    in: z.object({ kind: z.enum(['ep', 'res']), query: z.string().max(1000).default('') }),
    out: z.object({ links: z.string(), count: z.number().int() }),
  },
  'rd.setPolicy': { in: z.object({ policy: directoryPolicy }), out: done },
  /**
   * What a border router announces for devices to find the directory (RFC 9176 §4.1.1): an option for the address, or for each IPv6
   * address at which others reach the directory, those behind dongles first.
   */
  'rd.addressOptions': {
    in: z.object({ address: z.string().max(64).optional(), lifetimeS: z.number().int().min(0).max(4_294_967_295).default(90_000) }),
    out: z.array(z.object({ address: z.string(), lifetimeS: z.number().int(), hex: z.string(), text: z.string() })),
  },

  // Dongles
  /** The serial ports of this computer; costs nothing, opens none. */
  'link.ports': { in: nothing, out: linkPortList },
  /** Opens a port (or `tcp://host:port`), asks what answers, closes it. Takes up to 15 s where nothing does. */
  'link.probe': {
    in: z.object({ path: z.string().trim().min(1).max(260), baudRate: z.number().int().min(1200).max(4_000_000).optional() }),
    out: linkProbe,
  },
  /** Gives the site one more dongle, which comes up by itself from now on; `key` finds it again under another path. */
  'link.add': {
    in: z.object({ path: z.string().trim().min(1).max(260), key: z.string().max(200).optional(), name: name.optional() }),
    out: z.object({ id }),
  },
  'link.remove': { in: z.object({ id }), out: done },
  /** Uses it from now on, or leaves its port free. */
  'link.open': { in: z.object({ id }), out: done },
  'link.close': { in: z.object({ id }), out: done },
  /** Tries again at once what is refused or waits. */
  'link.retry': { in: z.object({ id }), out: done },
  /** Asks the dongle for its tables, signal strengths and counters; they come by the feed. */
  'link.refresh': { in: z.object({ id }), out: done },
  /** Makes a network; what is not given is drawn at random. */
  'link.form': { in: z.object({ id, network: networkDescription }), out: done },
  /** Joins a network by its dataset (TLVs in hex) or by its description. Neither is kept or given back. */
  'link.attach': {
    in: z.union([z.object({ id, dataset: z.string().min(1).max(2000) }).strict(), z.object({ id, network: networkDescription }).strict()]),
    out: done,
  },
  /** Joins by a passphrase that the network's commissioner has let in. */
  'link.join': { in: z.object({ id, passphrase: z.string().min(6).max(32) }), out: done },
  'link.leave': { in: z.object({ id }), out: done },
  'link.scan': {
    in: z.object({ id, kind: z.enum(['networks', 'beacons', 'noise']).default('networks') }),
    out: z.object({ networks: z.array(foundNetwork), noise: z.array(channelNoise) }),
  },
  /** Stops what is being done with the network. */
  'link.cancel': { in: z.object({ id }), out: done },

  // Trace
  'trace.page': {
    in: z.object({ after: z.number().int().nonnegative(), limit: z.number().int().min(1).max(500) }),
    out: z.array(traceEntryRow),
  },
  'trace.detail': { in: z.object({ seq: z.number().int().positive() }), out: traceDetail },
  'trace.record': { in: z.object({ on: z.boolean() }), out: done },
  'trace.clear': { in: nothing, out: done },
  /** Writes what is kept into a pcapng file beside the exports; `handover.reveal` shows it. */
  'trace.export': { in: nothing, out: z.object({ handle: z.string(), fileName: z.string(), entries: z.number().int() }) },

  'audit.page': {
    in: z.object({ before: z.number().int().optional(), limit: z.number().int().min(1).max(500) }),
    out: z.array(auditEntry),
  },
} as const

export type OpName = keyof typeof ops
/** What a caller gives: defaults may be left out. */
export type OpInput<Name extends OpName> = z.input<(typeof ops)[Name]['in']>
/** What a handler gets: checked, with defaults. */
export type OpParsed<Name extends OpName> = z.output<(typeof ops)[Name]['in']>
export type OpOutput<Name extends OpName> = z.output<(typeof ops)[Name]['out']>
export const opNames = Object.keys(ops) as readonly OpName[]

/** Nothing is thrown across the contract. */
export type Reply<Name extends OpName = OpName> =
  | { readonly ok: true; readonly value: OpOutput<Name> }
  | {
      readonly ok: false
      readonly error: {
        readonly code: string
        readonly message: string
        readonly retryable: boolean
        readonly details: Readonly<Record<string, unknown>>
      }
    }
