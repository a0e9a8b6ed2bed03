// What the lenses of the directory show, and what of it the core sorts by.
import type { DirectoryLinkRow, RegistrationRow, RegistrationSort } from '#contract/model.ts'
import type { DataColumn, DataSort } from '../../components/ui/data-table.ts'

export const lenses = ['endpoints', 'links', 'groups'] as const
export type Lens = (typeof lenses)[number]

type Words = (key: string) => string

export function endpointColumns(t: Words): ReadonlyArray<DataColumn<RegistrationRow>> {
  return [
    { id: 'endpointName', header: t('directory.column.endpoint'), width: 'minmax(116px, 1.4fr)', value: (row) => row.endpointName },
    { id: 'sector', header: t('directory.column.sector'), width: 'minmax(70px, 0.6fr)', value: (row) => row.sector },
    { id: 'base', header: t('directory.column.base'), width: 'minmax(158px, 1.6fr)', value: (row) => row.base },
    { id: 'endpointType', header: t('directory.column.type'), width: 'minmax(82px, 0.8fr)', value: (row) => row.endpointType },
    { id: 'linkCount', header: t('directory.column.links'), width: '58px', value: (row) => row.linkCount, align: 'end' },
    { id: 'expiresAt', header: t('directory.column.left'), width: '92px', value: (row) => row.expiresAt, align: 'end' },
    { id: 'source', header: t('directory.column.source'), width: 'minmax(150px, 1.2fr)', value: (row) => row.source },
  ]
}

export function groupColumns(t: Words): ReadonlyArray<DataColumn<RegistrationRow>> {
  return [
    { id: 'endpointName', header: t('directory.column.group'), width: 'minmax(170px, 1.4fr)', value: (row) => row.endpointName },
    { id: 'base', header: t('directory.column.group-base'), width: 'minmax(230px, 1.6fr)', value: (row) => row.base },
    { id: 'sector', header: t('directory.column.sector'), width: 'minmax(70px, 0.6fr)', value: (row) => row.sector },
    { id: 'linkCount', header: t('directory.column.links'), width: '58px', value: (row) => row.linkCount, align: 'end' },
    { id: 'expiresAt', header: t('directory.column.left'), width: '92px', value: (row) => row.expiresAt, align: 'end' },
    { id: 'source', header: t('directory.column.source'), width: 'minmax(140px, 1fr)', value: (row) => row.source },
  ]
}

const OWN_COLUMN = new Set(['rt', 'if'])

export function linkColumns(t: Words): ReadonlyArray<DataColumn<DirectoryLinkRow>> {
  return [
    { id: 'href', header: t('directory.column.target'), width: 'minmax(260px, 2fr)', value: (row) => row.href, sortable: false },
    { id: 'rt', header: t('directory.column.rt'), width: 'minmax(140px, 1fr)', value: (row) => attribute(row, 'rt'), sortable: false },
    { id: 'if', header: t('directory.column.if'), width: 'minmax(100px, 0.7fr)', value: (row) => attribute(row, 'if'), sortable: false },
    { id: 'more', header: t('directory.column.more'), width: 'minmax(160px, 1.2fr)', value: otherAttributes, sortable: false },
  ]
}

export function attribute(row: DirectoryLinkRow, name: string): string | null {
  return row.attributes.find((each) => each.name === name)?.value ?? null
}

function otherAttributes(row: DirectoryLinkRow): string {
  return row.attributes
    .filter((each) => !OWN_COLUMN.has(each.name))
    .map(attributeText)
    .join('  ')
}

export function attributeText({ name, value }: { readonly name: string; readonly value: string | null }): string {
  return value === null ? name : `${name}=${value}`
}

const sortable: ReadonlySet<string> = new Set<RegistrationSort>([
  'endpointName',
  'sector',
  'base',
  'endpointType',
  'linkCount',
  'expiresAt',
  'source',
])

/** The sorting as the core is asked for it; nothing where the order is that of registration. */
export function sortOf(sort: DataSort | null): { readonly sort?: RegistrationSort; readonly descending: boolean } {
  if (sort === null || !isSort(sort.id)) return { descending: false }
  return { sort: sort.id, descending: sort.desc }
}

function isSort(id: string): id is RegistrationSort {
  return sortable.has(id)
}

/** Link-format with each link on a line of its own, to be read; what is copied is the original. */
export function linesOfLinks(text: string): readonly string[] {
  const lines: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && quoted) at += 1
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === ',' && !quoted && text[at + 1] === '<') {
      lines.push(text.slice(start, at + 1))
      start = at + 1
    }
  }
  if (start < text.length) lines.push(text.slice(start))
  return lines
}
