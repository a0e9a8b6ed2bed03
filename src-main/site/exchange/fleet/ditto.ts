// Eclipse Ditto: one policy for the site, one thing for each device and each group, and the protocol messages that create or replace them
// (Ditto protocol, things and policies of API version 2).
import { sha256, toHex, utf8 } from '#main/base/index.ts'
import type { SiteDocument } from '../document.ts'
import { deviceUrn, uuidUrn } from './ids.ts'
import { named, resourcesOf } from './resources.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

export interface DittoOptions {
  /** Before the colon of every id, like a Java package. */
  readonly namespace: string
  /** Who may read and write, as the Ditto installation names subjects, e.g. `nginx:ditto`. */
  readonly subject: string
}

export interface DittoPolicy {
  readonly policyId: string
  readonly entries: Json
}

export interface DittoThing {
  readonly thingId: string
  readonly policyId: string
  readonly attributes: Json
  readonly features: Json
}

export interface DittoModel {
  readonly policy: DittoPolicy
  readonly things: readonly DittoThing[]
}

export const DITTO_DEFAULTS: DittoOptions = { namespace: 'groupwright.site', subject: 'nginx:ditto' }
/** Ditto's rule for namespaces. */
export const DITTO_NAMESPACE = /^(?:(?:[a-zA-Z]\w*)(?:[.-][a-zA-Z]\w*)*)$/

export function dittoModel(document: SiteDocument, options: DittoOptions = DITTO_DEFAULTS): DittoModel {
  const policyId = `${options.namespace}:${plainName(document.site.id)}`
  const everything = { grant: ['READ', 'WRITE'], revoke: [] }
  const policy: DittoPolicy = {
    policyId,
    entries: {
      owner: {
        subjects: { [options.subject]: { type: 'the owner of the building' } },
        resources: { 'policy:/': everything, 'thing:/': everything, 'message:/': everything },
      },
    },
  }
  const rooms = new Map(document.rooms.map((room) => [room.id, room.name]))
  const roomOf = (id: string | null): string | null => (id === null ? null : (rooms.get(id) ?? null))
  const groups = new Map(document.applicationGroups.map((group) => [group.id, group]))
  const desired = document.memberships.filter((cell) => cell.desired)
  const cellsOf = Map.groupBy(desired, ({ deviceId }) => deviceId)
  const membersOf = Map.groupBy(desired, ({ groupId }) => groupId)
  const coapGroups = new Map(document.coapGroups.map((group) => [group.id, group]))
  const protections = new Map(document.protections.map(({ groupId, securityGroupIds }) => [groupId, securityGroupIds]))

  const devices = document.devices.map((device): DittoThing => {
    const memberships = (cellsOf.get(device.id) ?? []).map(({ groupId, outcome }) => ({
      group: groups.get(groupId)?.name ?? groupId,
      outcome,
    }))
    const resources = named(resourcesOf(device.links)).map(([name, { path, types, interfaces, contentType }]): readonly [string, Json] => [
      name,
      { properties: { path, resourceTypes: types, interfaces, contentType } },
    ])
    return {
      thingId: `${options.namespace}:${plainName(device.id)}`,
      policyId,
      attributes: {
        kind: 'device',
        urn: deviceUrn(document.site.id, device),
        site: document.site.name,
        name: device.name,
        type: device.type,
        room: roomOf(device.roomId),
        serial: device.serial,
        eui64: device.eui64,
        model: device.model,
        state: device.state,
        stateAt: device.stateAt,
        address: device.address === null ? null : `[${device.address.address}]:${device.address.port}`,
      },
      features: { membership: { properties: { groups: memberships } }, ...Object.fromEntries(resources) },
    }
  })
  const groupThings = document.applicationGroups.flatMap((group): readonly DittoThing[] => {
    const coap = coapGroups.get(group.coapGroupId)
    if (group.retired || coap === undefined) return []
    const names = new Map(document.securityGroups.map(({ id, name }) => [id, name]))
    return [
      {
        thingId: `${options.namespace}:${plainName(group.id)}`,
        policyId,
        attributes: {
          kind: 'group',
          urn: uuidUrn(document.site.id, group.id),
          site: document.site.name,
          name: group.name,
          room: roomOf(group.roomId),
          address: coap.address,
          port: coap.port,
          protection: (protections.get(group.id) ?? []).map((id) => names.get(id) ?? id),
        },
        features: {
          members: {
            properties: { things: (membersOf.get(group.id) ?? []).map(({ deviceId }) => `${options.namespace}:${plainName(deviceId)}`) },
          },
        },
      },
    ]
  })
  return { policy, things: [...devices, ...groupThings] }
}

export interface DittoMessage {
  readonly topic: string
  readonly headers: Readonly<Record<string, Json>>
  readonly path: string
  readonly value: Json
}

/** Creates or replaces: the same message may come twice. The policy has to be there before its things. */
export function dittoMessages({ policy, things }: DittoModel): readonly DittoMessage[] {
  return [
    message(policy.policyId, 'policies', { policyId: policy.policyId, entries: policy.entries }),
    ...things.map(({ thingId, policyId, attributes, features }) =>
      message(thingId, 'things/twin', { thingId, policyId, attributes, features }),
    ),
  ]
}

function message(id: string, channel: string, value: Json): DittoMessage {
  const [namespace = '', name = ''] = id.split(':')
  return {
    topic: `${namespace}/${name}/${channel}/commands/modify`,
    // The same content has the same correlation: a repetition can be told from a change.
    headers: {
      'content-type': 'application/json',
      'correlation-id': toHex(sha256(utf8(JSON.stringify(value)))).slice(0, 32),
      'response-required': false,
    },
    path: '/',
    value,
  }
}

/** Ditto's names take no slashes and no control characters; ours have neither, those of an import may. */
function plainName(id: string): string {
  return id.replaceAll(/[^\w.~-]/g, '_')
}
