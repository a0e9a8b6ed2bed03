// How a device is told which security groups it is in: a resource of type `gw.security`, under the OSCORE context that it was enrolled
// with (docs/demo-devices.md). Devices name it in their links, with the number of security groups that they have places for.
import { AppError, utf8, utf8ToText, type DeviceId } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import { isSuccess, parseLinkFormat, type ClientRequest, type ClientResponse, type RequestSecurity } from '#main/wire/coap/index.ts'
import type { DeviceDoor, DeviceDoorState } from './types.ts'

export const SECURITY_TYPE = 'gw.security'
const JSON_FORMAT = 50
const MOST_GROUPS = 256
const LONGEST_ANSWER_BYTES = 32 * 1024

export interface DeviceDoorPorts {
  readonly devices: DeviceDirectory
  /** Link-format text as it was received last. */
  readonly links: (deviceId: DeviceId) => string | undefined
  /** Keys shared with the device; undefined where it is not enrolled. */
  readonly securityOf: (deviceId: DeviceId) => RequestSecurity | undefined
  /** Where a device on that channel finds the group at the Group Manager. */
  readonly joiningUri: (channelId: string, groupName: string) => string | undefined
  readonly onEnrolled: (listener: (deviceIds: readonly DeviceId[]) => void) => () => void
}

interface Offer {
  readonly supported: boolean
  readonly places: number | null
  readonly path: readonly string[]
}

interface Known extends Offer {
  readonly text: string
}

export function createDeviceDoor(ports: DeviceDoorPorts): DeviceDoor {
  const { devices, links, securityOf } = ports
  const known = new Map<DeviceId, Known>()

  function offer(deviceId: DeviceId): Offer | undefined {
    const text = links(deviceId)
    if (text === undefined) return undefined
    const before = known.get(deviceId)
    if (before?.text === text) return before
    const found = { ...readOffer(text), text }
    known.set(deviceId, found)
    return found
  }

  async function ask(deviceId: DeviceId, request: ClientRequest, signal: AbortSignal): Promise<ClientResponse> {
    const { contact } = devices.contact(deviceId)
    const security = securityOf(deviceId)
    if (security === undefined) throw new AppError('security.not-enrolled', 'The device shares no keys with this tool')
    const response = await contact.client.request(contact.at, { ...request, security }, { signal })
    // What was not protected may have been said by anybody (RFC 8613 §8.4).
    if (response.peer === undefined) throw refused(response, 'security.not-enrolled')
    if (response.code === '4.09') throw refused(response, 'security.no-place')
    if (!isSuccess(response.code)) throw refused(response, 'profile.reply-unexpected')
    return response
  }

  function pathOf(deviceId: DeviceId): readonly string[] {
    const found = offer(deviceId)
    if (found?.supported !== true) throw new AppError('security.not-supported', 'The device does not take part in security groups')
    return found.path
  }

  return {
    offer,
    isEnrolled: (deviceId) => securityOf(deviceId) !== undefined,
    async read(deviceId, signal) {
      return statesFrom((await ask(deviceId, { method: 'GET', path: pathOf(deviceId) }, signal)).payload)
    },
    async tell(deviceId, name, { roles, applicationGroups }, signal) {
      const { channelId } = devices.contact(deviceId).contact.client
      const uri = ports.joiningUri(channelId, name)
      if (uri === undefined) throw new AppError('network.down', 'There is no address at which the device reaches the Group Manager')
      const words = [...(roles.requester ? ['requester'] : []), ...(roles.responder ? ['responder'] : [])]
      const payload = utf8(JSON.stringify({ gm: uri, r: words, apps: applicationGroups }))
      await ask(deviceId, { method: 'PUT', path: [...pathOf(deviceId), name], payload, contentFormat: JSON_FORMAT }, signal)
    },
    async release(deviceId, name, signal) {
      await ask(deviceId, { method: 'DELETE', path: [...pathOf(deviceId), name] }, signal)
    },
    onChange: (listener) => ports.onEnrolled(listener),
  }
}

function readOffer(text: string): Offer {
  try {
    for (const { href, attributes } of parseLinkFormat(text)) {
      const types = attributes.flatMap(({ name, value }) => (name === 'rt' && value !== null ? value.split(' ') : []))
      if (!types.includes(SECURITY_TYPE) || !href.startsWith('/')) continue
      const places = Number(attributes.find(({ name }) => name === 'places')?.value ?? Number.NaN)
      const path = href.split('/').slice(1).map(decodeURIComponent)
      return { supported: true, places: Number.isInteger(places) && places >= 0 ? places : null, path }
    }
  } catch {
    // Links that cannot be read offer nothing.
  }
  return { supported: false, places: null, path: [] }
}

function statesFrom(payload: Uint8Array): readonly DeviceDoorState[] {
  const value = payload.length > LONGEST_ANSWER_BYTES ? undefined : jsonFrom(utf8ToText(payload))
  const groups: unknown = typeof value === 'object' && value !== null && 'groups' in value ? value.groups : undefined
  if (!Array.isArray(groups)) throw new AppError('profile.reply-unexpected', 'The device does not say which security groups it is in')
  return groups.slice(0, MOST_GROUPS).flatMap((group: unknown) => {
    if (typeof group !== 'object' || group === null || !('n' in group) || !('s' in group)) return []
    const { n: name, s: state } = group
    if (typeof name !== 'string' || (state !== 'joining' && state !== 'joined' && state !== 'failed')) return []
    const reason = 'e' in group && typeof group.e === 'string' ? group.e.replace(/\p{Cc}+/gu, ' ').slice(0, 200) : ''
    return [{ name, state, reason }]
  })
}

function jsonFrom(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

function refused(response: ClientResponse, code: 'security.not-enrolled' | 'security.no-place' | 'profile.reply-unexpected'): AppError {
  return new AppError(code, `The device answered ${response.code}`, {
    retryable: response.code.startsWith('5.'),
    details: { code: response.code },
  })
}
