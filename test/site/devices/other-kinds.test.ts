// Devices of other kinds: LwM2M style and any CoAP server. Known, named and tested; their groups are set by other means.
import { describe, expect, it } from 'vitest'
import { silentLogger, utf8 } from '#main/base/index.ts'
import { createLwm2mProfile, createPlainProfile, type DeviceContact } from '#main/site/devices/index.ts'
import { recognise } from '#main/site/devices/recognition.ts'
import { parseLinkFormat, type ClientRequest, type ClientResponse } from '#main/wire/coap/index.ts'

const GROUP = { name: 'hall', address: 'ff35::1', port: 5683 }
const LIGHT = '</>;rt="oma.lwm2m";ct=11542,</1/0>,</3/0>,</3311/0>'

function device(resources: Readonly<Record<string, string>>): DeviceContact & { readonly asked: string[] } {
  const at = { address: '::1', port: 5683 }
  const asked: string[] = []
  const answer = ({ method, path }: ClientRequest): ClientResponse => {
    const where = `/${path.join('/')}`
    asked.push(`${method} ${where}`)
    const text = resources[where]
    return {
      code: text === undefined ? '4.04' : '2.05',
      options: [],
      payload: utf8(text ?? ''),
      contentFormat: 0,
      source: at,
      elapsedMs: 1,
    }
  }
  return {
    at,
    asked,
    client: {
      channelId: 'x',
      request: (_, request) => Promise.resolve(answer(request)),
      groupRequest: () => {
        throw new TypeError('no groups')
      },
      groupRequestBytes: () => 0,
    },
  }
}

describe('an LwM2M device', () => {
  const profile = createLwm2mProfile()

  it.each([
    [LIGHT, true],
    ['</1/0>,</3/0>', true],
    ['</lwm2m/3/0>', true],
    ['</3303/0>', false],
    ['</dev>;rt="gw.device"', false],
    ['', false],
  ])('is known by its objects: %s', (links, known) => {
    expect(profile.recognises(parseLinkFormat(links))).toBe(known)
  })

  it('is named by object 3 and is what its objects say', async () => {
    const lamp = device({ '/3/0/0': 'Acme', '/3/0/1': 'L1', '/3/0/2': 'SN-7\u0007', '/.well-known/core': LIGHT })
    expect(await profile.readIdentity(lamp)).toEqual({ eui64: undefined, serial: 'SN-7', model: 'Acme L1', type: 'luminaire' })
    const silent = device({ '/.well-known/core': '</3/0>,</3303/0>' })
    expect(await profile.readIdentity(silent)).toEqual({ eui64: undefined, serial: undefined, model: undefined, type: 'sensor' })
  })

  it('is switched by On/Off (5850), and read back', async () => {
    expect(profile.groupRequest('on', GROUP)).toEqual({ method: 'PUT', path: ['3311', '0', '5850'], payload: utf8('1'), contentFormat: 0 })
    expect(profile.groupRequest('dance', GROUP)).toBeUndefined()
    expect(await profile.readBack(device({ '/3311/0/5850': '1' }), 'on', GROUP)).toBe('as-commanded')
    expect(await profile.readBack(device({ '/3311/0/5850': 'true' }), 'off', GROUP)).toBe('different')
    expect(await profile.readBack(device({}), 'on', GROUP)).toBe('unreadable')
  })

  it('says that its groups are set by other means', async () => {
    expect(profile.groupTable).toBe('none')
    for (const work of [profile.writeMembership(device({}), GROUP), profile.readMemberships(device({})), profile.identify(device({}), 1)])
      await expect(work).rejects.toMatchObject({ code: 'profile.not-supported', retryable: false })
    expect(profile.describe('add', GROUP)).toEqual([])
  })
})

describe('any CoAP server', () => {
  const profile = createPlainProfile()

  it.each([
    ['</>;title="Porch";ct=0,</l>;rt="acme.light"', 'Porch', 'luminaire'],
    ['</t>;rt="temperature-c";if="sensor"', undefined, 'sensor'],
    ['</b>;if="core.a"', undefined, 'actuator'],
    ['</x>', undefined, 'unknown'],
  ])('is what its links say: %s', async (links, model, type) => {
    expect(profile.recognises(parseLinkFormat(links))).toBe(true)
    expect(await profile.readIdentity(device({ '/.well-known/core': links }))).toMatchObject({ model, type, serial: undefined })
  })

  it('is asked by multicast whether it hears the group, with what changes nothing', async () => {
    expect(profile.groupRequest('who-hears', GROUP)).toEqual({ method: 'GET', path: ['.well-known', 'core'] })
    expect(await profile.readBack(device({}), 'who-hears', GROUP)).toBe('unreadable')
  })

  it('counts only where nothing else does, and everything that the device says was read', async () => {
    const known = { source: 'discovery', endpointName: null, channelId: 'x', links: '</x>' } as const
    const hear = async (core: string): Promise<readonly [string | null, number]> => {
      const server = device({ '/.well-known/core': core })
      const stranger = { ...known, at: server.at, client: server.client }
      const heard = await recognise(stranger, [profile, createLwm2mProfile()], new AbortController().signal, silentLogger)
      return [heard.profileId, server.asked.length]
    }
    expect((await hear(LIGHT))[0]).toBe('lwm2m')
    expect((await hear('</x>,</y>'))[0]).toBe('plain-coap')
    // Who registered in somebody's name, and cannot be asked.
    const unasked = { ...known, at: null, client: undefined }
    expect((await recognise(unasked, [profile], new AbortController().signal, silentLogger)).profileId).toBeNull()
  })
})
