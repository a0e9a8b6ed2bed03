// What a demo device keeps over a power cut, as text. Any text can be read: what is not understood is forgotten.
import { initialState, readState, type DeviceState } from './device-state.ts'
import type { DemoDeviceType } from './floor-plan.ts'
import { securityFromJson, securityToJson } from './secure/security-memory.ts'
import type { SecurityMemory } from './secure/types.ts'

/** An entry of the group table: name of the application group, multicast address, port. */
export interface GroupEntry {
  readonly n: string
  readonly a: string
  readonly p: number
}

export interface DeviceMemory {
  readonly groups: readonly GroupEntry[]
  readonly state: DeviceState | undefined
  /** Of an enrolled device. */
  readonly security: SecurityMemory | undefined
}

export function writeMemory(memory: DeviceMemory): string {
  const security = memory.security === undefined ? {} : { security: securityToJson(memory.security) }
  return JSON.stringify({ groups: memory.groups.map(({ n, a, p }) => [n, a, p]), state: memory.state, ...security })
}

export function readMemory(type: DemoDeviceType, text: string | undefined): DeviceMemory {
  const value = parse(text)
  if (typeof value !== 'object' || value === null) return { groups: [], state: initialState(type), security: undefined }
  const groups: readonly unknown[] = 'groups' in value && Array.isArray(value.groups) ? value.groups : []
  return {
    groups: groups.flatMap(readEntry),
    state: 'state' in value ? readState(type, value.state) : undefined,
    security: 'security' in value ? securityFromJson(value.security) : undefined,
  }
}

function readEntry(value: unknown): readonly GroupEntry[] {
  if (!isArray(value)) return []
  const [n, a, p] = value
  return typeof n === 'string' && typeof a === 'string' && typeof p === 'number' ? [{ n, a, p }] : []
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}
