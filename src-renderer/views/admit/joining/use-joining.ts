// Admission as its views look at it: the window, who has asked, and the names of the devices that they are.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import type { AdmissionRow, PledgeRow } from '#contract/model.ts'
import { useFeed } from '../../../stores/feeds.ts'

export interface Joining {
  readonly row: ComputedRef<AdmissionRow | null>
  readonly pledges: ComputedRef<readonly PledgeRow[]>
  readonly ready: ComputedRef<boolean>
  pledge(key: string): PledgeRow | undefined
  deviceName(row: Pick<PledgeRow, 'deviceId'>): string | undefined
}

export function useJoining(): Joining {
  const admission = useFeed('admission')
  const pledges = useFeed('pledges')
  const devices = useFeed('devices')
  return {
    row: computed(() => admission.byKey('admission') ?? null),
    pledges: computed(() => pledges.rows.value),
    ready: computed(() => admission.ready.value && pledges.ready.value),
    pledge: (key) => pledges.byKey(key),
    deviceName: ({ deviceId }) => (deviceId === null ? undefined : devices.byKey(deviceId)?.name),
  }
}
