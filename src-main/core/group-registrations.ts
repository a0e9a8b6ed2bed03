// The site's application groups in its own Resource Directory (RFC 9176 Appendix A): any client finds a group and its address there.
import { toAppError } from '#main/base/index.ts'
import type { KeyedFeed, Logger } from '#main/base/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { ApplicationGroupRow } from '#contract/model.ts'

export interface GroupRegistrationPorts {
  readonly logger: Logger
  /** Runs the work as one transaction: a thousand new groups are one commit. */
  readonly together: (work: () => void) => void
}

/** Keeps one registration for each group; the returned function ends it, and the registrations stay. */
export function registerGroups(
  groups: KeyedFeed<ApplicationGroupRow>,
  directory: ResourceDirectory,
  { logger, together }: GroupRegistrationPorts,
): () => void {
  /** Name and URI that each group is registered with. */
  const registered = new Map<string, { readonly name: string; readonly uri: string }>()

  const update = (ids: readonly string[]): void => {
    for (const id of ids) {
      const row = groups.get(id)
      const before = registered.get(id)
      try {
        if (before !== undefined && before.name !== row?.name) withdraw(before.name)
        if (row === undefined) registered.delete(id)
        else announce(row)
      } catch (thrown) {
        logger.warn({ code: toAppError(thrown).code, group: id }, 'a group could not be registered at the directory')
      }
    }
  }
  const announce = ({ id, name, uri }: ApplicationGroupRow): void => {
    const [, base = uri, path = ''] = /^(coap:\/\/[^/?]+)(.*)$/.exec(uri) ?? []
    // However the name travels, the link is relative to the authority.
    const href = path.startsWith('/') ? path : `/${path}`
    const known = directory.find(name)
    // A site that is opened again finds its groups registered.
    if (known?.base !== base || !known.links.includes(`<${href}>`))
      directory.registerGroup({ name, base, links: [{ href, attributes: [{ name: 'rt', value: 'gw.group' }] }] })
    registered.set(id, { name, uri })
  }
  const withdraw = (name: string): void => {
    const known = directory.find(name)
    if (known?.attributes.some((attribute) => attribute.name === 'et' && attribute.value === 'core.rd-group') === true)
      directory.remove(known.id)
  }
  const updateTogether = (ids: readonly string[]): void => {
    const changed = ids.filter((id) => registered.get(id)?.uri !== groups.get(id)?.uri || registered.get(id)?.name !== groups.get(id)?.name)
    if (changed.length > 0) together(() => update(changed))
  }
  updateTogether(groups.keys())
  return groups.subscribe(updateTogether)
}
