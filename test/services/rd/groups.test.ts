// RFC 9176 Appendix A: application groups that this program announces.
import { describe, expect, it } from 'vitest'
import { asLinks, RdHarness } from './harness.ts'

const LIGHTS = {
  name: 'lights',
  base: 'coap://[ff35:30:2001:db8:f1::8000:1]',
  links: [
    {
      href: '/light',
      attributes: [
        { name: 'rt', value: 'tag:example.com,2020:light' },
        { name: 'if', value: 'tag:example.net,2020:actuator' },
      ],
    },
    {
      href: '/color-temperature',
      attributes: [
        { name: 'if', value: 'tag:example.net,2020:parameter' },
        { name: 'u', value: 'K' },
      ],
    },
  ],
} as const

describe('RFC 9176 Appendix A', () => {
  it('Figures 27 to 29: a group that this program registers is found by its type, and so are its resources', async () => {
    const rd = new RdHarness()
    const { location } = rd.directory.registerGroup(LIGHTS)
    expect(asLinks(await rd.lookup('ep?et=core.rd-group'))).toEqual(
      asLinks(`<${location}>;ep=lights;et=core.rd-group;base="coap://[ff35:30:2001:db8:f1::8000:1]";rt=core.rd-ep`),
    )
    expect(asLinks(await rd.lookup('res?et=core.rd-group'))).toEqual(
      asLinks(`<coap://[ff35:30:2001:db8:f1::8000:1]/light>;rt="tag:example.com,2020:light";if="tag:example.net,2020:actuator",
        <coap://[ff35:30:2001:db8:f1::8000:1]/color-temperature>;if="tag:example.net,2020:parameter";u=K`),
    )
  })

  it('finds groups by name, sector, CoAP group, attribute and resource', async () => {
    const rd = new RdHarness()
    rd.directory.registerGroup({ ...LIGHTS, sector: 'floor-3', attributes: [{ name: 'room', value: '3.12' }] })
    rd.directory.registerGroup({ name: 'blinds', base: 'coap://224.0.1.200', links: [{ href: '/b', attributes: [] }] })
    await rd.register('ep=lamp', '</light>;rt="tag:example.com,2020:light"')
    for (const criterion of ['ep=lights', 'd=floor-3', 'base=coap://[ff35*', 'room=3.12', 'rt=tag:example.com,2020:light']) {
      expect(await rd.lookup(`ep?et=core.rd-group&${criterion}`)).toMatch(/^[^,]*ep="lights"[^,]*$/)
    }
    expect(asLinks(await rd.lookup('ep?et=core.rd-group'))).toHaveLength(2)
  })

  it('stays until it is removed, and a changed one keeps its location', async () => {
    const rd = new RdHarness()
    const first = rd.directory.registerGroup(LIGHTS)
    await rd.clock.advance(10 * 365 * 86_400_000)
    const moved = rd.directory.registerGroup({ ...LIGHTS, base: 'coap://[ff35::2]', attributes: [{ name: 'et', value: 'core.rd-group' }] })
    expect(moved).toMatchObject({ location: first.location, base: 'coap://[ff35::2]' })
    expect(moved.attributes).toEqual([{ name: 'et', value: 'core.rd-group' }])
    expect(rd.directory.remove(moved.id)).toBe(true)
    expect(await rd.lookup('ep?et=core.rd-group')).toBe('')
    expect(rd.store.rows.size).toBe(0)
  })

  it.each(['coap://[2001:db8::1]', 'coap://[::ffff:1]:61616', 'coap://192.0.2.1', 'coap://240.0.0.1:5683', 'coaps://u@[fe80::1]'])(
    'the address %s, of one node, is not that of a group',
    (base) => {
      const rd = new RdHarness()
      expect(() => rd.directory.registerGroup({ ...LIGHTS, base })).toThrow('multicast')
      expect(rd.directory.size).toBe(0)
    },
  )

  it.each(['coap://[FF05::1]:5685', 'coap://239.1.2.3', 'coap://all.floor3.example'])('the address %s may be that of a group', (base) => {
    expect(new RdHarness().directory.registerGroup({ ...LIGHTS, base }).base).toBe(base)
  })
})
