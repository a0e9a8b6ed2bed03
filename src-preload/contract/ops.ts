// Everything that the window and the command line can ask for. A new op without a handler does not compile.
import { z } from 'zod'
import {
  auditEntry,
  demoOptions,
  deviceDetail,
  deviceType,
  exportFormat,
  exportRow,
  importEdit,
  importMapping,
  importPreview,
  jobItemRow,
  locale,
  membershipChange,
  networkOptions,
  preferencesRow,
  recentSite,
  registrationRow,
  roomKind,
  siteDetails,
  testAction,
} from './model.ts'

const nothing = z.object({}).strict()
const done = z.void()
const id = z.string().min(1).max(80)
const ids = z.array(id).min(1).max(20_000)
const name = z.string().trim().min(1).max(120)
/** Text of a file that a person chose; the reader says what is wrong with it. */
const fileText = z.string().max(20_000_000)
const jobReply = z.object({ jobId: id })

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
  'rd.list': {
    in: z.object({ offset: z.number().int().nonnegative(), limit: z.number().int().min(1).max(1000) }),
    out: z.object({ total: z.number().int(), rows: z.array(registrationRow) }),
  },
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
