// Where addresses and ports of CoAP groups come from, by each policy; and that none is given out while a device may still listen there.
// RFC 3306 §4, RFC 3307 §4.3, RFC 4291 §2.7, RFC 2365 §6; draft-ietf-core-groupcomm-bis-18 §2.2.2, §2.2.4, §3.4.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '#main/base/index.ts'
import { AddressHolds, checkAllocation, readGroupAddress, type AddressHold, type AllocationPolicy } from '#main/site/groups/index.ts'
import { allocationSettings, type AllocationSettings } from '#contract/model.ts'
import { apply, createBench } from '../doubles.ts'
import { codeOf } from '../rules/rules-bench.ts'
import { runEdits } from './allocation-edits.ts'

const settings = (change: Partial<AllocationSettings>): AllocationSettings => allocationSettings.parse(change)

function addressesOf(change: Partial<AllocationSettings>, count = 3): readonly string[] {
  const { engine } = createBench(0, { allocation: { prefixId: 'site-1', settings: settings(change) } })
  return Array.from({ length: count }, (_, index) => engine.coapFeed.get(engine.createCoap({ name: `g${index}` }))!.address)
}

describe('policies', () => {
  it.each<[string, Partial<AllocationSettings>, RegExp]>([
    ['the site’s own prefix', {}, /^ff35:30:fd[0-9a-f:]+:0:[89a-f][0-9a-f]{3}:[0-9a-f]+$/],
    [
      'a prefix of the network’s (RFC 3306 §4)',
      { prefix: '2001:db8:1::/48', scope: 'admin-local' },
      /^ff34:30:2001:db8:1:0:[89a-f][0-9a-f]{3}:[0-9a-f]+$/,
    ],
    ['transient (RFC 4291 §2.7)', { policy: 'transient' }, /^ff15:[0-9a-f:]+$/],
    ['KNX IoT', { policy: 'knx', installation: 'd773e094b6' }, /^ff35:30:fdd7:73e0:94b6:0:[89a-f][0-9a-f]{3}:[0-9a-f]+$/],
    ['IPv4 (RFC 2365 §6.2)', { policy: 'ipv4', range: '239.192.0.0/14' }, /^239\.19[2-5]\.\d+\.\d+$/],
    ['a list', { policy: 'list', list: ['ff35::8000:1-ff35::8000:2', '239.1.2.3'] }, /^(ff35::8000:[12]|239\.1\.2\.3)$/],
  ])('%s', (_, change, form) => {
    const addresses = addressesOf(change)
    expect(new Set(addresses).size).toBe(3)
    for (const address of addresses) {
      expect(address).toMatch(form)
      expect(readGroupAddress(address)).toBe(address)
    }
  })

  it('the address of a KNX IoT installation is that of the recorded devices', () => {
    const bytes = { policy: 'list' as const, list: ['ff35:30:fdd7:73e0:94b6:0:8000:1'] }
    expect(addressesOf(bytes, 1)).toEqual(['ff35:30:fdd7:73e0:94b6:0:8000:1'])
    const knx: AllocationPolicy = { prefixId: 'x', settings: settings({ policy: 'knx', installation: 'd773e094b6' }) }
    const { engine } = createBench(0, { allocation: knx, random: { ...seededRandom(1), below: () => 1 } })
    expect(engine.coapFeed.get(engine.createCoap({ name: 'g' }))?.address).toBe('ff35:30:fdd7:73e0:94b6:0:8000:1')
  })

  it.each<Partial<AllocationSettings>>([
    { prefix: 'ff35::/48' },
    { prefix: '2001:db8:1::/65' },
    { prefix: '2001:db8:1::1/48' },
    { prefix: '2001:db8:1::' },
    { policy: 'list' },
    { policy: 'list', list: ['fd00::1'] },
    { policy: 'list', list: ['ff35::8000:2-ff35::8000:1'] },
    { policy: 'list', list: ['ff35::8000:2-239.1.1.1'] },
    { policy: 'ipv4', range: '224.0.1.0/24' },
    { policy: 'ipv4', range: '239.192.0.1/14' },
    { policy: 'ipv4', range: 'x' },
  ])('%j makes no group addresses', (change) => {
    expect(codeOf(() => checkAllocation(settings(change)))).toBe('group.address-invalid')
  })

  it('any text is settled or refused, never anything else', () => {
    const text = fc.string({ maxLength: 40 })
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 3 }), fc.constantFrom('prefix', 'list', 'ipv4'), (prefix, range, list, policy) =>
        ['done', 'group.address-invalid'].includes(codeOf(() => checkAllocation(settings({ policy, prefix, range, list })))),
      ),
    )
  })

  it('two groups never fall into one link-layer group while there are others (RFC 2464 §7)', () => {
    const list = ['ff35:0:1::8000:1', 'ff35:0:2::8000:1', 'ff35:0:1::8000:2', 'ff35:0:2::8000:2']
    expect(addressesOf({ policy: 'list', list }, 4)).toEqual([list[0], list[2], list[1], list[3]])
  })

  it('each group has a dynamic port of its own where the port is its name (Appendix B.3)', () => {
    const { engine } = createBench(0, { allocation: { prefixId: 'site-1', port: 'own' } })
    for (let index = 0; index < 50; index++) engine.createApplication({ name: `g${index}` })
    const ports = engine.coapFeed.rows().map(({ port }) => port)
    expect(new Set(ports).size).toBe(50)
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(49_152)
  })
})

describe('quarantine (§2.2.4)', () => {
  function heldBench() {
    let saved: readonly AddressHold[] = []
    const known = new Set(['d1', 'd2', 'd3'])
    const holds = new AddressHolds([], {
      save: (all) => void (saved = all),
      now: () => 0,
      isKnown: (id) => known.has(id),
      nameOf: (id) => id,
    })
    const bench = createBench(3, {
      allocation: { prefixId: 'site-1', holds, settings: settings({ policy: 'list', list: ['ff35::8000:1-ff35::8000:3'] }) },
    })
    const remove = (id: string): void => {
      known.delete(id)
      bench.devices.remove([id])
    }
    return { ...bench, holds, remove, saved: () => saved.map(({ address, deviceId }) => `${address} ${deviceId}`) }
  }

  it('an address whose write is in doubt is not given out until the device was read', async () => {
    const bench = heldBench()
    const id = bench.engine.createApplication({ name: 'a', members: ['d1'] })
    const coapId = bench.engine.book.group(id).coapGroupId
    bench.devices.fake('d1').fate = (operation) => (operation === 'read' ? 'ok' : 'answer-lost')
    await apply(bench)
    bench.engine.updateCoap(coapId, { address: 'ff35::8000:99' })
    expect(bench.saved()).toEqual(['ff35::8000:1 d1'])
    expect(bench.engine.coapFeed.get(bench.engine.createCoap({ name: 'b' }))?.address).toBe('ff35::8000:2')
    bench.devices.fake('d1').fate = () => 'ok'
    await apply(bench)
    expect(bench.saved()).toEqual([])
    expect(bench.engine.coapFeed.get(bench.engine.createCoap({ name: 'c' }))?.address).toBe('ff35::8000:1')
  })

  it('a device that was taken out of the project keeps its addresses until somebody has made sure', async () => {
    const bench = heldBench()
    const id = bench.engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    await apply(bench)
    bench.remove('d1')
    bench.engine.removeApplication(id)
    await apply(bench)
    expect(bench.saved()).toEqual(['ff35::8000:1 d1'])
    expect(bench.engine.coapFeed.get(bench.engine.createCoap({ name: 'b' }))?.address).toBe('ff35::8000:2')
    bench.holds.release(['ff35:0:0:0:0:0:8000:1'])
    expect(bench.saved()).toEqual([])
    expect(bench.engine.coapFeed.get(bench.engine.createCoap({ name: 'c' }))?.address).toBe('ff35::8000:1')
  })

  it('is remembered with the site', () => {
    const hold = { address: 'ff35::8000:1', deviceId: 'gone', deviceName: 'Lamp', groupId: 'g', since: 5 }
    const holds = new AddressHolds([hold], { save: () => undefined, now: () => 0, isKnown: () => false, nameOf: (id) => id })
    expect(holds.has('FF35::8000:0001')).toBe(true)
    expect(holds.all()).toEqual([hold])
  })
})

describe('random edits', () => {
  it.each(['prefix', 'transient', 'list', 'ipv4'] as const)('never collide, nor meet a device that may still listen, by %s', (policy) => {
    expect(runEdits({ policy, edits: 2500, seed: 3 })).toEqual({ edits: 2500, collisions: 0, met: 0 })
  })
})
