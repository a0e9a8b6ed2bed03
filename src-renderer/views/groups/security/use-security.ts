// Security groups as the views look at them: the third layer, who can read what is sent.
import { computed } from 'vue'
import type { ComputedRef } from 'vue'
import type {
  GroupProtectionRow,
  SecurityDeviceRow,
  SecurityFindingRow,
  SecurityGroupRow,
  SecurityMemberRow,
  SecurityPlanLine,
  SecurityStateRow,
} from '#contract/model.ts'
import { useFeed } from '../../../stores/feeds.ts'

export interface SecurityData {
  readonly ready: ComputedRef<boolean>
  readonly groups: ComputedRef<readonly SecurityGroupRow[]>
  readonly members: ComputedRef<readonly SecurityMemberRow[]>
  readonly plan: ComputedRef<readonly SecurityPlanLine[]>
  readonly state: ComputedRef<SecurityStateRow | undefined>
  protection(groupId: string): GroupProtectionRow | undefined
  group(id: string): SecurityGroupRow | undefined
  device(deviceId: string): SecurityDeviceRow | undefined
  findingsOf(...subjects: ReadonlyArray<string | undefined>): readonly SecurityFindingRow[]
}

export function useSecurity(): SecurityData {
  const groups = useFeed('securityGroups')
  const protections = useFeed('protections')
  const members = useFeed('securityMembers')
  const devices = useFeed('securityDevices')
  const plan = useFeed('securityPlan')
  const findings = useFeed('securityFindings')
  const state = useFeed('security')
  return {
    ready: computed(() => groups.ready.value && protections.ready.value && members.ready.value),
    groups: computed(() => groups.rows.value.toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))),
    members: computed(() => members.rows.value),
    plan: computed(() => plan.rows.value),
    state: computed(() => state.byKey('security')),
    protection: (groupId) => protections.byKey(groupId),
    group: (id) => groups.byKey(id),
    device: (deviceId) => devices.byKey(deviceId),
    findingsOf: (...subjects) => findings.rows.value.filter(({ subject }) => subjects.includes(subject.id)),
  }
}
