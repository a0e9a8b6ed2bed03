// The device list, its import, rooms, and the search for devices.
import { z } from 'zod'
import { deviceDetail, deviceType, importEdit, importMapping, importPreview, roomKind } from '../model.ts'
import { done, fileText, id, ids, jobReply, name, nothing } from './common.ts'

const importInput = z.object({
  text: fileText,
  delimiter: z.string().length(1).optional(),
  mapping: importMapping.optional(),
  edits: z.array(importEdit).max(20_000).optional(),
})

export const deviceOps = {
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
  'rooms.create': { in: z.object({ parentId: id.nullable(), kind: roomKind, name }), out: z.object({ id }) },
  'rooms.update': {
    in: z.object({ id, patch: z.object({ name: name.optional(), kind: roomKind.optional(), parentId: id.nullable().optional() }) }),
    out: done,
  },
  'rooms.remove': { in: z.object({ id }), out: done },
} as const
