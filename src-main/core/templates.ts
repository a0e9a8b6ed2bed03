// Room types of an open site, over its groups and the security layer of these.
import type { Random } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import { createTemplates, type Templates } from '#main/site/templates/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { SiteSecurity } from './security.ts'

export interface SiteTemplatePorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly security: Pick<SiteSecurity, 'engine'>
  readonly random: Random
}

export function createSiteTemplates({ file, inventory, groups, security, random }: SiteTemplatePorts): Templates {
  return createTemplates({
    store: file.templates,
    devices: inventory,
    groups,
    random,
    protection: {
      of: (groupId) => security.engine.feeds.protections.get(groupId)?.securityGroupIds ?? [],
      protect: (groupId, how) => security.engine.protect([groupId], how),
    },
  })
}
