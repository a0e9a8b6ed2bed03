// Any CoAP server with `/.well-known/core` (RFC 6690): what it offers is known, and whether it hears a group can be tried. Nothing says how
// it is put into groups.
import { AppError } from '#main/base/index.ts'
import type { Link } from '#main/wire/coap/index.ts'
import { deviceType, type DeviceType } from '#contract/model.ts'
import { linksIn } from '../core-links.ts'
import type { DeviceProfile } from '../profile.ts'

export const PLAIN_PROFILE_ID = 'plain-coap'

/** Words in resource types of well-known vocabularies, and what a device with one is. */
const TYPES: ReadonlyArray<readonly [RegExp, DeviceType]> = [
  [/(^|\.)(light|lamp|luminaire|dimmer)s?(\.|$)/, 'luminaire'],
  [/(^|\.)thermostat(\.|$)/, 'thermostat'],
  [/(^|\.)(blind|shade|shutter)s?(\.|$)/, 'blind'],
  [/(^|\.)(presence|occupancy|motion)(\.|$)/, 'presence-sensor'],
  [/(^|\.)(switch|button)(\.|$)/, 'switch'],
  [/(^|\.)(temperature|temp|humidity|illuminance|sensor|core\.s)(-c)?(\.|$)/, 'sensor'],
  [/(^|\.)(core\.a|actuator|relay)(\.|$)/, 'actuator'],
]
const CORE = { method: 'GET', path: ['.well-known', 'core'] } as const

export function createPlainProfile(): DeviceProfile {
  return {
    id: PLAIN_PROFILE_ID,
    name: 'CoAP server',
    groupTable: 'none',
    isFallback: true,
    actions: [{ id: 'who-hears', label: 'Who hears it', types: deviceType.options }],
    recognises: (links) => links.some(({ href }) => href.startsWith('/') && href !== '/.well-known/core'),
    async readIdentity({ client, at }, signal) {
      const links = linksIn(await client.request(at, CORE, signal === undefined ? {} : { signal }))
      return { eui64: undefined, serial: undefined, model: titleOf(links), type: typeOf(links) }
    },
    identify: () => Promise.reject(notSupported('show itself')),
    readMemberships: () => Promise.reject(notSupported('tell its groups')),
    writeMembership: () => Promise.reject(notSupported('be put into groups')),
    removeMembership: () => Promise.reject(notSupported('be taken out of groups')),
    describe: () => [],
    // A question that changes nothing (RFC 7252 §8.1): whoever answers listens to the group.
    groupRequest: (actionId) => (actionId === 'who-hears' ? CORE : undefined),
    // Only the answer to the group's own address proves anything.
    readBack: () => Promise.resolve('unreadable'),
  }
}

function notSupported(what: string): AppError {
  return new AppError('profile.not-supported', `Nothing says how this CoAP server can ${what}`)
}

function typeOf(links: readonly Link[]): DeviceType {
  const words = links.flatMap(({ attributes }) =>
    attributes.filter(({ name }) => name === 'rt' || name === 'if').flatMap(({ value }) => (value ?? '').toLowerCase().split(' ')),
  )
  return TYPES.find(([pattern]) => words.some((word) => pattern.test(word)))?.[1] ?? 'unknown'
}

/** What the root calls itself (`title`, RFC 8288 §3.4.1). */
function titleOf(links: readonly Link[]): string | undefined {
  const root = links.find(({ href }) => href === '/')
  const title = root?.attributes.find(({ name }) => name === 'title')?.value?.trim()
  return title === undefined || title === '' ? undefined : title.slice(0, 80)
}
