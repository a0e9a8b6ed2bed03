// The language of states: outcomes, the life of a device, sources of facts, failures as they are kept.
import { z } from 'zod'

/** Milliseconds since the Unix epoch. */
export const timeMs = z.number().int().nonnegative()
/** Names that people give. */
export const shortText = z.string().trim().min(1).max(120)

/** What is known of an effect on the network: what was sent is never shown as done. */
export const outcome = z.enum(['planned', 'sent', 'confirmed', 'failed', 'unknown'])
export type Outcome = z.infer<typeof outcome>

/** The life of a device. `joining` and `enrolled` are reached by admission only. */
export const deviceState = z.enum(['planned', 'expected', 'seen', 'joining', 'enrolled', 'configured', 'verified', 'faulty'])
export type DeviceState = z.infer<typeof deviceState>

/** Who or what a fact comes from. */
export const factSource = z.enum(['operator', 'import', 'discovery', 'registration', 'admission', 'apply', 'verify', 'test'])
export type FactSource = z.infer<typeof factSource>

export const deviceType = z.enum(['luminaire', 'switch', 'presence-sensor', 'blind', 'thermostat', 'sensor', 'actuator', 'unknown'])
export type DeviceType = z.infer<typeof deviceType>

export const roomKind = z.enum(['building', 'floor', 'room', 'zone'])
export type RoomKind = z.infer<typeof roomKind>

/** A failure as it is kept with a device, an item or a line. */
export const failure = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
})
export type Failure = z.infer<typeof failure>
