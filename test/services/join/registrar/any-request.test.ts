// Whatever is asked of the registrar's resources is answered, and nothing of it is a fault of ours (RFC 9148 §4.5, constrained-voucher §6.6).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { csrOf, requestOf, visit } from './visit.ts'
import { certificateOf, COAPS, openHouse, stranger } from './house.ts'

const NAMES = ['crts', 'sen', 'sren', 'skg', 'skc', 'att', 'rv', 'vs', 'es', '', 'device', 'x', 'EST']
const ROOTS = [['est'], ['b'], ['.well-known', 'est'], ['.well-known', 'brski'], ['.well-known']]
const FORMATS = [undefined, 0, 50, 60, 62, 281, 284, 285, 286, 287, 836, 65_000]

describe('any request', () => {
  it('of a pledge or of a member gets an answer of its own', { timeout: 60_000 }, async () => {
    const house = await openHouse({ settings: { rates: { burst: 1e6, perMinute: 1e6 } } })
    const device = house.device('LW-1')
    const { certificate, key } = await house.drive(house.pledge(house.device('LW-2')).join())
    const clients = [house.client(certificateOf(device)), house.client(certificateOf({ key, certificate, chain: [] }))]
    const payloads = [csrOf(device), requestOf(house, device), new Uint8Array(0)]
    const request = fc.record({
      who: fc.nat(1),
      method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'FETCH'),
      root: fc.constantFrom(...ROOTS),
      below: fc.oneof(fc.tuple(fc.constantFrom(...NAMES)), fc.array(fc.constantFrom(...NAMES), { maxLength: 3 })),
      contentFormat: fc.constantFrom(...FORMATS),
      accept: fc.constantFrom(...FORMATS),
      payload: fc.oneof(fc.constantFrom(...payloads), fc.uint8Array({ maxLength: 80 })),
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ who, method, root, below, contentFormat, accept, payload }) => {
        const asked = {
          method,
          path: [...root, ...below],
          ...(contentFormat === undefined ? {} : { contentFormat }),
          ...(accept === undefined ? {} : { accept }),
          ...(method === 'GET' || method === 'DELETE' ? {} : { payload }),
        } as const
        const { code } = await house.drive(clients[who]!.request(COAPS, asked, { cache: 'bypass' }))
        expect(['5.00', '5.02']).not.toContain(code)
      }),
      { numRuns: 250 },
    )
    expect(house.errors).toEqual([])
    // No name but their own has come into the books.
    const own = ['CN=Registrar', 'CN=lamp LW-1, serialNumber=LW-1', 'CN=lamp LW-2, serialNumber=LW-2']
    expect(house.site.desk.certificates({ limit: 1000 }).filter(({ subject }) => !own.includes(subject))).toEqual([])
  })

  it('of many strangers at the door fills no list', { timeout: 60_000 }, async () => {
    const house = await openHouse({ settings: { allowsUnknownMakers: false } })
    for (let index = 0; index < 90; index++) {
      const guest = visit(house, stranger.device(`CN=x, serialNumber=S${index}`))
      await guest.get(['est', 'crts']).catch(() => undefined)
    }
    expect(house.steps.length).toBeLessThanOrEqual(70)
    expect(new Set(house.steps.map(({ pledge }) => pledge.key)).size).toBe(house.steps.length)
    expect(toHex(house.steps[0]!.pledge.chain[0]!).length).toBeGreaterThan(100)
  })
})
