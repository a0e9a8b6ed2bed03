// Which words an event of a device's history takes. Pure.
import type { DeviceEvent } from '#contract/model.ts'

const countedBy: Readonly<Record<string, string>> = { configured: 'groups', verified: 'groups', faulty: 'failures', identified: 'seconds' }

/** The number that decides between singular and plural, for events that tell one. */
export function eventCount({ event, params }: DeviceEvent): number | null {
  const name = Object.hasOwn(countedBy, event) ? countedBy[event] : undefined
  const count = name === undefined ? undefined : params[name]
  return typeof count === 'number' ? count : null
}
