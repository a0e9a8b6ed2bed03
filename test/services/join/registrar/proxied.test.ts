// Pledges behind a constrained join proxy: the same registrar by its join port, and the timeline says through whom they came
// (draft-ietf-anima-constrained-join-proxy-20 §4, draft-ietf-anima-constrained-voucher §6.4).
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { DEFAULT_PORT_LIMITS } from '#main/services/join/index.ts'
import { enrolCrowd } from './enrol-crowd.ts'
import { openLane, PROXY_SIDE } from './lane.ts'

describe('behind a stateless join proxy', () => {
  it.each(['01', '20'] as const)('a pledge joins, with JPY of version %s', async (version) => {
    const { house, pledgeOptions } = await openLane(version)
    const device = house.device('LW-1')
    await house.drive(house.pledge(device, { ...pledgeOptions(0), blockBytes: 256 }).join())
    expect(house.story()).toEqual(['seen+', 'connected+', 'admitted+', 'voucher+', 'trusts-us+', 'certificate+', 'enrolled+'])
    expect(new Set(house.steps.map(({ pledge }) => pledge.proxy))).toEqual(new Set([PROXY_SIDE.address]))
    expect(new Set(house.steps.map(({ pledge }) => pledge.key))).toEqual(new Set([toHex(device.certificate.fingerprint())]))
  })

  // `node test/sim/join-crowd.ts` does the same with 500.
  it.each(['01', '20'] as const)(
    'forty pledges at once enrol over JPY of version %s though a tenth is lost, and strangers among them do not',
    { timeout: 120_000 },
    async (version) => {
      const outcome = await enrolCrowd({ pledges: 40, strangers: 5, lossPercent: 10, version })
      expect(outcome).toMatchObject({ enrolled: 40, failed: 0, issued: 40, issuedToOthers: 0, strangersIn: 0, errors: 0 })
      expect(outcome.setbacks).toMatchObject({ 'join.registrar-refused': 5 })
      const { portHalfOpen, portSessions, portProxies, proxyPledges } = outcome.peaks
      // Tables hold those who are there, and the half-open are no more than one proxy may have.
      expect(portHalfOpen).toBeLessThanOrEqual(Math.min(45, DEFAULT_PORT_LIMITS.maxHalfOpenPerProxy))
      expect(portSessions).toBeLessThanOrEqual(2 * 45)
      expect([portProxies, proxyPledges]).toEqual([1, 45])
      expect(outcome.left).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
    },
  )

  it('a pledge that waits for somebody’s decision goes on in the session that it has', async () => {
    const { house, joinPort, pledgeOptions } = await openLane('20')
    house.gate.verdict = () => ({ kind: 'wait', code: 'join.awaits-decision', retryAfterS: 60 })
    const waiting = house.pledge(house.device('LW-1'), pledgeOptions(1)).join()
    waiting.catch(() => undefined)
    await house.drive(
      (async () => {
        while (!house.story().includes('admitted? join.awaits-decision')) await new Promise((resolve) => setTimeout(resolve, 1))
      })(),
    )
    expect(joinPort.holdings().sessions).toBe(1)
    house.gate.verdict = () => ({ kind: 'admit' })
    await house.drive(waiting)
    expect(house.story().at(-1)).toBe('enrolled+')
  })
})
