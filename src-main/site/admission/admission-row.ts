// The one row that says how the site stands: window, policy, counts.
import type { JsonValue } from '#main/base/index.ts'
import type { AdmissionPolicy, AdmissionRow, DeviceState } from '#contract/model.ts'
import type { AllowList } from './allow-list.ts'
import type { DeviceList } from './device-link.ts'
import type { Pledges } from './pledges.ts'
import type { WindowState } from './window.ts'

export interface RowParts {
  readonly window: WindowState | undefined
  readonly policy: AdmissionPolicy
  readonly pledges: Pledges
  readonly list: AllowList
  readonly devices: DeviceList
  readonly listVersion: number
  readonly vouchersReady: boolean
  readonly secretsReady: boolean
}

export const DEFAULT_POLICY: AdmissionPolicy = { mode: 'listed', unlistedMayWait: true, windowMinutes: 15 }

const JOINED: ReadonlySet<DeviceState> = new Set(['enrolled', 'configured', 'verified'])
const LONGEST_WINDOW_MINUTES = 1440

export function admissionRowOf({ window, policy, pledges, list, devices, ...facts }: RowParts): AdmissionRow {
  const counts = { waiting: 0, joining: 0, failed: 0, enrolled: 0, denied: 0 }
  for (const row of pledges.feed.rows()) counts[row.state] += 1
  const expected = [...list.names.devices.keys(), ...list.labelsApart.map(({ deviceId }) => deviceId)]
  const missing = expected.filter((id) => id === null || !JOINED.has(devices.get(id)?.state ?? 'planned')).length
  return {
    key: 'admission',
    window: window === undefined ? 'closed' : 'open',
    openedAt: window?.openedAt ?? null,
    closesAt: window?.closesAt ?? null,
    policy,
    counts: { ...counts, listed: expected.length, missing },
    dropped: pledges.book.dropped,
    ...facts,
  }
}

/** What was kept, where it is a policy. */
export function readPolicy(value: JsonValue | undefined): AdmissionPolicy {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return DEFAULT_POLICY
  const kept = new Map<string, unknown>(Object.entries(value))
  const mode = kept.get('mode')
  const unlistedMayWait = kept.get('unlistedMayWait')
  const minutes = Number(kept.get('windowMinutes'))
  return {
    mode: mode === 'ask' || mode === 'closed' || mode === 'listed' ? mode : DEFAULT_POLICY.mode,
    unlistedMayWait: typeof unlistedMayWait === 'boolean' ? unlistedMayWait : DEFAULT_POLICY.unlistedMayWait,
    windowMinutes: Number.isInteger(minutes) && minutes >= 1 && minutes <= LONGEST_WINDOW_MINUTES ? minutes : DEFAULT_POLICY.windowMinutes,
  }
}
