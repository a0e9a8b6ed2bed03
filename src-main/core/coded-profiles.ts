// The kinds of devices that are known by code, behind those that files describe.
import { createLwm2mProfile, createPlainProfile, type DeviceProfile } from '#main/site/devices/index.ts'

/** Those that say least come last: the first that recognises a device counts. */
export function codedProfiles(...own: readonly DeviceProfile[]): readonly DeviceProfile[] {
  return [...own, createLwm2mProfile(), createPlainProfile()]
}
