// The details of a site as a form edits them.
import type { SiteDetails } from '#contract/model.ts'

export type EditableDetails = { -readonly [Field in keyof SiteDetails]: string }

export const detailFields = ['name', 'organisation', 'address', 'operator'] as const satisfies ReadonlyArray<keyof SiteDetails>

export function emptyDetails(name = ''): EditableDetails {
  return { name, organisation: '', address: '', operator: '' }
}
