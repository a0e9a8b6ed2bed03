// Security groups and their members.
import { z } from 'zod'
import { evictionEffect, securityPolicy, securitySuite } from '../model.ts'
import { done, id, ids, name, nothing } from './common.ts'

export const securityOps = {
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
} as const
