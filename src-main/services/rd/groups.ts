// Application groups as registrations: the CoAP group's address is the base, the type says that it is a group (RFC 9176 Appendix A).
import { GROUP_ENDPOINT_TYPE } from '#main/wire/coap/index.ts'
import { invalid, LONGEST_LIFETIME_S } from './parameters.ts'
import type { GroupInput, RegistrationInput } from './types.ts'
import { isUnicastUri } from './uri.ts'

/** Throws `rd.parameter-invalid`. */
export function groupInput(group: GroupInput): RegistrationInput {
  if (isUnicastUri(group.base)) throw invalid('base', 'The address of a group must be a multicast address')
  const { attributes = [] } = group
  const typed = attributes.some(({ name, value }) => name.toLowerCase() === 'et' && value === GROUP_ENDPOINT_TYPE)
  return {
    endpointName: group.name,
    ...(group.sector === undefined ? {} : { sector: group.sector }),
    base: group.base,
    lifetimeS: group.lifetimeS ?? LONGEST_LIFETIME_S,
    attributes: typed ? attributes : [{ name: 'et', value: GROUP_ENDPOINT_TYPE }, ...attributes],
    links: group.links,
  }
}
