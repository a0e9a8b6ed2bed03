// Every example of RFC 9176 §4.3, §5, §5.3 and §6 and of Appendix A that concerns registration and lookup.
import { describe, expect, it } from 'vitest'
import { asLinks, RdHarness } from './harness.ts'

const FIGURE_8 = '</sensors/temp>;rt=temperature-c;if=sensor,<http://www.example.com/sensors/temp>;anchor="/sensors/temp";rel=describedby'
/** The sixth response of RFC 6690 §5. */
const RFC_6690_SIXTH = `</sensors>;ct=40;title="Sensor Index",
  </sensors/temp>;rt="temperature-c";if="sensor",
  </sensors/light>;rt="light-lux";if="sensor",
  <http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",
  </t>;anchor="/sensors/temp";rel="alternate"`.replaceAll(/\n\s*/g, '')

describe('RFC 9176 §4.3', () => {
  it('Figures 5 and 6: a client discovers the directory by rt=core.rd*, and that lookups can be observed', async () => {
    const rd = new RdHarness()
    const answer = await rd.ask('GET', '/.well-known/core?rt=core.rd*')
    expect(answer.code).toBe('2.05')
    expect(new Set(asLinks(answer.text))).toEqual(
      new Set(
        asLinks('</rd>;rt=core.rd;ct=40,</rd-lookup/ep>;rt=core.rd-lookup-ep;ct=40;obs,</rd-lookup/res>;rt=core.rd-lookup-res;ct=40;obs'),
      ),
    )
  })

  it.each([
    ['core.rd', ['</rd>;ct=40;rt=core.rd']],
    ['core.rd-lookup-res', ['</rd-lookup/res>;ct=40;obs;rt=core.rd-lookup-res']],
    ['core.rd-lookup-ep', ['</rd-lookup/ep>;ct=40;obs;rt=core.rd-lookup-ep']],
    ['core.rd-lookup*', ['</rd-lookup/res>;ct=40;obs;rt=core.rd-lookup-res', '</rd-lookup/ep>;ct=40;obs;rt=core.rd-lookup-ep']],
  ])('discovery by rt=%s finds just those', async (rt, links) => {
    const rd = new RdHarness()
    expect(asLinks((await rd.ask('GET', `/.well-known/core?rt=${rt}`)).text)).toEqual(links)
  })
})

describe('RFC 9176 §5', () => {
  it('Figure 8: node1 registers two links and gets a location', async () => {
    const rd = new RdHarness()
    const answer = await rd.ask('POST', '/rd?ep=node1', { contentFormat: 40, payload: FIGURE_8 })
    expect(answer.code).toBe('2.01')
    expect(answer.location).toMatch(/^\/rd\/[0-9a-z]+$/)
    expect(answer.options.filter((option) => option.number !== 8)).toEqual([])
    expect(asLinks(await rd.lookup('res?ep=node1'))).toEqual(
      asLinks(`<coap://[2001:db8:3::123]:61616/sensors/temp>;rt=temperature-c;if=sensor,
        <http://www.example.com/sensors/temp>;anchor="coap://[2001:db8:3::123]:61616/sensors/temp";rel=describedby`),
    )
  })

  it('Figure 9: the same with an explicit base of another scheme', async () => {
    const rd = new RdHarness()
    await rd.register('ep=node1&base=http://[2001:db8:1::1]', FIGURE_8)
    expect(asLinks(await rd.lookup('res?rt=temperature-c'))).toEqual(
      asLinks('<http://[2001:db8:1::1]/sensors/temp>;rt=temperature-c;if=sensor'),
    )
  })
})

describe('RFC 9176 §5.3', () => {
  it('Figure 13: an update without parameters resets the timeout', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=node1&lt=600', FIGURE_8)
    await rd.clock.advance(599_000)
    expect((await rd.ask('POST', location)).code).toBe('2.04')
    await rd.clock.advance(599_000)
    expect(await rd.lookup('ep?ep=node1')).not.toBe('')
    await rd.clock.advance(1001)
    expect(await rd.lookup('ep?ep=node1')).toBe('')
  })

  it('Figures 14 to 16: a changed base moves the relative references, the absolute one stays', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=endpoint1&lt=500&base=coap://local-proxy-old.example.com', FIGURE_8)
    expect(asLinks(await rd.lookup('res?ep=endpoint1'))).toEqual(
      asLinks(`<coap://local-proxy-old.example.com/sensors/temp>;rt=temperature-c;if=sensor,
        <http://www.example.com/sensors/temp>;anchor="coap://local-proxy-old.example.com/sensors/temp";rel=describedby`),
    )
    expect((await rd.ask('POST', `${location}?base=coaps://new.example.com`)).code).toBe('2.04')
    expect(asLinks(await rd.lookup('res?ep=endpoint1'))).toEqual(
      asLinks(`<coaps://new.example.com/sensors/temp>;rt=temperature-c;if=sensor,
        <http://www.example.com/sensors/temp>;anchor="coaps://new.example.com/sensors/temp";rel=describedby`),
    )
  })

  it('Figure 17: a removed registration is gone', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=node1', FIGURE_8)
    expect((await rd.ask('DELETE', location)).code).toBe('2.02')
    expect((await rd.ask('DELETE', location)).code).toBe('4.04')
    expect((await rd.ask('POST', location)).code).toBe('4.04')
    expect(await rd.lookup('res?ep=node1')).toBe('')
  })
})

describe('RFC 9176 §6', () => {
  it('Figure 19: a resource lookup by resource type', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a', '</temp>;rt="tag:example.org,2020:temperature",</light>;rt="tag:example.org,2020:light"')
    const answer = await rd.ask('GET', '/rd-lookup/res?rt=tag:example.org,2020:temperature')
    expect(answer).toMatchObject({ code: '2.05', contentFormat: 40 })
    expect(asLinks(answer.text)).toEqual(asLinks('<coap://[2001:db8:3::123]:61616/temp>;rt="tag:example.org,2020:temperature"'))
  })

  it('Figure 20: nothing that matches is an empty payload, not an error', async () => {
    const rd = new RdHarness()
    expect(await rd.ask('GET', '/rd-lookup/res?rt=tag:example.org,2020:light')).toMatchObject({ code: '2.05', contentFormat: 40, text: '' })
  })

  it('Figure 21: pages of five', async () => {
    const rd = new RdHarness()
    await rd.register('ep=a', Array.from({ length: 12 }, (_, index) => `</res/${index}>;ct=60`).join(','))
    const page = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, index) => `<coap://[2001:db8:3::123]:61616/res/${from + index}>;ct=60`)
    expect(asLinks(await rd.lookup('res?page=0&count=5'))).toEqual(page(0, 5))
    expect(asLinks(await rd.lookup('res?page=1&count=5'))).toEqual(page(5, 10))
    expect(asLinks(await rd.lookup('res?page=2&count=5'))).toEqual(page(10, 12))
    expect(asLinks(await rd.lookup('res?page=3&count=5'))).toEqual([])
    expect(asLinks(await rd.lookup('res?count=3'))).toEqual(page(0, 3))
  })

  it('Figure 22: all resources of all endpoints of a type', async () => {
    const rd = new RdHarness()
    for (const name of ['sensor1', 'sensor2']) {
      await rd.register(`ep=${name}&et=tag:example.com,2020:platform&base=coap://${name}.example.com`, RFC_6690_SIXTH)
    }
    await rd.register('ep=other', '</x>;rt=light-lux')
    const links = ['sensor1', 'sensor2'].map(
      (name) => `<coap://${name}.example.com/sensors>;ct=40;title="Sensor Index",
        <coap://${name}.example.com/sensors/temp>;rt=temperature-c;if=sensor,
        <coap://${name}.example.com/sensors/light>;rt=light-lux;if=sensor,
        <http://www.example.com/sensors/t123>;rel=describedby;anchor="coap://${name}.example.com/sensors/temp",
        <coap://${name}.example.com/t>;rel=alternate;anchor="coap://${name}.example.com/sensors/temp"`,
    )
    expect(asLinks(await rd.lookup('res?et=tag:example.com,2020:platform'))).toEqual(asLinks(links.join(',')))
  })

  it('Figure 23: endpoints of a type, with sector and further attributes, without their lifetime', async () => {
    const rd = new RdHarness()
    const node5 = await rd.register('ep=node5&et=tag:example.com,2020:platform&ct=40&base=coap://[2001:db8:3::127]:61616', '</a>')
    const node7 = await rd.register(
      'ep=node7&et=tag:example.com,2020:platform&ct=40&d=floor-3&lt=700&base=coap://[2001:db8:3::129]:61616',
      '',
    )
    await rd.register('ep=node6', '</a>')
    expect(asLinks(await rd.lookup('ep?et=tag:example.com,2020:platform'))).toEqual(
      asLinks(`<${node5}>;base="coap://[2001:db8:3::127]:61616";ep=node5;et="tag:example.com,2020:platform";ct=40;rt=core.rd-ep,
        <${node7}>;base="coap://[2001:db8:3::129]:61616";ep=node7;et="tag:example.com,2020:platform";ct=40;d=floor-3;rt=core.rd-ep`),
    )
  })
})

describe('RFC 9176 Appendix A', () => {
  it('Figures 27 to 29: a commissioning tool registers a group, and anybody finds it and its resources', async () => {
    const rd = new RdHarness()
    const location = await rd.register(
      'ep=lights&et=core.rd-group&base=coap://[ff35:30:2001:db8:f1::8000:1]',
      `</light>;rt="tag:example.com,2020:light";if="tag:example.net,2020:actuator",</color-temperature>;if="tag:example.net,2020:parameter";u=K`,
    )
    expect(asLinks(await rd.lookup('ep?et=core.rd-group'))).toEqual(
      asLinks(`<${location}>;ep=lights;et=core.rd-group;base="coap://[ff35:30:2001:db8:f1::8000:1]";rt=core.rd-ep`),
    )
    expect(asLinks(await rd.lookup('res?et=core.rd-group'))).toEqual(
      asLinks(`<coap://[ff35:30:2001:db8:f1::8000:1]/light>;rt="tag:example.com,2020:light";if="tag:example.net,2020:actuator",
        <coap://[ff35:30:2001:db8:f1::8000:1]/color-temperature>;if="tag:example.net,2020:parameter";u=K`),
    )
  })

  it('this program itself registers a group', () => {
    const rd = new RdHarness()
    const registration = rd.directory.register({
      endpointName: 'lights',
      base: 'coap://[ff35:30:2001:db8:f1::8000:1]',
      attributes: [{ name: 'et', value: 'core.rd-group' }],
      links: [{ href: '/light', attributes: [{ name: 'rt', value: 'tag:example.com,2020:light' }] }],
    })
    expect(registration).toMatchObject({ endpointName: 'lights', baseExplicit: true, lifetimeS: 90_000, source: undefined })
    expect(rd.directory.find('lights')).toEqual(registration)
    expect(rd.events).toEqual(['registered lights'])
  })
})
