// Rooms, devices and the search for them.
import { z } from 'zod'
import { deviceState, deviceType, factSource, failure, roomKind, shortText, timeMs } from './states.ts'

export const roomRow = z.object({
  id: z.string(),
  parentId: z.string().nullable(),
  kind: roomKind,
  name: shortText,
  position: z.number().int(),
})
export type RoomRow = z.infer<typeof roomRow>

export const deviceRow = z.object({
  id: z.string(),
  name: shortText,
  type: deviceType,
  roomId: z.string().nullable(),
  state: deviceState,
  stateAt: timeMs,
  stateSource: factSource,
  eui64: z.string().nullable(),
  serial: z.string().nullable(),
  model: z.string().nullable(),
  profileId: z.string().nullable(),
  /** Endpoint name of its registration, when it registered. */
  endpointName: z.string().nullable(),
  /** `[address]:port` that it is reached at. */
  address: z.string().nullable(),
  lastHeardAt: timeMs.nullable(),
  /** Number of application groups that it shall be in. */
  groups: z.number().int(),
  comment: z.string(),
})
export type DeviceRow = z.infer<typeof deviceRow>

export const deviceResource = z.object({
  href: z.string(),
  attributes: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
})
export const deviceEvent = z.object({
  at: timeMs,
  source: factSource,
  /** Selects the sentence: `history.<event>`. */
  event: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  failure: failure.nullable(),
})
export type DeviceResource = z.infer<typeof deviceResource>
export type DeviceEvent = z.infer<typeof deviceEvent>

export const deviceDetail = z.object({
  id: z.string(),
  resources: z.array(deviceResource),
  /** Newest first, at most 200. */
  history: z.array(deviceEvent),
})
export type DeviceDetail = z.infer<typeof deviceDetail>

/** The single row of the `discovery` feed. */
export const discoveryRow = z.object({
  key: z.literal('discovery'),
  state: z.enum(['idle', 'running']),
  startedAt: timeMs.nullable(),
  deadlineAt: timeMs.nullable(),
  /** Devices heard in the newest run, and those of them that were not known before. */
  heard: z.number().int(),
  added: z.number().int(),
  failure: failure.nullable(),
  /** A dongle carries no multicast: who is known there is asked one by one, and others are found when they register. */
  unicastOnly: z.boolean().optional(),
})
export type DiscoveryRow = z.infer<typeof discoveryRow>
