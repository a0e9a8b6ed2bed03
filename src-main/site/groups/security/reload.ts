// Security groups and protections that were changed in the store by others: the catalogue, the Group Manager and the feeds follow.
import type { GroupId } from '#main/base/index.ts'
import type { SecurityCatalogue } from './catalogue.ts'
import type { KeyManager, SecurityGroupId, SecurityStore } from './types.ts'
import type { SecurityViews } from './views.ts'

export interface SecurityKeys {
  readonly securityGroups: ReadonlySet<SecurityGroupId>
  readonly protections: ReadonlySet<GroupId>
}

export interface ReloadPorts {
  readonly store: Pick<SecurityStore, 'securityGroups' | 'protections'>
  readonly catalogue: SecurityCatalogue
  readonly views: SecurityViews
  readonly manager: KeyManager | undefined
  /** Application groups that it protects, by name. */
  readonly namesOf: (id: SecurityGroupId) => readonly string[]
}

/** What is known is there first; it is shown when devices and groups are there too. */
export function reloadSecurity(
  { store, catalogue, views, manager, namesOf }: ReloadPorts,
  { securityGroups, protections }: SecurityKeys,
  meanwhile: () => void,
): void {
  const touched = new Set<SecurityGroupId>(securityGroups)
  const groupsNow = new Map(store.securityGroups().map((group) => [group.id, group]))
  const protectionsNow = new Map(store.protections().map((protection) => [protection.groupId, protection]))
  for (const id of securityGroups) {
    const [before, now] = [catalogue.groups.get(id), groupsNow.get(id)]
    if (now !== undefined) catalogue.groups.set(id, now)
    else if (before !== undefined) {
      // Nobody was told of it: its keys, if there are any, serve nobody.
      manager?.remove(before.name)
      views.removed(id)
      catalogue.dropGroup(id)
    }
  }
  for (const id of protections) {
    const [before, now] = [catalogue.protections.get(id), protectionsNow.get(id)]
    for (const each of [...(before?.securityGroupIds ?? []), ...(now?.securityGroupIds ?? [])]) touched.add(each)
    if (now === undefined) catalogue.protections.delete(id)
    else catalogue.protections.set(id, now)
  }
  meanwhile()
  for (const id of securityGroups) {
    const group = catalogue.groups.get(id)
    if (group !== undefined && manager?.group(group.name) !== undefined) manager.ensure(group, namesOf(id))
  }
  views.refreshProtections([...protections])
  views.refresh(touched)
  views.findSoon()
}
