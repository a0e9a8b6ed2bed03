// The examples of RFC 9176 §4.3, §5, §5.3, §6, §10 and Appendices A and B that concern registration and lookup, each by its figure.
// Elsewhere: Figure 4 in rdao.test.ts, 10 to 12 in simple-registration.test.ts, the observation of 20 in observe-lookups.test.ts.
import { describe, expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { findOption, OptionNumber, stringOption, type CoapMessage, type CoapOption } from '#main/wire/coap/index.ts'
import { asLinks, RdHarness } from './harness.ts'
import { rdNetwork } from './network.ts'

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

describe('RFC 9176 §4.3', () => {
  it('Figure 7: links can be asked for by relation; there is none about the implementation', async () => {
    const rd = new RdHarness()
    expect(await rd.ask('GET', '/.well-known/core?rel=impl-info')).toMatchObject({ code: '2.05', contentFormat: 40, text: '' })
    await rd.register('ep=other-rd&base=coap://rd.example', '<http://software.example.com/shiny-resource-directory/1.0beta1>;rel=impl-info')
    expect(asLinks(await rd.lookup('res?rel=impl-info'))).toEqual([
      '<http://software.example.com/shiny-resource-directory/1.0beta1>;rel=impl-info',
    ])
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

describe('RFC 9176 §5.3.4', () => {
  it('Figure 18: an endpoint that gives the Echo value back has its update taken', async () => {
    const place = rdNetwork({ proveAddresses: true })
    // Message by message: an endpoint of ours would answer the challenges by itself.
    const endpoint = place.peer('fd00::4521', 5683)
    let messageId = 0
    const post = async (path: string, query: string, echo?: CoapOption): Promise<CoapMessage> => {
      const segments = path.split('/').map((segment) => stringOption(OptionNumber.URI_PATH, segment))
      const options = [...segments, stringOption(OptionNumber.URI_QUERY, query), ...(echo === undefined ? [] : [echo])]
      endpoint.send({ code: '0.02', messageId: ++messageId, token: utf8('x'), options })
      await place.clock.advance(1000)
      return endpoint.take()[0]!
    }
    const first = await post('rd', 'ep=node1')
    expect(first.code).toBe('4.01')
    expect((await post('rd', 'ep=node1', findOption(first.options, OptionNumber.ECHO))).code).toBe('2.01')
    const location = `rd/${place.directory.find('node1')?.id ?? ''}`
    // Later the endpoint has forgotten the value, and so has the directory.
    await place.clock.advance(600_000)
    const challenge = await post(location, 'lt=7200')
    expect(challenge.code).toBe('4.01')
    expect(place.directory.find('node1')?.lifetimeS).toBe(90_000)
    const echo = findOption(challenge.options, OptionNumber.ECHO)
    expect((await post(location, 'lt=7200', echo)).code).toBe('2.04')
    expect(place.directory.find('node1')?.lifetimeS).toBe(7200)
    expect((await post(location, 'lt=90000', echo)).code).toBe('2.04')
    expect(place.directory.find('node1')?.lifetimeS).toBe(90_000)
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

describe('RFC 9176 §10.1', () => {
  const LAMPS = ['left', 'middle', 'right'].map((which) => `</light/${which}>;rt="tag:example.com,2020:light"`).join(',')

  it('Figure 24: a commissioning tool enters two luminaries and a sensor, each at its own address', async () => {
    const rd = new RdHarness()
    const tool = { from: { address: '2001:db8:4::c7', port: 5683 } }
    await rd.register('ep=lm_R2-4-015_wndw&base=coap://[2001:db8:4::1]&d=R2-4-015', LAMPS, tool)
    await rd.register('ep=lm_R2-4-015_door&base=coap://[2001:db8:4::2]&d=R2-4-015', LAMPS, tool)
    await rd.register('ep=ps_R2-4-015_door&base=coap://[2001:db8:4::3]&d=R2-4-015', '</ps>;rt="tag:example.com,2020:p-sensor"', tool)
    expect(asLinks(await rd.lookup('ep?d=R2-4-015')).map((link) => /base=([^;]*)/.exec(link)?.[1])).toEqual([
      'coap://[2001:db8:4::1]',
      'coap://[2001:db8:4::2]',
      'coap://[2001:db8:4::3]',
    ])
    expect(asLinks(await rd.lookup('res?d=R2-4-015&rt=tag:example.com,2020:p-sensor'))).toEqual([
      '<coap://[2001:db8:4::3]/ps>;rt=tag:example.com,2020:p-sensor',
    ])
  })

  it('Figures 25 and 26: the group that it enters is found by what all its members have', async () => {
    const rd = new RdHarness()
    const location = await rd.register('ep=grp_R2-4-015&et=core.rd-group&base=coap://[ff05::1]', LAMPS)
    const group = asLinks(`<${location}>;ep=grp_R2-4-015;et=core.rd-group;base="coap://[ff05::1]";rt=core.rd-ep`)
    expect(asLinks(await rd.lookup('ep?et=core.rd-group&rt=tag:example.com,2020:light'))).toEqual(group)
    // The lookup as it is printed asks for a sector and a type that the registration as it is printed does not have (§6.2).
    expect(await rd.lookup('ep?d=R2-4-015&et=core.rd-group&rt=light')).toBe('')
    await rd.register('ep=grp_R2-4-015&d=R2-4-015&et=core.rd-group&base=coap://[ff05::1]', '</light/left>;rt=light')
    expect(asLinks(await rd.lookup('ep?d=R2-4-015&et=core.rd-group&rt=light'))[0]).toContain('base=coap://[ff05::1];d=R2-4-015')
  })
})

describe('RFC 9176 Appendix B', () => {
  const FIGURE_31 = `</sensors/temp>;rt=temperature;ct=0,</sensors/light>;rt=light-lux;ct=0,</t>;anchor="/sensors/temp";rel=alternate,\
<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel=describedby`
  const HOST = { from: { address: '2001:db8:f0::1', port: 5683 } }

  it('Figures 31 to 34: what a host says of itself, its registration says with full URIs', async () => {
    const rd = new RdHarness()
    await rd.register('ep=simple-host1', FIGURE_31, HOST)
    expect(rd.directory.find('simple-host1')).toMatchObject({ base: 'coap://[2001:db8:f0::1]', lifetimeS: 90_000 })
    expect(asLinks(await rd.lookup('res?rt=temperature'))).toEqual(asLinks('<coap://[2001:db8:f0::1]/sensors/temp>;rt=temperature;ct=0'))
    expect(asLinks(await rd.lookup('res?ep=simple-host1'))).toEqual(
      asLinks(`<coap://[2001:db8:f0::1]/sensors/temp>;rt=temperature;ct=0,
        <coap://[2001:db8:f0::1]/sensors/light>;rt=light-lux;ct=0,
        <coap://[2001:db8:f0::1]/t>;anchor="coap://[2001:db8:f0::1]/sensors/temp";rel=alternate,
        <http://www.example.com/sensors/t123>;anchor="coap://[2001:db8:f0::1]/sensors/temp";rel=describedby`),
    )
  })

  it('Figure 32: the same host registers simply, from another port', async () => {
    const place = rdNetwork({}, { proof: 'small-fetch' })
    const host = place.device('2001:db8:f0::1', FIGURE_31)
    expect((await place.ask(host, 'POST', '/.well-known/rd?ep=simple-host1')).code).toBe('2.04')
    expect(place.directory.find('simple-host1')).toMatchObject({ base: 'coap://[2001:db8:f0::1]', links: FIGURE_31 })
  })

  it('Figure 35: with a base of its own, its links are under that', async () => {
    const rd = new RdHarness()
    await rd.register('ep=simple-host1&base=coap+tcp://sh1.example.com', FIGURE_31, HOST)
    expect(asLinks(await rd.lookup('res?rt=temperature'))).toEqual(asLinks('<coap+tcp://sh1.example.com/sensors/temp>;rt=temperature;ct=0'))
    expect(asLinks(await rd.lookup('res?rel=alternate'))).toEqual(
      asLinks('<coap+tcp://sh1.example.com/t>;anchor="coap+tcp://sh1.example.com/sensors/temp";rel=alternate'),
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
