// The directory as the window and the command line see it: pages as rows of the contract, links as a lookup pages them (RFC 9176 §6.3).
import { AppError, formatSocketAddress } from '#main/base/index.ts'
import type { DirectoryRow as Registered, ResourceDirectory } from '#main/services/rd/index.ts'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import type { DirectoryLinkRow, RegistrationRow } from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'

type Desk<Name extends 'list' | 'links' | 'detail' | 'remove' | 'register' | 'lookup'> = (
  input: OpParsed<`rd.${Name}`>,
) => OpOutput<`rd.${Name}`>

export interface DirectoryDesk {
  readonly list: Desk<'list'>
  readonly links: Desk<'links'>
  readonly detail: Desk<'detail'>
  readonly remove: Desk<'remove'>
  readonly register: Desk<'register'>
  readonly lookup: Desk<'lookup'>
}

export function directoryDesk(directory: ResourceDirectory): DirectoryDesk {
  const detail = (id: string): RegistrationRow => {
    const row = directory.row(id)
    if (row === undefined) throw new AppError('rd.not-found', 'There is no such registration any more', { details: { id } })
    return rowOf(row, directory.linksOf(id) ?? '')
  }
  return {
    list: ({ offset, limit, search, kind, sort, descending, withLinks }) => {
      const page = directory.view({ offset, limit, search, show: kind, descending, ...(sort === undefined ? {} : { sort }) })
      const rows = page.rows.map((row) => rowOf(row, withLinks ? (directory.linksOf(row.id) ?? '') : ''))
      return { version: page.version, total: page.total, rows }
    },
    links: ({ page, count, search }) => {
      const { version } = directory
      const found = directory.lookup('res', `${criteria(search)}page=${page}&count=${count}`)
      return { version, rows: linkRows(found) }
    },
    detail: ({ id }) => detail(id),
    remove: ({ ids }) => ({ removed: ids.filter((id) => directory.remove(id)).length }),
    register: ({ endpointName, sector, base, lifetimeS, attributes, links }) => {
      const { id } = directory.registerText({
        endpointName,
        base,
        attributes,
        links,
        ...(sector === undefined || sector === '' ? {} : { sector }),
        ...(lifetimeS === undefined ? {} : { lifetimeS }),
      })
      return detail(id)
    },
    lookup: ({ kind, query }) => {
      const links = directory.lookup(kind, query)
      return { links, count: linkRows(links).length }
    },
  }
}

function rowOf(row: Registered, links: string): RegistrationRow {
  return {
    id: row.id,
    endpointName: row.endpointName,
    sector: row.sector === '' ? null : row.sector,
    base: row.base,
    lifetimeS: row.lifetimeS,
    registeredAt: row.registeredAt,
    renewedAt: row.renewedAt,
    expiresAt: row.expiresAt,
    endpointType: row.endpointType ?? null,
    attributes: row.attributes.map(({ name, value }) => ({ name, value })),
    linkCount: row.linkCount,
    isGroup: row.isGroup,
    source: row.source === undefined ? null : formatSocketAddress(row.source.address),
    links,
  }
}

function linkRows(text: string): DirectoryLinkRow[] {
  if (text === '') return []
  return parseLinkFormat(text).map(({ href, attributes }) => ({
    href,
    attributes: attributes.map(({ name, value }) => ({ name, value })),
  }))
}

/** The words of a search as criteria of a lookup, each ended by `&`; a word alone is the beginning of a resource type. */
function criteria(search: string): string {
  const words = search.split(/\s+/).filter((word) => word !== '')
  return words.map((word) => `${encoded(word.includes('=') ? word : `rt=${word}*`)}&`).join('')
}

/** The first `=` parts name from value; all else that means something in a query is encoded. */
function encoded(criterion: string): string {
  const at = criterion.indexOf('=')
  return `${encodeURIComponent(criterion.slice(0, at))}=${encodeURIComponent(criterion.slice(at + 1))}`
}
