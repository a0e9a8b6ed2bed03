// The pledge for itself: what it does with registrars that answer badly, not at all, or late, and what it keeps (RFC 8995 §5.6, §5.9.4).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateSigningKey, seededRandom, silentLogger, toHex, type SocketAddress } from '#main/base/index.ts'
import { EstFormat, readStatusReport } from '#main/services/join/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import { CoapEndpoint, maxAge, ResourceTree, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { createDtlsChannel } from '#main/wire/dtls/index.ts'
import { NEW_PLEDGE, readPledgeState, writePledgeState } from '../../../../src-main/services/join/pledge/memory.ts'
import { maker, openHouse, stranger, type House } from '../registrar/house.ts'

const FAKE: SocketAddress = { address: '2001:db8::99', port: 5684 }

/** The site's own registrar certificate on another server, which serves what it is told. */
function impostor(
  house: House,
  answers: Readonly<Record<string, (payload: Uint8Array) => OutgoingResponse>>,
): { readonly reports: string[] } {
  const reports: string[] = []
  const ports = { clock: house.whole, random: seededRandom(21), logger: silentLogger }
  const tree = new ResourceTree()
  for (const name of ['vs', 'es']) {
    tree.add(`/.well-known/brski/${name}`, {
      handlers: {
        POST: ({ payload, contentFormat }) => {
          const report = readStatusReport(contentFormat, payload)
          reports.push(`${name} ${report?.status} ${report?.reason ?? ''}`.trim())
          return { code: '2.04' }
        },
      },
    })
  }
  for (const [path, answer] of Object.entries(answers))
    tree.add(path, { handlers: { GET: ({ payload }) => answer(payload), POST: ({ payload }) => answer(payload) } })
  const channel = createDtlsChannel({ ...ports, channel: house.net.channel(FAKE), server: house.registrar.dtls })
  new CoapEndpoint({ ...ports, channel, tree })
  return { reports }
}

const trusting = (house: House): { load: () => Uint8Array; save: () => void } => ({
  load: () => writePledgeState({ ...NEW_PLEDGE, pinned: [house.site.ca.active.certificate.bytes] }),
  save: () => undefined,
})

async function failure(house: House, promise: Promise<unknown>): Promise<unknown> {
  return await house.drive(promise).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
}

describe('a pledge', () => {
  it('says that nobody answers, and that it may try again', async () => {
    const house = await openHouse()
    const steps: string[] = []
    const pledge = house.pledge(house.device('LW-1'), { to: FAKE, onStep: (step, outcome) => void steps.push(`${step} ${outcome}`) })
    expect(await failure(house, pledge.join())).toMatchObject({ code: 'dtls.timeout', retryable: true })
    expect(steps).toEqual(['connect begun', 'connect failed'])
  })

  it('takes no certificate for another key, and none that leads to nobody it trusts; it says so over the same session', async () => {
    const house = await openHouse()
    const other = stranger.device('CN=lamp LW-1, serialNumber=LW-1').certificate.bytes
    const { reports } = impostor(house, {
      '/.well-known/est/sen': () => ({ code: '2.04', payload: other, contentFormat: EstFormat.PKIX_CERT }),
      '/.well-known/est/crts': () => ({
        code: '2.05',
        payload: house.site.ca.active.certificate.bytes,
        contentFormat: EstFormat.PKIX_CERT,
      }),
    })
    const pledge = house.pledge(house.device('LW-1'), { to: FAKE, keeper: trusting(house) })
    expect(await failure(house, pledge.join())).toMatchObject({ code: 'join.answer-invalid' })
    expect(reports).toEqual(['es false The certificate is for another key'])
    expect(pledge.joined).toBeUndefined()
  })

  it.each([
    ['nothing at all', { code: '2.04' as const }],
    ['a format that was not asked for', { code: '2.04' as const, payload: Uint8Array.of(1), contentFormat: 42 }],
    ['no certificate', { code: '2.04' as const, payload: Uint8Array.of(0x30, 0), contentFormat: EstFormat.PKIX_CERT }],
    ['an empty collection', { code: '2.04' as const, payload: Uint8Array.of(0x80), contentFormat: EstFormat.MULTIPART }],
  ])('fails with a code where the registrar answers with %s', async (_, answer) => {
    const house = await openHouse()
    impostor(house, { '/.well-known/est/sen': () => answer })
    const pledge = house.pledge(house.device('LW-1'), { to: FAKE, keeper: trusting(house) })
    expect(await failure(house, pledge.join())).toMatchObject({ code: 'join.answer-invalid' })
  })

  it('is refused with the words of the registrar', async () => {
    const house = await openHouse()
    house.gate.verdict = () => ({ kind: 'deny', code: 'join.denied' })
    expect(await failure(house, house.pledge(house.device('LW-1')).join())).toMatchObject({
      code: 'join.registrar-refused',
      details: { step: 'voucher', responseCode: '4.03', why: 'The device is not admitted' },
    })
  })

  it('waits at most a minute at a time, and gives up in the end (RFC 8995 §5.6)', async () => {
    const house = await openHouse()
    let asked = 0
    impostor(house, {
      '/.well-known/brski/rv': () => {
        asked++
        return { code: '5.03', options: [maxAge(86_400)] }
      },
    })
    const pledge = house.pledge(house.device('LW-1'), { to: FAKE, patienceMs: 10 * 60_000 })
    expect(await failure(house, pledge.join())).toMatchObject({ code: 'join.awaits-decision', retryable: true })
    expect(asked).toBe(10)
  })

  it('ends at once where it is told to', async () => {
    const house = await openHouse()
    house.gate.verdict = () => ({ kind: 'wait', code: 'join.awaits-decision', retryAfterS: 60 })
    const end = new AbortController()
    const joining = house.pledge(house.device('LW-1')).join(end.signal)
    joining.catch(() => undefined)
    for (let turn = 0; turn < 40; turn++) {
      await house.clock.advance(50)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    end.abort()
    expect(await failure(house, joining)).toMatchObject({ code: 'cancelled' })
  })

  it('does not enrol with a registrar that is none: without id-kp-cmcRA (RFC 7030 §3.6.1)', async () => {
    const house = await openHouse()
    const device = house.device('LW-1')
    const other = maker.device('CN=some server, serialNumber=S')
    const ports = { clock: house.whole, random: seededRandom(22), logger: silentLogger }
    createDtlsChannel({
      ...ports,
      channel: house.net.channel(FAKE),
      server: {
        credential: { kind: 'certificate', key: other.key, chain: [other.certificate.bytes, ...other.chain] },
        clientCertificates: 'required',
        verifyPeer: () => ({ ok: true }),
      },
    })
    const keeper = { load: () => writePledgeState({ ...NEW_PLEDGE, pinned: [maker.root.certificate.bytes] }), save: () => undefined }
    expect(await failure(house, house.pledge(device, { to: FAKE, keeper }).join())).toMatchObject({ code: 'dtls.peer-untrusted' })
  })

  it('forgets all but its birth', async () => {
    const house = await openHouse()
    let memory: Uint8Array | undefined
    const keeper = { load: () => memory, save: (bytes: Uint8Array) => void (memory = bytes) }
    const device = house.device('LW-1')
    const pledge = house.pledge(device, { keeper })
    const { certificate } = await house.drive(pledge.join())
    expect(new Certificate(certificate.bytes).spki).toEqual(certificate.spki)
    pledge.reset()
    expect(pledge.joined).toBeUndefined()
    expect(house.pledge(device, { keeper }).joined).toBeUndefined()
    // It may join anew.
    expect(toHex((await house.drive(pledge.join())).certificate.serial)).not.toBe(toHex(certificate.serial))
  })
})

describe('its memory', () => {
  it('is read as it was written', () => {
    const { certificate } = maker.root
    const key = generateSigningKey('P-256')
    const state = { pinned: [certificate.bytes], anchors: [certificate.bytes], key, request: Uint8Array.of(1), certificate }
    const read = readPledgeState(writePledgeState(state))
    expect([read.pinned, read.anchors, read.request, read.certificate?.bytes, read.key?.spki]).toEqual([
      state.pinned,
      state.anchors,
      state.request,
      certificate.bytes,
      key.spki,
    ])
  })

  it('is that of a new pledge for any other bytes', () => {
    const good = writePledgeState({ ...NEW_PLEDGE, pinned: [maker.root.certificate.bytes] })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.nat(good.length - 1).map((end) => good.slice(0, end)),
        ),
        (bytes) => {
          expect(Array.isArray(readPledgeState(bytes).pinned)).toBe(true)
        },
      ),
    )
    expect(readPledgeState(undefined)).toBe(NEW_PLEDGE)
  })
})
