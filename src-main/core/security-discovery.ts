// The security groups of the built-in Group Manager in the site's own Resource Directory: clients find there where to join
// (draft-tiloca-core-oscore-discovery-19, an individual draft; nothing depends on anybody reading it).
import { toAppError, type Logger } from '#main/base/index.ts'
import { securityGroupLinks, type PublishedGroup } from '#main/services/group-manager/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'

const ENDPOINT = 'group-manager'

export function publishSecurityGroups(
  directory: ResourceDirectory,
  groups: readonly PublishedGroup[],
  baseUri: string,
  logger: Logger,
): void {
  try {
    if (groups.length === 0) {
      const known = directory.find(ENDPOINT)
      if (known !== undefined && known.source === undefined) directory.remove(known.id)
      return
    }
    directory.registerOwnLinks({ endpointName: ENDPOINT, base: baseUri, links: securityGroupLinks(groups, baseUri) })
  } catch (thrown) {
    logger.warn({ code: toAppError(thrown).code }, 'the security groups could not be registered at the directory')
  }
}
