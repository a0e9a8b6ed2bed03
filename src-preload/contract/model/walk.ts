// Walking through the building: one device after the other shows itself and is put into its room.
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

export const walkRow = z.object({
  key: z.literal('walk'),
  active: z.boolean(),
  /** The device whose turn it is; null: none is left, or nobody walks. */
  deviceId: z.string().nullable(),
  /** When it was last asked to blink and said yes; null: not yet. */
  blinkedAt: timeMs.nullable(),
  /** Why it does not blink. */
  failure: failure.nullable(),
  /** Devices in reach without a room, those that were passed over among them. */
  left: z.number().int(),
  skipped: z.number().int(),
  /** How many were placed since the walk began; it goes on after a break. */
  placed: z.number().int(),
  /** Rooms of the last devices, the newest first: where the next one most likely is too. */
  recentRooms: z.array(z.string()),
})
export type WalkRow = z.infer<typeof walkRow>
