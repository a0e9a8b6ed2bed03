// The registrar's certificate over the years: kept, renewed, replaced (draft-ietf-anima-constrained-voucher §6.2).
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { memoryDatabase } from '../../ra/harness.ts'
import { memoryKeeper, openHouse, type House } from './house.ts'

const DAY_MS = 86_400_000

function serialOf(house: House): string {
  return toHex(house.registrar.credential!.certificate.serial)
}

async function pass(house: House, days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    house.clock.jumpWallClock(DAY_MS - 3_600_000)
    await house.clock.advance(3_600_000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

describe('the registrar’s certificate', () => {
  it('is the same after a restart, with the same key', async () => {
    const [database, keeper] = [memoryDatabase(), memoryKeeper()]
    const first = await openHouse({ database, keeper })
    const second = await openHouse({ database, keeper })
    expect(serialOf(second)).toBe(serialOf(first))
    expect(second.registrar.credential?.key.spki).toEqual(first.registrar.credential?.key.spki)
  })

  it('is new where what was kept is of no use', async () => {
    const [database, keeper] = [memoryDatabase(), memoryKeeper()]
    const first = await openHouse({ database, keeper })
    const kept = keeper.load()!
    keeper.save({ ...kept, sealedKey: kept.sealedKey.toReversed() })
    expect(serialOf(await openHouse({ database, keeper }))).not.toBe(serialOf(first))
  })

  it('is renewed in the last third of its life, and a session that has seen the former one still gets its voucher', async () => {
    const house = await openHouse({ settings: { lifetimeS: 90 * 86_400 } })
    const before = house.registrar.credential!.certificate
    await pass(house, 50)
    expect(serialOf(house)).toBe(toHex(before.serial))
    await pass(house, 15)
    expect(serialOf(house)).not.toBe(toHex(before.serial))
    expect(house.site.store.certificate(toHex(before.serial))?.replacedBy).toBe(serialOf(house))
    await house.drive(house.pledge(house.device('LW-1')).join())
    expect(house.story().at(-1)).toBe('enrolled+')
  })

  it('follows a roll-over of the authority, and devices of both generations are served', async () => {
    const house = await openHouse()
    const pledge = house.pledge(house.device('LW-1'))
    const old = await house.drive(pledge.join())
    await house.site.ca.rollOver({ algorithm: 'P-256' }, 'test')
    await house.registrar.refresh()
    expect(house.registrar.credential?.certificate.isIssuedBy(house.site.ca.active.certificate)).toBe(true)
    // The old root reaches the registrar through the link between the keys, and the new certificate brings the new root (§6.7.4).
    const renewed = await house.drive(pledge.renew())
    expect(renewed.certificate.isIssuedBy(house.site.ca.active.certificate)).toBe(true)
    expect(renewed.anchors.length).toBeGreaterThan(old.anchors.length)
    await house.drive(house.pledge(house.device('LW-2')).join())
    expect(house.story().at(-1)).toBe('enrolled+')
    expect(house.errors).toEqual([])
  })

  it('is replaced at once where it is revoked', async () => {
    const house = await openHouse()
    const before = serialOf(house)
    house.site.desk.revoke(before, 'keyCompromise', 'anna')
    await house.registrar.refresh()
    expect(serialOf(house)).not.toBe(before)
  })

  it('is made anew where it is to have another name', async () => {
    const [database, keeper] = [memoryDatabase(), memoryKeeper()]
    const first = await openHouse({ database, keeper })
    const named = { database, keeper, settings: { altNames: [{ kind: 'dns', value: 'registrar.local' }] } } as const
    const second = await openHouse(named)
    expect(serialOf(second)).not.toBe(serialOf(first))
    expect(second.registrar.credential?.certificate.subjectAltNames).toEqual([{ kind: 'dns', value: 'registrar.local' }])
    expect(serialOf(await openHouse(named))).toBe(serialOf(second))
  })

  it('comes with the authority: before that nobody can shake hands', async () => {
    const house = await openHouse()
    expect(house.registrar.dtls.credential?.kind).toBe('certificate')
    expect(house.registrar.credential?.wholeChain.at(-1)).toEqual(house.site.ca.active.certificate.bytes)
  })
})
