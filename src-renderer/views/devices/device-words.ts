// Lists of the contract's values in the order in which a person looks for them. The types hold them to the contract.
import type { DeviceState, DeviceType } from '#contract/model.ts'

export const deviceTypes = [
  'luminaire',
  'switch',
  'presence-sensor',
  'blind',
  'thermostat',
  'sensor',
  'actuator',
  'unknown',
] as const satisfies readonly DeviceType[]

/** How far a device is, for sorting. */
export const stateRank: Readonly<Record<DeviceState, number>> = {
  faulty: 0,
  planned: 1,
  expected: 2,
  seen: 3,
  joining: 4,
  enrolled: 5,
  configured: 6,
  verified: 7,
}
