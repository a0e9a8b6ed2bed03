// A device's keys and bindings as JSON. Whatever is not understood is forgotten: then the device is not enrolled.
import { fromHex, toHex, type JsonValue } from '#main/base/index.ts'
import type { DeviceEnrolment, MemberRole, SecurityBinding, SecurityMemory } from './types.ts'

const ROLES: ReadonlySet<string> = new Set(['requester', 'responder', 'monitor'])

export function securityToJson({ enrolment, reserved, bindings }: SecurityMemory): JsonValue {
  const { masterSecret, masterSalt, deviceId, toolId } = enrolment
  return {
    context: [masterSecret, masterSalt, deviceId, toolId].map(toHex),
    reserved,
    groups: bindings.map(({ name, manager, roles, apps, evicted }) => ({
      n: name,
      gm: manager,
      r: [...roles],
      apps: [...apps],
      out: evicted,
    })),
  }
}

export function securityFromJson(value: unknown): SecurityMemory | undefined {
  if (!isObject(value)) return undefined
  const enrolment = enrolmentFrom(value.context)
  const { reserved, groups } = value
  if (enrolment === undefined || typeof reserved !== 'number' || !Number.isSafeInteger(reserved) || reserved < 0) return undefined
  return { enrolment, reserved, bindings: Array.isArray(groups) ? groups.flatMap(bindingFrom) : [] }
}

function enrolmentFrom(value: unknown): DeviceEnrolment | undefined {
  if (!Array.isArray(value)) return undefined
  const [masterSecret, masterSalt, deviceId, toolId] = value.map((text: unknown) => (typeof text === 'string' ? fromHex(text) : undefined))
  if (masterSecret === undefined || masterSalt === undefined || deviceId === undefined || toolId === undefined) return undefined
  return { masterSecret, masterSalt, deviceId, toolId }
}

function bindingFrom(value: unknown): readonly SecurityBinding[] {
  if (!isObject(value)) return []
  const { n: name, gm: manager, r, apps, out } = value
  const roles = rolesFrom(r)
  const names = textsFrom(apps)
  if (typeof name !== 'string' || typeof manager !== 'string' || roles === undefined || names === undefined) return []
  return [{ name, manager, roles, apps: names, evicted: out === true }]
}

/** A non-empty list of roles; undefined for what is none. */
export function rolesFrom(value: unknown): readonly MemberRole[] | undefined {
  const texts = textsFrom(value)
  if (texts === undefined || texts.length === 0) return undefined
  const roles = texts.filter(isRole)
  return roles.length === texts.length ? [...new Set(roles)].sort() : undefined
}

export function textsFrom(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const texts = value.filter((one: unknown) => typeof one === 'string')
  return texts.length === value.length ? texts : undefined
}

function isRole(text: string): text is MemberRole {
  return ROLES.has(text)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
