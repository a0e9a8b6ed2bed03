// RFC 9176 §4.3, §5, §5.3 from the registrant's side, at a directory of ours.
import { describe, expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { discoverDirectory, lookUpAt, registerAt, removeAt, renewAt } from '#main/services/rd/index.ts'
import { linkAttribute, ResourceTree } from '#main/wire/coap/index.ts'
import { bench, OURS } from '../../wire/coap/harness.ts'
import { rdNetwork } from './network.ts'

const INPUT = {
  endpointName: 'lamp 1 & more',
  sector: 'floor-1',
  base: 'coap://[2001:db8::ab]',
  attributes: [
    { name: 'et', value: 'x.lamp' },
    { name: 'flag', value: null },
  ],
  links: [{ href: '/l', attributes: [{ name: 'rt', value: 'x.light' }] }],
}

describe('a registrant', () => {
  it('finds the interfaces, registers, renews, looks up and removes', async () => {
    const place = rdNetwork()
    const { endpoint: client } = place.device('2001:db8::9')
    const directory = await place.clock.until(discoverDirectory(client, OURS))
    expect(directory).toEqual({ register: ['rd'], lookupResources: ['rd-lookup', 'res'], lookupEndpoints: ['rd-lookup', 'ep'] })
    const registration = await place.clock.until(registerAt(client, OURS, directory.register!, INPUT))
    const known = place.directory.find(INPUT.endpointName, INPUT.sector)
    expect(known).toMatchObject({ base: INPUT.base, lifetimeS: 90_000, attributes: INPUT.attributes, links: '</l>;rt="x.light"' })
    expect(`/${registration.location.join('/')}`).toBe(known?.location)
    await place.clock.until(renewAt(client, OURS, registration, 600))
    expect(place.directory.find(INPUT.endpointName, INPUT.sector)?.lifetimeS).toBe(600)
    const found = await place.clock.until(lookUpAt(client, OURS, directory.lookupEndpoints!, ['ep=lamp 1 & more']))
    expect(found.map((link) => linkAttribute(link, 'd'))).toEqual(['floor-1'])
    await place.clock.until(removeAt(client, OURS, registration))
    expect(place.directory.size).toBe(0)
  })

  it('is told what the directory refuses', async () => {
    const place = rdNetwork()
    const { endpoint: client } = place.device('2001:db8::9')
    const gone = { location: ['rd', 'nobody'] }
    const attempts: ReadonlyArray<Promise<unknown>> = [
      renewAt(client, OURS, gone),
      removeAt(client, OURS, gone),
      registerAt(client, OURS, ['elsewhere'], INPUT),
    ]
    for (const attempt of attempts)
      await expect(place.clock.until(attempt)).rejects.toMatchObject({ code: 'coap.response-error', details: { code: '4.04' } })
    const unspeakable = registerAt(client, OURS, ['rd'], { ...INPUT, base: 'nonsense' })
    await expect(place.clock.until(unspeakable)).rejects.toMatchObject({ code: 'rd.parameter-invalid' })
  })

  it.each([
    ['', {}],
    ['</a%20b/>;rt=core.rd', { register: ['a b', ''] }],
    ['<coap://other.example/rd>;rt=core.rd,</r>;rt="x core.rd-lookup-res"', { lookupResources: ['r'] }],
    ['</%>;rt=core.rd', { register: ['%'] }],
  ])('reads the links "%s" as %j', async (links, interfaces) => {
    const place = bench()
    const tree = new ResourceTree()
    const core = place.another('2001:db8::d', { tree })
    tree.find(['.well-known', 'core'])!.handlers.GET = () => ({ code: '2.05', contentFormat: 40, payload: utf8(links) })
    const found = discoverDirectory(place.endpoint, core.local)
    const none = { register: undefined, lookupResources: undefined, lookupEndpoints: undefined }
    expect(await place.clock.until(found)).toEqual({ ...none, ...interfaces })
  })
})
