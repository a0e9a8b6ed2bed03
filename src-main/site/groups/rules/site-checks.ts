// Checks of a device's group table, and of what the site has chosen for all groups (draft-ietf-core-groupcomm-bis-18 §2.2.1, §2.2.2).
import type { FindingRow } from '#contract/model.ts'
import { usesHostNames } from '../naming/index.ts'
import { groupFinding } from './catalogue.ts'
import type { CheckedDevice, CheckedSite } from './types.ts'

/** A delimiter of more bytes is long for a constrained network. */
const SHORT_DELIMITER = 4

export function checkDevice(device: CheckedDevice): readonly FindingRow[] {
  const { id, name, places, wanted, planned } = device
  if (places === null || wanted <= places) return []
  const over = wanted - places
  return [
    groupFinding(
      'memberships-exceeded',
      { kind: 'device', id, name },
      { params: { wanted, places }, remedies: [planned >= over && { id: 'drop-planned', params: { count: over } }] },
    ),
  ]
}

export function checkSite(site: CheckedSite, name: string, addressesLeft: boolean): readonly FindingRow[] {
  const { naming } = site
  const subject = { kind: 'site' as const, id: '*', name }
  const byPath = { id: 'name-by-path' as const }
  const found: FindingRow[] = []
  if (naming.method === 'option') {
    found.push(groupFinding('naming-option-unregistered', subject, { params: { number: naming.optionNumber }, remedies: [byPath] }))
  } else if (naming.method !== 'path') {
    found.push(groupFinding('naming-not-recommended', subject, { params: { method: naming.method }, remedies: [byPath] }))
  }
  if (usesHostNames(naming) && !naming.hasDns) {
    found.push(groupFinding('naming-without-dns', subject, { params: { domain: naming.domain }, remedies: [byPath] }))
  }
  const isInUse = naming.method === 'path' || naming.method === 'query-parameter'
  if (site.hasMesh && isInUse && naming.delimiter.length > SHORT_DELIMITER) {
    found.push(
      groupFinding('delimiter-long', subject, {
        params: { delimiter: naming.delimiter },
        remedies: [{ id: 'short-delimiter', params: { delimiter: 'gp' } }],
      }),
    )
  }
  if (!addressesLeft) found.push(groupFinding('addresses-used-up', subject, { remedies: [{ id: 'allocate-by-prefix' }] }))
  return found
}
