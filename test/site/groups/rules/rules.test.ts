// Each check of groups: what it finds, what it leaves alone, and that its remedy puts it right.
// draft-ietf-core-groupcomm-bis-18 §2, §3.4, §3.9, §4, §5.1.
import { describe, expect, it } from 'vitest'
import type { CoapGroupRecord } from '#main/site/groups/index.ts'
import { GROUP_RULES } from '#main/site/groups/index.ts'
import { groupRule } from '#contract/model.ts'
import { apply } from '../doubles.ts'
import { codeOf, createRulesBench } from './rules-bench.ts'

/** A group with a member and a switch: nothing to say about it but what a test adds. */
function sound(bench: ReturnType<typeof createRulesBench>, name = 'a', members = ['d1', 'd2']): { id: string; coapId: string } {
  bench.devices.change('d2', { type: 'switch' })
  const id = bench.engine.createApplication({ name, members })
  return { id, coapId: bench.engine.book.group(id).coapGroupId }
}

/** What no edit lets in, but an older file may hold. */
function force(bench: ReturnType<typeof createRulesBench>, id: string, change: Partial<CoapGroupRecord>): void {
  bench.engine.book.commit({ coap: [{ ...bench.engine.book.coapGroup(id), ...change }] })
}

describe('the catalogue', () => {
  it('has a section for each rule', () => {
    for (const name of groupRule.options) expect(GROUP_RULES[name].sections.length).toBeGreaterThan(0)
  })

  it('says nothing about a sound group', () => {
    const bench = createRulesBench(2)
    sound(bench)
    expect(bench.findings()).toEqual([])
  })
})

describe('ports (§3.4)', () => {
  it('port-coaps: 5684 is told, and the usual port is taken instead', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    force(bench, coapId, { port: 5684 })
    expect(bench.of('port-coaps')).toMatchObject([{ severity: 'error', sections: ['draft-ietf-core-groupcomm-bis-18 §3.4'] }])
    bench.press('port-coaps', 'default-port')
    expect(bench.engine.book.coapGroup(coapId).port).toBe(5683)
    expect(bench.findings()).toEqual([])
  })

  it('ports-on-one-address: both groups are told, and one of them gets an address of its own', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    const { coapId: other } = sound(bench, 'b')
    force(bench, other, { address: bench.engine.book.coapGroup(coapId).address, port: 5690 })
    expect(bench.of('ports-on-one-address')).toHaveLength(2)
    bench.remedy(`ports-on-one-address ${other}`, 'own-address')
    expect(bench.findings()).toEqual([])
  })

  it('members-elsewhere: told while some members have moved and others have not', async () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    await apply(bench)
    bench.engine.updateCoap(coapId, { port: 5690 })
    expect(bench.of('members-elsewhere')).toEqual([])
    bench.devices.fake('d2').fate = () => 'lost'
    await apply(bench)
    expect(bench.of('members-elsewhere')).toMatchObject([{ params: { count: 1, names: 'Device 2' } }])
    expect(bench.press('members-elsewhere', 'apply')).toEqual({ jobId: 'job-1' })
    expect(bench.done).toEqual(['apply 1'])
  })

  it('port-not-dynamic: told where the port is the name (Appendix B.3)', () => {
    const bench = createRulesBench(2)
    sound(bench)
    bench.setNaming({ method: 'port' })
    expect(bench.of('port-not-dynamic')).toHaveLength(1)
    bench.press('port-not-dynamic', 'own-port')
    expect(bench.of('port-not-dynamic')).toEqual([])
    expect([...bench.engine.book.coap.values()][0]?.port).toBeGreaterThanOrEqual(49_152)
  })
})

describe('addresses (§2.2.2, §3.9)', () => {
  it.each([
    ['ff03::fd', 'well-known'],
    ['fd00::1', 'not-multicast'],
    ['ff43::1', 'flags'],
  ])('address-invalid: %s (%s), and another one is chosen', (address, reason) => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    force(bench, coapId, { address, allocated: false })
    expect(bench.of('address-invalid')).toMatchObject([{ params: { reason } }])
    bench.press('address-invalid', 'own-address')
    expect(bench.findings()).toEqual([])
  })

  it('address-on-link: the last 32 bits are all that Ethernet and most radios look at (RFC 2464 §7)', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    const { coapId: other } = sound(bench, 'b')
    force(bench, coapId, { address: 'ff33:30:fd00:1::8000:7', allocated: false })
    force(bench, other, { address: 'ff33:30:fd00:2::8000:7', allocated: false })
    expect(bench.of('address-on-link')).toHaveLength(2)
    bench.remedy(`address-on-link ${other}`, 'own-address')
    expect(bench.findings()).toEqual([])
  })

  it('address-on-mesh: the last 13 bits fall together in a mesh alone (RFC 4944 §9)', () => {
    for (const mesh of [true, false]) {
      const bench = createRulesBench(2, { mesh, allocation: { scope: 'realm-local' } })
      const { coapId } = sound(bench)
      const { coapId: other } = sound(bench, 'b')
      force(bench, coapId, { address: 'ff33:30:fd00:1::8001:7', allocated: false })
      force(bench, other, { address: 'ff33:30:fd00:1::8002:8', allocated: false })
      expect(bench.of('address-on-mesh')).toEqual([])
      force(bench, other, { address: 'ff33:30:fd00:1::8001:2007', allocated: false })
      expect(bench.of('address-on-mesh')).toHaveLength(mesh ? 2 : 0)
    }
  })

  it('address-ipv4-mesh: a 6LoWPAN mesh carries no IPv4 (§3.9.2)', () => {
    const bench = createRulesBench(2, { allocation: { policy: 'ipv4' } })
    sound(bench)
    expect(bench.of('address-ipv4-mesh')).toMatchObject([{ params: { count: 2 } }])
    bench.press('address-ipv4-mesh', 'allocate-by-prefix')
    bench.press('address-ipv4-mesh', 'own-address')
    expect(bench.findings()).toEqual([])
  })

  it('address-outside-policy: groups keep their addresses when the policy changes, and are told', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    const before = bench.engine.book.coapGroup(coapId).address
    bench.setAllocation({ policy: 'transient' })
    expect(bench.engine.book.coapGroup(coapId).address).toBe(before)
    bench.press('address-outside-policy', 'own-address')
    expect(bench.engine.book.coapGroup(coapId).address).toMatch(/^ff13:/)
    expect(bench.findings()).toEqual([])
  })

  it('scope-wide: wider than the members need, worse beyond the site (§3.9.2, RFC 7346 §2)', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    force(bench, coapId, { address: 'ff35:30:fd00:1::8000:7', allocated: false })
    expect(bench.of('scope-wide')).toMatchObject([{ severity: 'advice', params: { scope: 'site-local', needed: 'realm-local' } }])
    force(bench, coapId, { address: 'ff3e:30:fd00:1::8000:7' })
    expect(bench.of('scope-wide')).toMatchObject([{ severity: 'warning' }])
    bench.press('scope-wide', 'own-address')
    expect(bench.engine.coapFeed.get(coapId)?.scope).toBe('realm-local')
  })

  it('scope-narrow: members of two networks are not reached by one realm', () => {
    const bench = createRulesBench(2)
    const { coapId } = sound(bench)
    bench.devices.change('d2', { channelId: 'other' })
    expect(bench.of('scope-narrow')).toMatchObject([{ severity: 'error', params: { count: 2 } }])
    bench.press('scope-narrow', 'own-address')
    expect(bench.engine.coapFeed.get(coapId)?.scope).toBe('site-local')
    expect(bench.findings()).toEqual([])
  })

  it('addresses-used-up: a list has an end', () => {
    const bench = createRulesBench(2, { allocation: { policy: 'list', list: ['ff33:30:fd00:1::8000:7'] } })
    expect(bench.of('addresses-used-up')).toEqual([])
    sound(bench)
    expect(bench.of('addresses-used-up')).toHaveLength(1)
    expect(codeOf(() => bench.engine.createApplication({ name: 'b' }))).toBe('group.address-taken')
    bench.press('addresses-used-up', 'allocate-by-prefix')
    expect(bench.of('addresses-used-up')).toEqual([])
  })

  it('coap-group-unused: removed at a press', () => {
    const bench = createRulesBench(0)
    bench.engine.createCoap({ name: 'idle' })
    bench.press('coap-group-unused', 'remove-coap-group')
    expect(bench.findings()).toEqual([])
    expect(bench.engine.book.coap.size).toBe(0)
  })
})

describe('members (§2.1.2, §2.2.2)', () => {
  function withRoom(): ReturnType<typeof createRulesBench> {
    const bench = createRulesBench(4)
    bench.devices.roomFeed.set({ id: 'r1', parentId: null, kind: 'room', name: '2.14 Office', position: 0 })
    bench.devices.change('d1', { roomId: 'r1' })
    bench.devices.change('d2', { roomId: 'r1', type: 'blind' })
    bench.devices.change('d3', { roomId: 'r1', type: 'switch' })
    return bench
  }

  it('group-without-members: filled with those of the room that its name means, then with the switches (group-without-clients)', () => {
    const bench = withRoom()
    const id = bench.engine.createApplication({ name: '2.14-light', roomId: 'r1' })
    bench.press('group-without-members', 'fill-from-room')
    expect(bench.engine.book.cellsOfGroup(id).map((cell) => cell.deviceId)).toEqual(['d1'])
    expect(bench.of('group-without-clients')).toMatchObject([{ severity: 'advice' }])
    bench.press('group-without-clients', 'add-room-clients')
    expect(bench.engine.book.cellsOfGroup(id).map((cell) => cell.deviceId)).toEqual(['d1', 'd3'])
    expect(bench.findings()).toEqual([])
  })

  it('group-without-members: a device that moves into the room becomes a remedy', () => {
    const bench = withRoom()
    bench.devices.roomFeed.set({ id: 'r2', parentId: null, kind: 'room', name: '3.1 Store', position: 1 })
    bench.engine.createApplication({ name: '3.1-light', roomId: 'r2' })
    const remedies = () => bench.of('group-without-members')[0]?.remedies.map(({ id }) => id)
    expect(remedies()).toEqual(['remove-group'])
    bench.devices.change('d4', { roomId: 'r2' })
    expect(remedies()).toEqual(['fill-from-room', 'remove-group'])
    bench.devices.change('d4', { roomId: null })
    expect(remedies()).toEqual(['remove-group'])
  })

  it('group-without-members: removed at a press', () => {
    const bench = createRulesBench(0)
    bench.engine.createApplication({ name: 'a' })
    bench.press('group-without-members', 'remove-group')
    expect(bench.findings()).toEqual([])
  })

  it('members-differ: no request suits lights and blinds (§3.3)', () => {
    const bench = withRoom()
    bench.engine.createApplication({ name: 'a', members: ['d1', 'd2', 'd3'] })
    expect(bench.of('members-differ')).toMatchObject([{ params: { types: 'blind, luminaire' } }])
  })

  it('member-without-key: set up, but nothing can be read (§5.1)', async () => {
    const bench = createRulesBench(2)
    const { id } = sound(bench)
    bench.security.protections.set({ groupId: id, mode: 'secured', securityGroupIds: ['s1'], reason: null, automatic: true })
    bench.security.members.set(memberRow('d1', 's1', 'none'))
    expect(bench.of('member-without-key')).toEqual([])
    await apply(bench)
    expect(bench.of('member-without-key')).toMatchObject([{ severity: 'error', params: { count: 1 } }])
    bench.security.members.set(memberRow('d1', 's1', 'current'))
    expect(bench.of('member-without-key')).toEqual([])
  })

  it('memberships-exceeded: what is planned beyond the table is taken back (§2.2.2)', () => {
    const bench = createRulesBench(2)
    bench.places.set('d1', 2)
    for (const name of ['a', 'b', 'c', 'd']) sound(bench, name)
    expect(bench.of('memberships-exceeded')).toMatchObject([{ subject: { kind: 'device', id: 'd1' }, params: { wanted: 4, places: 2 } }])
    bench.press('memberships-exceeded', 'drop-planned')
    expect(bench.engine.book.cellsOfDevice('d1')).toHaveLength(2)
    expect(bench.of('memberships-exceeded')).toEqual([])
  })
})

describe('names (§2.2.1)', () => {
  it('name-nosec: a name must not say that nothing is protected (§2.2.1.3)', () => {
    const bench = createRulesBench(2)
    sound(bench, 'No-Sec')
    bench.press('name-nosec', 'other-name')
    expect(bench.findings()).toEqual([])
    expect(bench.engine.book.groupNamed('group')).toBeDefined()
  })

  it('name-ambiguous: host names that fall together (§2.1.4)', () => {
    const bench = createRulesBench(2, { naming: { method: 'host-label', domain: 'b6.example', hasDns: true } })
    sound(bench, 'Büro 1')
    const { id } = sound(bench, 'buro-1')
    expect(bench.of('name-ambiguous')).toHaveLength(2)
    bench.remedy(`name-ambiguous ${id}`, 'other-name')
    expect(bench.of('name-ambiguous')).toEqual([])
  })

  it('name-ambiguous: groups of one address where the address is the name; one gets an address of its own', () => {
    const bench = createRulesBench(2, { naming: { method: 'authority' } })
    const { coapId } = sound(bench)
    const id = bench.engine.createApplication({ name: 'b', coapGroupId: coapId, members: ['d1', 'd2'] })
    expect(bench.of('name-ambiguous')).toMatchObject([{ severity: 'error' }, { severity: 'error' }])
    bench.setNaming({ method: 'none' })
    expect(bench.of('name-ambiguous')).toMatchObject([{ severity: 'warning' }, { severity: 'warning' }])
    bench.remedy(`name-ambiguous ${id}`, 'own-coap-group')
    expect(bench.of('name-ambiguous')).toEqual([])
    bench.setNaming({ method: 'path' })
    expect(bench.findings()).toEqual([])
  })

  it('name-not-carried: a lone query parameter has no equals sign', () => {
    const bench = createRulesBench(2, { naming: { method: 'query' } })
    sound(bench, 'a=b')
    expect(bench.of('name-not-carried')).toMatchObject([{ severity: 'error' }])
    bench.press('name-not-carried', 'label-name')
    expect(bench.of('name-not-carried')).toEqual([])
  })

  it('name-long: told where a shorter name saves a frame, and only in a mesh (§3.9.2)', () => {
    const long = 'Besprechungsraum-Süd-im-zweiten-Obergeschoss'
    const wired = createRulesBench(2, { mesh: false })
    sound(wired, long)
    expect(wired.of('name-long')).toEqual([])
    const bench = createRulesBench(2)
    sound(bench, long)
    expect(bench.of('name-long')).toMatchObject([{ severity: 'warning', params: { frames: 2, best: 1 } }])
    bench.press('name-long', 'short-name')
    expect(bench.findings()).toEqual([])
  })

  it('naming-*, delimiter-long: what the site has chosen for all (§2.2.1.1, §2.2.1.2)', () => {
    const bench = createRulesBench(2, { naming: { method: 'host', domain: 'b6.example' } })
    sound(bench)
    expect(bench.of('naming-without-dns')).toMatchObject([{ severity: 'error', subject: { kind: 'site' } }])
    expect(bench.of('naming-not-recommended')).toHaveLength(1)
    bench.setNaming({ method: 'option' })
    expect(bench.of('naming-option-unregistered')).toHaveLength(1)
    bench.press('naming-option-unregistered', 'name-by-path')
    expect(bench.findings()).toEqual([])
    bench.setNaming({ delimiter: 'applicationgroup' })
    bench.press('delimiter-long', 'short-delimiter')
    expect(bench.findings()).toEqual([])
  })
})

describe('one feed for all', () => {
  it('findings of the security layer stand among the others, with what can be pressed', () => {
    const bench = createRulesBench(0)
    bench.security.findings.set({
      id: 'unused s1',
      rule: 'unused',
      severity: 'info',
      section: 'draft-ietf-core-groupcomm-bis-18 §2.1.4',
      subject: { kind: 'security-group', id: 's1', name: 'S' },
      params: {},
    })
    expect(bench.findings()).toMatchObject([{ source: 'security', rule: 'unused', severity: 'advice' }])
    bench.remedy('unused s1', 'remove-security-group')
    expect(bench.done).toEqual(['remove s1'])
    bench.security.findings.delete(['unused s1'])
    expect(bench.findings()).toEqual([])
    expect(codeOf(() => bench.remedy('unused s1', 'remove-security-group'))).toBe('rules.not-found')
  })

  it('a remedy that the finding does not have is refused', () => {
    const bench = createRulesBench(0)
    const id = bench.engine.createApplication({ name: 'a' })
    expect(codeOf(() => bench.remedy(`group-without-members ${id}`, 'rekey'))).toBe('rules.not-found')
  })
})

function memberRow(deviceId: string, securityGroupId: string, keys: 'none' | 'current') {
  return {
    key: `${deviceId} ${securityGroupId}`,
    deviceId,
    securityGroupId,
    desired: true,
    requester: false,
    responder: true,
    outcome: 'planned' as const,
    keys,
    generation: null,
    failures: 0,
    at: 0,
    failure: null,
  }
}
