// Devices in the style of OMA LwM2M: objects and instances as paths, single resources as text. They are recognised, named and tested; who
// reacts to a group is set on them by other means, for LwM2M has no object for CoAP groups that devices share.
import { AppError, utf8, utf8ToText } from '#main/base/index.ts'
import type { ClientRequest, Link } from '#main/wire/coap/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { linksIn } from '../core-links.ts'
import type { DeviceContact, DeviceProfile, ProfileAction } from '../profile.ts'

export const LWM2M_PROFILE_ID = 'lwm2m'

/** `/3/0` and alike: object id and instance, with or without a resource; an alternate path may stand before it. */
const OBJECT = /^(?:\/[^/\d][^/]*)?\/(\d{1,5})(?:\/(\d{1,5}))?$/
const DEVICE_OBJECT = 3
const MANUFACTURER = '0'
const MODEL = '1'
const SERIAL = '2'
const TEXT_PLAIN = 0

/** Objects of the OMA registry that say what a device is; the first that it has counts. */
const TYPES: ReadonlyArray<readonly [number, DeviceType]> = [
  [3311, 'luminaire'],
  [3308, 'thermostat'],
  [3342, 'switch'],
  [3347, 'switch'],
  [3302, 'presence-sensor'],
  [3312, 'actuator'],
  [3306, 'actuator'],
  [3303, 'sensor'],
  [3304, 'sensor'],
  [3301, 'sensor'],
  [3300, 'sensor'],
]

interface SwitchAction extends ProfileAction {
  readonly path: readonly string[]
  readonly value: '0' | '1'
}

/** On/Off is resource 5850 of light control (3311) and power control (3312). */
const ACTIONS: readonly SwitchAction[] = [
  { id: 'on', label: 'On', types: ['luminaire'], path: ['3311', '0', '5850'], value: '1' },
  { id: 'off', label: 'Off', types: ['luminaire'], path: ['3311', '0', '5850'], value: '0' },
  { id: 'power-on', label: 'Power on', types: ['actuator'], path: ['3312', '0', '5850'], value: '1' },
  { id: 'power-off', label: 'Power off', types: ['actuator'], path: ['3312', '0', '5850'], value: '0' },
]

export function createLwm2mProfile(): DeviceProfile {
  return {
    id: LWM2M_PROFILE_ID,
    name: 'LwM2M',
    groupTable: 'none',
    actions: ACTIONS.map(({ id, label, types }) => ({ id, label, types })),
    recognises: (links) => links.some(isRoot) || objectsIn(links).has(DEVICE_OBJECT),
    async readIdentity(contact, signal) {
      const maker = await readText(contact, ['3', '0', MANUFACTURER], signal)
      const model = await readText(contact, ['3', '0', MODEL], signal)
      const serial = await readText(contact, ['3', '0', SERIAL], signal)
      const name = [maker, model].filter((part) => part !== undefined).join(' ')
      const links = await readLinks(contact, signal)
      return { eui64: undefined, serial, model: name === '' ? undefined : name.slice(0, 80), type: typeOf(links) }
    },
    identify: () => Promise.reject(notSupported('show itself')),
    readMemberships: () => Promise.reject(notSupported('tell its groups')),
    writeMembership: () => Promise.reject(notSupported('be put into groups')),
    removeMembership: () => Promise.reject(notSupported('be taken out of groups')),
    describe: () => [],
    groupRequest: (actionId) => requestOf(ACTIONS.find(({ id }) => id === actionId)),
    async readBack(contact, actionId, _group, signal) {
      const action = ACTIONS.find(({ id }) => id === actionId)
      const said = action === undefined ? undefined : await readText(contact, action.path, signal)
      if (action === undefined || said === undefined) return 'unreadable'
      // Some write truth values as words.
      const value = said === 'true' ? '1' : said === 'false' ? '0' : said
      return value === action.value ? 'as-commanded' : 'different'
    },
  }
}

function requestOf(action: SwitchAction | undefined): ClientRequest | undefined {
  if (action === undefined) return undefined
  return { method: 'PUT', path: action.path, payload: utf8(action.value), contentFormat: TEXT_PLAIN }
}

function isRoot({ attributes }: Link): boolean {
  return attributes.some(({ name, value }) => name === 'rt' && (value ?? '').split(' ').includes('oma.lwm2m'))
}

/** Ids of the objects that the links name. */
export function objectsIn(links: readonly Link[]): ReadonlySet<number> {
  return new Set(links.flatMap(({ href }) => Number(OBJECT.exec(href)?.[1] ?? Number.NaN)).filter((id) => !Number.isNaN(id)))
}

function typeOf(links: readonly Link[]): DeviceType {
  const objects = objectsIn(links)
  return TYPES.find(([object]) => objects.has(object))?.[1] ?? 'unknown'
}

async function readText(contact: DeviceContact, path: readonly string[], signal: AbortSignal | undefined): Promise<string | undefined> {
  const request = { method: 'GET', path, accept: TEXT_PLAIN } as const
  const { code, payload } = await contact.client.request(contact.at, request, signal === undefined ? {} : { signal })
  if (code !== '2.05') return undefined
  const text = utf8ToText(payload.subarray(0, 400))
    ?.replace(/\p{Cc}+/gu, ' ')
    .trim()
  return text === undefined || text === '' ? undefined : text.slice(0, 80)
}

async function readLinks({ client, at }: DeviceContact, signal: AbortSignal | undefined): Promise<readonly Link[]> {
  const request = { method: 'GET', path: ['.well-known', 'core'] } as const
  return linksIn(await client.request(at, request, signal === undefined ? {} : { signal }))
}

function notSupported(what: string): AppError {
  return new AppError('profile.not-supported', `An LwM2M device cannot ${what} over CoAP`)
}
