// Destinations, as the core uses them.
import { pushTargetSettings, type PushTargetSettings } from '#contract/model.ts'

export { HttpsTarget } from './https.ts'
export { MqttTarget } from './mqtt.ts'
export { Pushes, subjectOf, readSubject, type PushPorts } from './push.ts'
export type { Delivered, FleetStore, Parcel, StoredTarget, TargetSecrets } from './types.ts'

/** Whether a value is what a destination is set up with: a site file may come from anywhere. */
export function isPushTargetSettings(value: unknown): value is PushTargetSettings {
  return pushTargetSettings.safeParse(value).success
}
