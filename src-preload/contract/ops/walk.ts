// Walking through the building.
import { z } from 'zod'
import { done, id, nothing } from './common.ts'

export const walkOps = {
  /** Begins, or goes on where it was left: also after a restart. */
  'walk.start': { in: nothing, out: done },
  'walk.stop': { in: nothing, out: done },
  /** Asks the device to blink at once. */
  'walk.blink': { in: nothing, out: done },
  /** Puts the device into a room, and into a role of the room's template where it is told; the next one blinks. */
  'walk.place': { in: z.object({ deviceId: id, roomId: id, role: z.string().max(40).nullable().default(null) }), out: done },
  /** Another time; the next one blinks. Those passed over come again when all others are placed. */
  'walk.skip': { in: z.object({ deviceId: id }), out: done },
} as const
