// W3C Web of Things: a Thing Description 1.1 for each device and each group, with forms for CoAP (WoT Thing Description 1.1 §5.3; WoT CoAP binding).
import type { SiteDocument } from '../document.ts'
import { authority, deviceUrn, uuidUrn } from './ids.ts'
import { named, resourcesOf, type FleetResource } from './resources.ts'

/** A command that the members of a group understand, as the test bench sends it. */
export interface GroupAction {
  readonly id: string
  readonly title: string
  readonly method: 'PUT' | 'POST'
  readonly path: string
  readonly contentType: string
}

export type GroupActions = (groupId: string) => readonly GroupAction[]

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
export type ThingDescription = Readonly<Record<string, Json>> & { readonly id: string; readonly title: string }

const CONTEXT: readonly Json[] = ['https://www.w3.org/2022/wot/td/v1.1', { cov: 'http://www.example.org/coap-binding#' }]

/** Devices in the order of the document, then groups. */
export function thingDescriptions(document: SiteDocument, actions: GroupActions = () => []): readonly ThingDescription[] {
  const rooms = new Map(document.rooms.map((room) => [room.id, room.name]))
  const groupsOf = Map.groupBy(
    document.memberships.filter(({ desired }) => desired),
    ({ deviceId }) => deviceId,
  )
  const secured = new Set(document.securityGroups.flatMap(({ members }) => members.map(({ deviceId }) => deviceId)))
  const devices = document.devices.map((device): ThingDescription => {
    const resources = resourcesOf(device.links)
    const collections = (groupsOf.get(device.id) ?? []).map(({ groupId }) => ({
      rel: 'collection',
      href: uuidUrn(document.site.id, groupId),
      type: 'application/td+json',
    }))
    return {
      '@context': CONTEXT,
      id: deviceUrn(document.site.id, device),
      title: device.name,
      description: describe([device.type, device.model, device.roomId === null ? null : rooms.get(device.roomId)]),
      // TD 1.1 has no scheme for OSCORE: `auto` says that the negotiation is the protocol's (§5.3.3.2).
      ...security(secured.has(device.id)),
      ...(device.address === null ? {} : { base: authority(device.address.address, device.address.port) }),
      // Where a device is not known to be, its forms would lead nowhere.
      ...(device.address === null ? {} : { properties: properties(resources) }),
      ...(collections.length === 0 ? {} : { links: collections }),
    }
  })
  return [...devices, ...groupDescriptions(document, actions)]
}

function groupDescriptions(document: SiteDocument, actionsOf: GroupActions): readonly ThingDescription[] {
  const coapGroups = new Map(document.coapGroups.map((group) => [group.id, group]))
  const devices = new Map(document.devices.map((device) => [device.id, device]))
  const protections = new Map(document.protections.map(({ groupId, securityGroupIds }) => [groupId, securityGroupIds]))
  const members = Map.groupBy(
    document.memberships.filter(({ desired }) => desired),
    ({ groupId }) => groupId,
  )
  return document.applicationGroups.flatMap((group): readonly ThingDescription[] => {
    const coap = coapGroups.get(group.coapGroupId)
    if (group.retired || coap === undefined) return []
    const links = (members.get(group.id) ?? []).flatMap(({ deviceId }) => {
      const device = devices.get(deviceId)
      return device === undefined ? [] : [{ rel: 'item', href: deviceUrn(document.site.id, device), type: 'application/td+json' }]
    })
    const actions = actionsOf(group.id).map((action): readonly [string, Json] => [
      action.id,
      {
        title: action.title,
        safe: false,
        // A group answers as its members please (groupcomm-bis §3.1.2): nobody waits for all of them.
        synchronous: false,
        forms: [{ href: action.path, op: 'invokeaction', contentType: action.contentType, 'cov:method': action.method }],
      },
    ])
    return [
      {
        '@context': CONTEXT,
        id: uuidUrn(document.site.id, group.id),
        title: group.name,
        description: describe(['CoAP group', coap.name, group.comment]),
        ...security((protections.get(group.id) ?? []).length > 0),
        base: authority(coap.address, coap.port),
        ...(actions.length === 0 ? {} : { actions: Object.fromEntries(actions) }),
        ...(links.length === 0 ? {} : { links }),
      },
    ]
  })
}

function properties(resources: readonly FleetResource[]): Json {
  return Object.fromEntries(
    named(resources).map(([name, resource]): readonly [string, Json] => {
      const { path, types, title, contentType, observable, readable, writable } = resource
      const readWrite = { href: path, op: [...(readable ? ['readproperty'] : []), ...(writable ? ['writeproperty'] : [])], contentType }
      const observe = { href: path, op: ['observeproperty', 'unobserveproperty'], contentType, subprotocol: 'cov:observe' }
      return [
        name,
        {
          ...(title === undefined ? {} : { title }),
          ...(types.length === 0 ? {} : { description: types.join(' ') }),
          readOnly: !writable,
          writeOnly: false,
          observable,
          forms: observable ? [readWrite, observe] : [readWrite],
        },
      ]
    }),
  )
}

function security(isProtected: boolean): { readonly security: readonly string[]; readonly securityDefinitions: Json } {
  return isProtected
    ? { security: ['oscore'], securityDefinitions: { oscore: { scheme: 'auto', description: 'OSCORE or Group OSCORE' } } }
    : { security: ['nosec'], securityDefinitions: { nosec: { scheme: 'nosec' } } }
}

function describe(parts: ReadonlyArray<string | null | undefined>): string {
  return parts.filter((part) => part !== null && part !== undefined && part !== '').join(', ')
}
