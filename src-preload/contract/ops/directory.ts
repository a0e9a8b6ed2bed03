// The Resource Directory, its policy, and the audit trail.
import { z } from 'zod'
import {
  auditEntry,
  directoryLinkRow,
  directoryPolicy,
  linkAttribute,
  registrationKind,
  registrationRow,
  registrationSort,
} from '../model.ts'
import { done, id, page, search } from './common.ts'

export const directoryOps = {
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
  'audit.page': {
    /** Newest first. `search`: part of who, what or the details. */
    in: z.object({ before: z.number().int().optional(), limit: z.number().int().min(1).max(500), search }),
    out: z.array(auditEntry),
  },
} as const
