// The resource `/sec`: which security groups the device is in, told by the tool alone (docs/demo-devices.md).
import { utf8, utf8ToText } from '#main/base/index.ts'
import type { IncomingRequest, OutgoingResponse } from '#main/wire/coap/index.ts'
import { readGroupUri } from './membership.ts'
import { isObject, rolesFrom, textsFrom } from './security-memory.ts'
import { PLACES, type SecurityBinding, type SecurityGroupView } from './types.ts'

/** What stands behind the resource. */
export interface SecurityTable {
  readonly views: readonly SecurityGroupView[]
  /** Takes the place of what was there under the name. */
  put(binding: SecurityBinding): void
  remove(name: string): void
}

const JSON_FORMAT = 50
const LONGEST_NAME_BYTES = 63
/** A device cannot be in more application groups than its group table has places. */
const MOST_APPS = 8

export function serveSecurity({ method, path, payload, contentFormat }: IncomingRequest, table: SecurityTable): OutgoingResponse {
  const [, name, more] = path
  if (name === undefined) return method === 'GET' ? listing(table.views) : { code: '4.05' }
  if (more !== undefined) return { code: '4.04' }
  if (method === 'DELETE') {
    table.remove(name)
    return { code: '2.02' }
  }
  if (method !== 'PUT') return { code: '4.05' }
  if (contentFormat !== undefined && contentFormat !== JSON_FORMAT) return { code: '4.15' }
  const binding = readBinding(name, payload)
  if (typeof binding === 'string') return { code: '4.00', payload: utf8(binding) }
  const isKnown = table.views.some((view) => view.name === name)
  if (!isKnown && table.views.length >= PLACES) return { code: '4.09', payload: utf8('security groups full') }
  table.put(binding)
  return { code: isKnown ? '2.04' : '2.01' }
}

function listing(views: readonly SecurityGroupView[]): OutgoingResponse {
  const groups = views.map(({ name, state, generation, apps, reason }) => ({
    n: name,
    s: state,
    g: generation,
    apps: [...apps],
    e: reason,
  }))
  return { code: '2.05', contentFormat: JSON_FORMAT, payload: utf8(JSON.stringify({ places: PLACES, groups })) }
}

/** Or what is wrong with it. */
function readBinding(name: string, payload: Uint8Array): SecurityBinding | string {
  if (name === '' || utf8(name).length > LONGEST_NAME_BYTES) return 'group name too long'
  const value = readJson(payload)
  if (!isObject(value)) return 'no JSON object'
  const { gm, r, apps } = value
  const roles = rolesFrom(r)
  const names = textsFrom(apps)
  if (typeof gm !== 'string' || readGroupUri(gm)?.name !== name) return 'gm must be the URI of the group'
  if (roles === undefined) return 'r must name roles'
  if (names === undefined || names.length > MOST_APPS || names.some((app) => utf8(app).length > LONGEST_NAME_BYTES))
    return 'apps must be names of application groups'
  return { name, manager: gm, roles, apps: names, evicted: false }
}

function readJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8ToText(payload) ?? '')
  } catch {
    return undefined
  }
}
