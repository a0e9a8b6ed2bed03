// Which device of a room has which role: by a person's word, or because one role alone fits. Pure.
import type { TemplateText } from '#contract/model.ts'
import type { DeviceType } from '#contract/model.ts'
import type { TemplateUse } from './types.ts'

export interface RoomDevice {
  readonly id: string
  readonly type: DeviceType
}

export interface RoleDivision {
  /** Device to role. */
  readonly roles: ReadonlyMap<string, string>
  /** Devices that could have several. */
  readonly undecided: readonly string[]
  readonly counts: ReadonlyArray<{ readonly role: string; readonly wanted: number; readonly have: number }>
}

export function divideRoles(template: TemplateText, devices: readonly RoomDevice[], given: TemplateUse['roles']): RoleDivision {
  const roles = new Map<string, string>()
  const undecided: string[] = []
  for (const { id, type } of devices) {
    const fitting = template.roles.filter((role) => role.type === type)
    const [only] = fitting
    // A role that was given counts as long as the template has it and the device is of its type.
    const chosen = fitting.find((role) => role.key === given[id])
    if (chosen !== undefined) roles.set(id, chosen.key)
    else if (only !== undefined && fitting.length === 1) roles.set(id, only.key)
    else if (fitting.length > 1) undecided.push(id)
  }
  const have = Map.groupBy(roles.values(), (role) => role)
  const counts = template.roles.flatMap((role) => {
    const found = have.get(role.key)?.length ?? 0
    return role.count === null || role.count === found ? [] : [{ role: role.key, wanted: role.count, have: found }]
  })
  return { roles, undecided, counts }
}
