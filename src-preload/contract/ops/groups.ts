// Application groups, CoAP groups and their memberships.
import { z } from 'zod'
import { deviceType, membershipChange } from '../model.ts'
import { done, id, ids, jobReply, name } from './common.ts'

export const groupOps = {
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
    in: z.object({ name, address: z.string().max(64).optional(), port: z.number().int().min(1).max(65_535).optional() }),
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
} as const
