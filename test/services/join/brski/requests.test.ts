// Voucher requests that the registrar gets (RFC 8995 §5.2 to §5.6, draft-ietf-anima-constrained-voucher §6.5, §9.2.2).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { signVoucherRequest, VOUCHER_COSE, writeStatusReport, type VoucherRequestData } from '#main/services/join/index.ts'
import { ContentFormat, findUint, OptionNumber, uintOption } from '#main/wire/coap/index.ts'
import type { Issued } from '../../ra/harness.ts'
import { certificateOf, COAPS, maker, openHouse, type House } from '../registrar/house.ts'
import { advance, issuedToDevices, random, requestOf, RV, visit } from '../registrar/visit.ts'

describe('voucher requests', () => {
  const tampered = (house: House, device: Issued, change: Partial<VoucherRequestData>, signer: Issued = device): Uint8Array => {
    const data: VoucherRequestData = {
      assertion: 'proximity',
      serialNumber: 'LW-1',
      nonce: random.bytes(8),
      proximityRegistrarPubk: house.registrar.credential!.certificate.spki,
      ...change,
    }
    return signVoucherRequest(data, { key: signer.key, chain: [signer.certificate.bytes] }, { format: 'cose', certificates: [] })
  }

  it('made while looking at another registrar are refused with 4.01, and the session ends (RFC 8995 §5.2)', async () => {
    const house = await openHouse()
    const device = house.device('LW-1')
    const guest = visit(house, device)
    const elsewhere = otherRegistrar().certificate.bytes
    for (const proximity of ['cert', 'pubk', 'pubk-sha256'] as const) {
      const answer = await guest.post(RV, requestOf(house, device, { registrarCertificate: elsewhere, proximity }), VOUCHER_COSE)
      expect(answer.code).toBe('4.01')
    }
    expect(house.story().slice(0, 3)).toEqual(['seen+', 'connected+', 'voucher- voucher.wrong-registrar'])
    await house.clock.advance(3000)
    expect(house.coaps.holdings().sessions).toBe(0)
  })

  it('of another device, by another key, without nonce, or that are no request get nothing', async () => {
    const house = await openHouse()
    const device = house.device('LW-1')
    const other = house.device('LW-2')
    const guest = visit(house, device)
    const cases: ReadonlyArray<readonly [Uint8Array, string, string]> = [
      [tampered(house, device, { serialNumber: 'LW-2' }), '4.03', 'voucher.wrong-device'],
      [tampered(house, device, {}, other), '4.03', 'voucher.signature-invalid'],
      [tampered(house, device, { assertion: 'agent-proximity' }), '4.03', 'voucher.assertion-refused'],
      [utf8('no voucher request'), '4.00', 'voucher.invalid'],
      [requestOf(house, other), '4.03', 'voucher.signature-invalid'],
    ]
    for (const [payload, code, step] of cases) {
      expect((await guest.post(RV, payload, VOUCHER_COSE)).code).toBe(code)
      expect(house.story().at(-1)).toBe(`voucher- ${step}`)
    }
    expect(house.story().some((step) => step === 'voucher+')).toBe(false)
  })

  it('in other formats, too large, or from members are refused with their codes', async () => {
    const house = await openHouse()
    const device = house.device('LW-1')
    const guest = visit(house, device)
    expect((await guest.post(RV, requestOf(house, device), 60)).code).toBe('4.15')
    expect((await guest.post(RV, new Uint8Array(16_385), VOUCHER_COSE)).code).toBe('4.13')
    const asked = house.client(certificateOf(device))
    const accept = { method: 'POST', path: RV, payload: requestOf(house, device), contentFormat: VOUCHER_COSE, accept: 50 } as const
    expect((await house.drive(asked.request(COAPS, accept))).code).toBe('4.06')
    const { certificate, key } = await house.drive(house.pledge(house.device('LW-3')).join())
    const member: Issued = { certificate, key, chain: [] }
    expect((await visit(house, member).post(RV, requestOf(house, member), VOUCHER_COSE)).code).toBe('4.03')
    expect((await visit(house, member).post(['b', 'vs'], writeStatusReport(true), ContentFormat.CBOR)).code).toBe('4.03')
  })

  it('that come twice get the same voucher, and the maker is asked once', async () => {
    let asked = 0
    const house = await openHouse({
      masa: (client) => ({
        ...client,
        requestVoucher: (...question) => {
          asked++
          return client.requestVoucher(...question)
        },
      }),
    })
    const device = house.device('LW-1')
    const guest = visit(house, device)
    const request = requestOf(house, device)
    const first = await guest.post(RV, request, VOUCHER_COSE)
    const second = await guest.post(RV, request, VOUCHER_COSE)
    expect([first.code, first.contentFormat]).toEqual(['2.04', VOUCHER_COSE])
    expect(second.payload).toEqual(first.payload)
    expect(asked).toBe(1)
  })

  it('of a device that its maker has sold to somebody else get nothing', async () => {
    const house = await openHouse({ ownership: 'sales' })
    const device = maker.device('CN=sold, serialNumber=LW-SOLD')
    house.devices.add({ serialNumber: 'LW-SOLD', owner: '00'.repeat(32) })
    const failure = await house.drive(house.pledge(device).join()).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({ code: 'join.registrar-refused', details: { step: 'voucher' } })
    expect(house.story().at(-1)).toBe('voucher- voucher.masa-refused')
    expect(issuedToDevices(house)).toEqual([])
  })

  it('wait while nobody has a voucher, and while somebody has to decide (RFC 8995 §5.6)', async () => {
    let offline = true
    const house = await openHouse({ isOffline: () => offline })
    const device = house.device('LW-1')
    house.gate.verdict = () => ({ kind: 'wait', code: 'join.awaits-decision', retryAfterS: 300 })
    const guest = visit(house, device)
    const waiting = await guest.post(RV, requestOf(house, device), VOUCHER_COSE)
    // Never longer than a pledge waits.
    expect([waiting.code, findUint(waiting.options, OptionNumber.MAX_AGE)]).toEqual(['5.03', 60])
    const joining = house.pledge(device).join()
    joining.catch(() => undefined)
    await house.drive(Promise.race([joining, advance(house, 90_000)]))
    house.gate.verdict = () => ({ kind: 'admit' })
    await advance(house, 90_000)
    expect(house.story().at(-1)).toMatch(/^voucher\? voucher\./)
    offline = false
    await house.drive(joining)
    expect(house.story().at(-1)).toBe('enrolled+')
    expect(house.story()).toContain('admitted? join.awaits-decision')
  })

  it('of any bytes are answered, and never with a voucher', async () => {
    const house = await openHouse({ settings: { rates: { burst: 100_000, perMinute: 100_000 } } })
    const device = house.device('LW-1')
    const guest = visit(house, device)
    const good = requestOf(house, device)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: good.length }),
        async (at, by, end) => {
          const bytes = good.slice(0, end)
          bytes[at % end]! ^= by
          const { code } = await guest.post(RV, bytes, VOUCHER_COSE)
          expect(code.startsWith('4.')).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
    expect(house.errors).toEqual([])
  })
})

const otherRegistrar = (): Issued => maker.device('CN=other registrar, serialNumber=R', [], 'P-256', ['1.3.6.1.5.5.7.3.28'])

describe('the path', () => {
  it('may be named by its number (§6.5.3)', async () => {
    const house = await openHouse()
    const device = house.device('LW-1')
    const client = house.client(certificateOf(device))
    const options = [uintOption(OptionNumber.URI_PATH_ABBREV, 402)]
    const request = { method: 'POST', path: [], options, payload: requestOf(house, device), contentFormat: VOUCHER_COSE } as const
    expect((await house.drive(client.request(COAPS, request))).code).toBe('2.04')
  })
})
