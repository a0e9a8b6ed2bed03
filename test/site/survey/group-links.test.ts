// What link-format documents say of groups: the examples of the specifications, and any text at all.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isGroupAddress, mentionsIn, registeredGroups } from '../../../src-main/site/survey/group-links.ts'

describe('group resources as servers list them', () => {
  it('groupcomm-bis-18 C.1: relative links belong to the CoAP group that was asked', () => {
    const at = { address: 'ff05::db8:1', port: 5685 }
    expect(mentionsIn('</gp/gp1>;rt=g.light,\n</gp/gp2>;rt=g.temp', at).groups).toEqual([
      { name: 'gp1', at, types: ['g.light'], holder: null },
      { name: 'gp2', at, types: ['g.temp'], holder: null },
    ])
    expect(mentionsIn('</gp/gp1>;rt=g.light', null).groups[0]?.at).toBeNull()
  })

  it('groupcomm-bis-18 C.2 to C.4: absolute links name the CoAP group by host name or literal, with its port', () => {
    const text = '<coap://grp.example:5685/gp/gp1>;rt=g.light,<coap://[FF05:0::DB8:2]/gp/gp5/lock>;rt=g.lock'
    expect(mentionsIn(text, null).groups).toEqual([
      { name: 'gp1', at: { address: 'grp.example', port: 5685 }, types: ['g.light'], holder: null },
      { name: 'gp5', at: { address: 'ff05::db8:2', port: 5683 }, types: ['g.lock'], holder: null },
    ])
  })

  it('groupcomm-bis-11 Figure 15 and -18 Figure 19: a type of its own by the attribute gpt', () => {
    const text = '<coap://grp.example:5685/gp/gp1>;rt=oic.d.light;gpt=light,</x1>;gpt=1'
    expect(mentionsIn(text, null).groups.map(({ name, types }) => [name, types])).toEqual([
      ['gp1', ['gpt=light']],
      ['x1', ['gpt=1']],
    ])
  })

  it('groupcomm-bis-18 Appendix B.1 and B.2: names in the path after gp or g, as gp= or alone in the query', () => {
    const at = { address: 'ff05::1:1', port: 5683 }
    const names = (text: string): readonly string[] => mentionsIn(text, at).groups.map(({ name }) => name)
    expect(names('</g/gp1/li>;rt=g.light')).toEqual(['gp1'])
    expect(names('</light?foo=bar&gp=gp1>')).toEqual(['gp1'])
    expect(names('</light?gp1>;rt=g.light')).toEqual(['gp1'])
    expect(names('</gp/2.14%20Licht>')).toEqual(['2.14 Licht'])
    expect(names('</g/elsewhere>,</sensors/temp>;rt=temperature,</light?gp1>,</gp>')).toEqual([])
  })

  it('a unicast authority is the server itself and no CoAP group', () => {
    expect(mentionsIn('<coap://[2001:db8::7]/gp/gp1>;rt=g.light', null).groups[0]).toMatchObject({ name: 'gp1', at: null })
    expect([isGroupAddress('239.1.2.3'), isGroupAddress('192.0.2.1'), isGroupAddress('ff02::1'), isGroupAddress('fe80::1')]).toEqual([
      true,
      false,
      true,
      false,
    ])
  })

  it('links with sec-gp are security groups, with the application groups that they protect', () => {
    const text = '</ace-group/feedca570000>;ct=19;rt="core.osc.gm";if="ace.group";sec-gp="feedca570000";app-gp="group1";app-gp="group2"'
    expect(mentionsIn(text, null)).toEqual({
      groups: [],
      security: [{ securityGroup: 'feedca570000', applicationGroups: ['group1', 'group2'] }],
    })
  })

  it('reads any text without failing, and never a name that is empty, long or has control characters', () => {
    const link = fc
      .tuple(fc.webPath(), fc.constantFrom('', ';rt=g.x', ';gpt', ';gpt=1', ';sec-gp="a"', ';rt="g.x g.y"'))
      .map(([path, rest]) => `<${path}>${rest}`)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(link).map((links) => links.join(',')),
        ),
        (text) => {
          for (const { name } of mentionsIn(text, null).groups) {
            expect(name.length).toBeGreaterThan(0)
            expect(name.length).toBeLessThanOrEqual(200)
            expect(name).not.toMatch(/\p{Cc}/u)
          }
          registeredGroups(text)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('group registrations of a directory', () => {
  it('RFC 9176 Figure 28: the endpoint name is the group’s, the base its address', () => {
    const text = '</rd/12>;ep=lights&et=core.rd-group;base="coap://[ff35:30:2001:f1:db8::8000:1]";rt=core.rd-ep'
    // The figure writes `&` where link format has `;`: read as published it is no group, corrected it is one.
    expect(registeredGroups(text)).toEqual([])
    expect(registeredGroups(text.replace('&', ';'))).toEqual([
      { name: 'lights', at: { address: 'ff35:30:2001:f1:db8:0:8000:1', port: 5683 }, types: [], holder: null },
    ])
  })

  it('other endpoints, and registrations without a base that is one, are no groups', () => {
    expect(registeredGroups('</rd/1>;ep="node1";base="coap://[2001:db8::1]";rt="core.rd-ep"')).toEqual([])
    expect(registeredGroups('</rd/2>;ep="x";et="core.rd-group";base="coap+tcp://[ff05::1]"')).toEqual([])
  })
})
