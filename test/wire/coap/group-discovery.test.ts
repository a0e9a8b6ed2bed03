// Discovery of groups: every example of draft-ietf-core-groupcomm-bis-18 Appendix C (Figures 15 to 19; -11 Figures 11 to 15) and of RFC 9176.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { silentLogger, utf8, type SocketAddress } from '#main/base/index.ts'
import {
  CoapEndpoint,
  ContentFormat,
  directoryGroupQuery,
  directoryGroupResourceQuery,
  discoverGroups,
  formatLinkFormat,
  groupDiscoveryRequest,
  groupLinks,
  parseLinkFormat,
  readDirectoryGroupResources,
  readDirectoryGroups,
  readGroupLinks,
  ResourceTree,
  type GroupDiscovery,
  type GroupQuestion,
  type OwnGroup,
} from '#main/wire/coap/index.ts'
import { bench, text, type Bench } from './harness.ts'

const GROUP: SocketAddress = { address: 'ff05::db8:8000:1', port: 5685 }
const ALL_NODES: SocketAddress = { address: 'ff03::fd', port: 5683 }
const [S1, S2, S3] = ['2001:db8::a', '2001:db8::b', '2001:db8::c'] as const

/** A server that answers with just these links, filtering or not. */
function server(place: Bench, address: string, to: SocketAddress, links: string): void {
  const channel = place.channelAt(address, to.port)
  channel.joinGroup(to.address)
  const tree = new ResourceTree()
  tree.add('/.well-known', {
    subtree: true,
    answersGroupRequests: true,
    handlers: { GET: () => ({ code: '2.05', payload: utf8(links), contentFormat: ContentFormat.LINK_FORMAT }) },
  })
  // The tree's own description is in the way of the canned one.
  const find = tree.find.bind(tree)
  tree.find = (path) => find(path[0] === '.well-known' ? ['.well-known', 'x'] : path)
  new CoapEndpoint({ channel, tree, clock: place.clock, random: place.random, logger: silentLogger })
}

async function discover(
  question: GroupQuestion,
  to: SocketAddress,
  answers: Record<string, string>,
  authority?: string,
): Promise<{ found: GroupDiscovery; sent: string[] }> {
  const place = bench()
  for (const [address, links] of Object.entries(answers)) server(place, address, to, links)
  const options = { deadlineMs: 6000, ...(authority === undefined ? {} : { authority }) }
  const found = await place.clock.until(discoverGroups(place.endpoint, to, question, options))
  const message = place.traces[0]?.message
  return { found, sent: (message?.options ?? []).map((option) => text(option.value)) }
}

function rows(found: GroupDiscovery): Array<[string, string, string | undefined, string | undefined]> {
  return found.memberships
    .map(
      ({ server: at, group, coapGroup, type }) =>
        [at.address, group, coapGroup, type] as [string, string, string | undefined, string | undefined],
    )
    .sort()
}

describe('group discovery (groupcomm-bis-18 Appendix C)', () => {
  it('C.1, Figure 15: application groups associated with a CoAP group', async () => {
    const { found, sent } = await discover(
      { kind: 'groups-of-coap-group' },
      GROUP,
      { [S1]: '</gp/gp1>;rt=g.light', [S2]: '</gp/gp1>;rt=g.light,\n</gp/gp2>;rt=g.temp' },
      'grp.example:5685',
    )
    expect(sent).toEqual(['.well-known', 'core', 'rt=g.*'])
    expect(rows(found)).toEqual([
      [S1, 'gp1', 'grp.example:5685', 'g.light'],
      [S2, 'gp1', 'grp.example:5685', 'g.light'],
      [S2, 'gp2', 'grp.example:5685', 'g.temp'],
    ])
    expect(found.groups.map(({ name, coapGroups, members }) => [name, coapGroups, members.length])).toEqual([
      ['gp1', ['grp.example:5685'], 2],
      ['gp2', ['grp.example:5685'], 1],
    ])
  })

  it('C.1 by path (§2.2.3.2): href=/gp/*, and the group named by its address', async () => {
    const { found, sent } = await discover({ kind: 'groups-of-coap-group', by: 'href' }, GROUP, {
      [S1]: '</gp/gp1>,</gp/gp1/light>;rt=x,</other>',
    })
    expect(sent).toContain('href=/gp/*')
    expect(rows(found).map(([, group, coapGroup]) => [group, coapGroup])).toEqual([
      ['gp1', '[ff05::db8:8000:1]:5685'],
      ['gp1', '[ff05::db8:8000:1]:5685'],
    ])
  })

  it('C.2, Figure 16: members of a given application group', async () => {
    const link = '<coap://grp.example:5685/gp/gp1>;rt=g.light'
    const { found, sent } = await discover({ kind: 'members-of-group', name: 'gp1' }, ALL_NODES, { [S1]: link, [S2]: link })
    expect(sent).toEqual(['.well-known', 'core', 'href=/gp/gp1'])
    expect(rows(found)).toEqual([
      [S1, 'gp1', 'grp.example:5685', 'g.light'],
      [S2, 'gp1', 'grp.example:5685', 'g.light'],
    ])
  })

  it('C.2 with an address literal in the answer', async () => {
    const { found } = await discover({ kind: 'members-of-group', name: 'gp1' }, ALL_NODES, {
      [S1]: '<coap://[ff05::db8:8000:1]:5685/gp/gp1>;rt=g.light',
    })
    expect(found.groups[0]?.coapGroups).toEqual(['[ff05::db8:8000:1]:5685'])
  })

  it('C.3, Figure 17: members of any application group of a given type', async () => {
    const { found, sent } = await discover({ kind: 'members-of-type', type: 'g.temp' }, ALL_NODES, {
      [S1]: '<coap://grp.example:5685/gp/gp1>;rt=g.temp',
      [S2]: '<coap://grp.example:5685/gp/gp1>;rt=g.temp,<coap://grp.example:5685/gp/gp2>;rt=g.temp',
    })
    expect(sent).toEqual(['.well-known', 'core', 'rt=g.temp'])
    expect(rows(found)).toEqual([
      [S1, 'gp1', 'grp.example:5685', 'g.temp'],
      [S2, 'gp1', 'grp.example:5685', 'g.temp'],
      [S2, 'gp2', 'grp.example:5685', 'g.temp'],
    ])
  })

  it('C.4, Figure 18: members of any application group in the network', async () => {
    const { found, sent } = await discover({ kind: 'all-groups' }, ALL_NODES, {
      [S1]: '<coap://grp.example:5685/gp/gp1>;rt=g.light,<coap://grp2.example/gp/gp5>;rt=g.lock',
      [S2]: '<coap://grp.example:5685/gp/gp1>;rt=g.light,<coap://grp.example:5685/gp/gp2>;rt=g.light',
      [S3]: '<coap://grp2.example/gp/gp5>;rt=g.lock',
    })
    expect(sent).toEqual(['.well-known', 'core', 'rt=g.*'])
    expect(rows(found)).toEqual([
      [S1, 'gp1', 'grp.example:5685', 'g.light'],
      [S1, 'gp5', 'grp2.example', 'g.lock'],
      [S2, 'gp1', 'grp.example:5685', 'g.light'],
      [S2, 'gp2', 'grp.example:5685', 'g.light'],
      [S3, 'gp5', 'grp2.example', 'g.lock'],
    ])
  })

  it('C.4, Figure 19: the same by the attribute gpt', async () => {
    const answers = {
      [S1]: '<coap://grp.example:5685/gp/gp1>;rt=oic.d.light;gpt=light,<coap://grp2.example/gp/gp5>;rt=oic.d.smartlock;gpt=lock',
      [S2]: '<coap://grp.example:5685/gp/gp1>;rt=oic.d.light;gpt=light,<coap://grp.example:5685/gp/gp2>;rt=oic.d.light;gpt=light',
      [S3]: '<coap://grp2.example/gp/gp5>;rt=oic.d.smartlock;gpt=lock',
    }
    const { found, sent } = await discover({ kind: 'all-groups-by-gpt' }, ALL_NODES, answers)
    expect(sent).toEqual(['.well-known', 'core', 'gpt=*'])
    expect(rows(found)).toHaveLength(5)
    expect(found.memberships.find(({ group }) => group === 'gp5')).toMatchObject({ type: 'lock', resourceTypes: ['oic.d.smartlock'] })
    const locks = await discover({ kind: 'all-groups-by-gpt', type: 'lock' }, ALL_NODES, answers)
    expect(rows(locks.found).map(([at]) => at)).toEqual([S1, S3])
  })

  it('leaves out what was not asked for: servers need not filter (RFC 6690 §4.1)', async () => {
    const { found } = await discover({ kind: 'members-of-group', name: 'gp1' }, ALL_NODES, {
      [S1]: '<coap://g/gp/gp1>,<coap://g/gp/gp2>,</sensors>;rt=temp,<http://x/gp/gp1>,<coap://g:5683/gp>,<coap://bad:99999/gp/gp1>',
    })
    expect(rows(found)).toEqual([[S1, 'gp1', 'g', undefined]])
  })

  it('takes no CoAP group from a relative link that came from All CoAP Nodes', async () => {
    const { found } = await discover({ kind: 'all-groups' }, ALL_NODES, { [S1]: '</gp/gp1>;rt=g.light' })
    expect(found.memberships[0]?.coapGroup).toBeUndefined()
  })

  it('counts answers that it cannot read and goes on', async () => {
    const { found } = await discover({ kind: 'all-groups' }, ALL_NODES, { [S1]: '<broken', [S2]: '<coap://g/gp/gp1>;rt=g.x' })
    expect(found.unreadable).toBe(1)
    expect(found.memberships).toHaveLength(1)
  })

  it('reads any links without failing (property)', () => {
    const attribute = fc.record({ name: fc.constantFrom('rt', 'gpt', 'x'), value: fc.option(fc.string(), { nil: null }) })
    const link = fc.record({
      href: fc.oneof(
        fc.string(),
        fc.string().map((rest) => `coap://${rest}`),
        fc.string().map((rest) => `/gp/${rest}`),
      ),
      attributes: fc.array(attribute, { maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(link, { maxLength: 5 }), (links) => {
        for (const kind of ['groups-of-coap-group', 'all-groups', 'all-groups-by-gpt'] as const) readGroupLinks(links, GROUP, { kind }, 'g')
      }),
    )
  })
})

describe("a server's answer to group discovery", () => {
  const own: OwnGroup[] = [
    { name: 'gp1', coapGroup: 'grp.example:5685', attributes: { rt: 'g.light' } },
    { name: 'gp5', coapGroup: 'grp2.example', attributes: { rt: 'g.lock', gpt: 'lock' } },
  ]
  const nowhere = (): boolean => false

  it('is relative at the CoAP group itself, absolute elsewhere (Figures 15 and 16)', () => {
    const here = groupLinks(own, ['rt=g.*'], ({ host, port }) => host === 'grp.example' && port === 5685)
    expect(formatLinkFormat(here)).toBe('</gp/gp1>;rt="g.light",<coap://grp2.example/gp/gp5>;rt="g.lock";gpt="lock"')
    expect(formatLinkFormat(groupLinks(own, ['href=/gp/gp1'], nowhere))).toBe('<coap://grp.example:5685/gp/gp1>;rt="g.light"')
  })

  it.each([
    ['href=/gp/*', 2],
    ['rt=g.lock', 1],
    ['gpt=*', 1],
    ['gpt=x', 0],
  ])('to %s has %d links', (query, count) => {
    expect(groupLinks(own, [query], nowhere)).toHaveLength(count)
  })

  it('is what discovery reads', () => {
    const links = parseLinkFormat(
      formatLinkFormat(groupLinks([{ name: 'größe 1', coapGroup: 'g', attributes: { rt: 'g.x' } }], [], nowhere)),
    )
    expect(readGroupLinks(links, GROUP, { kind: 'members-of-group', name: 'größe 1' })).toMatchObject([
      { group: 'größe 1', coapGroup: 'g', type: 'g.x' },
    ])
    expect(groupDiscoveryRequest({ kind: 'members-of-group', name: 'größe 1' }).query).toEqual(['href=/gp/gr%C3%B6%C3%9Fe%201'])
  })
})

describe('groups through a Resource Directory (RFC 9176 Appendix A)', () => {
  it('asks for registrations of groups as Figures 26, 28 and 29 do', () => {
    expect(directoryGroupQuery()).toEqual(['et=core.rd-group'])
    expect(directoryGroupQuery({ name: 'lights', sector: 'R2-4-015' })).toEqual(['et=core.rd-group', 'ep=lights', 'd=R2-4-015'])
    expect(directoryGroupResourceQuery({ type: 'light' })).toEqual(['et=core.rd-group', 'rt=light'])
  })

  it('Figure 26: suitable multicast addresses', () => {
    const links = parseLinkFormat(
      '</rd/501>;ep=grp_R2-4-015;et=core.rd-group;base="coap://[ff05::1]";rt=core.rd-ep,</rd/7>;ep="node";base="coap://[2001:db8::1]",</rd/8>;ep="x";et="core.rd-group"',
    )
    expect(readDirectoryGroups(links)).toEqual([
      { name: 'grp_R2-4-015', sector: undefined, coapGroup: '[ff05::1]', registration: '/rd/501' },
    ])
  })

  it('Figure 28: lookup of groups', () => {
    const links = parseLinkFormat('</rd/12>;ep=lights;et=core.rd-group;base="coap://[ff35:30:2001:f1:db8::8000:1]";rt=core.rd-ep')
    expect(readDirectoryGroups(links)).toMatchObject([
      { name: 'lights', coapGroup: '[ff35:30:2001:f1:db8::8000:1]', registration: '/rd/12' },
    ])
  })

  it('Figure 29: lookup of resources inside groups', () => {
    const links = parseLinkFormat(
      '<coap://[ff35:30:2001:db8:f1::8000:1]/light>;rt="tag:example.com,2020:light";if="tag:example.net,2020:actuator",' +
        '<coap://[ff35:30:2001:db8:f1::8000:1]/color-temperature>;if="tag:example.net,2020:parameter";u=K,</no>',
    )
    expect(readDirectoryGroupResources(links)).toEqual([
      { coapGroup: '[ff35:30:2001:db8:f1::8000:1]', path: '/light', resourceTypes: ['tag:example.com,2020:light'] },
      { coapGroup: '[ff35:30:2001:db8:f1::8000:1]', path: '/color-temperature', resourceTypes: [] },
    ])
  })
})
