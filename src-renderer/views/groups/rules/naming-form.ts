// What the sheet of names and addresses edits, as text; and back into settings. Pure.
import type { AllocationSettings, NamingSettings } from '#contract/model.ts'

export const namingMethods: ReadonlyArray<NamingSettings['method']> = [
  'path',
  'query',
  'query-parameter',
  'authority',
  'host',
  'host-label',
  'port',
  'option',
  'none',
]
export const allocationPolicies: ReadonlyArray<AllocationSettings['policy']> = ['prefix', 'transient', 'list', 'knx', 'ipv4']
export const reaches: ReadonlyArray<AllocationSettings['scope']> = [
  'auto',
  'link-local',
  'realm-local',
  'admin-local',
  'site-local',
  'organization-local',
  'global',
]
/** What a template of names may ask for. */
export const PLACEHOLDERS = '{building} {floor} {room} {number} {function}'

export function usesDelimiter(method: NamingSettings['method']): boolean {
  return method === 'path' || method === 'query-parameter'
}

export function usesDomain(method: NamingSettings['method']): boolean {
  return method === 'authority' || method === 'host' || method === 'host-label'
}

/** One address or range a line. */
export function readList(text: string): string[] {
  return text
    .split(/[\n,;]/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** Only what has changed: the rest may have been changed by somebody else. */
export function changesOf<Settings extends object>(before: Settings, after: Settings): Partial<Settings> {
  const changed: Partial<Settings> = {}
  for (const key of Object.keys(after) as Array<keyof Settings>) {
    if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) changed[key] = after[key]
  }
  return changed
}
