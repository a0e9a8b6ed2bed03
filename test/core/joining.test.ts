// A device joins a whole program through a join proxy: voucher, certificate, OSCORE context, and it stands enrolled in the device list
// (RFC 8995, draft-ietf-anima-constrained-voucher §6, draft-ietf-anima-constrained-join-proxy-20).
import { describe, expect, it, onTestFinished } from 'vitest'
import { decodeCbor, isCborMap, silentLogger, systemRandom, utf8ToText } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { details, maker, openLink, placeOf, plan, ports, start, stranger } from './joining-harness.ts'

describe('a device that joins through a proxy', () => {
  it('gets voucher, certificate and OSCORE context while the window is open, step by step before everybody’s eyes', async () => {
    const started = await start(['LW-0001'])
    const { session } = started
    await plan(started, 'LW-0001')
    await session.call('admission.open', {})
    const pledge = await openLink(started)
    let material: ReadonlyMap<unknown, unknown> = new Map()
    const joined = await pledge(maker.device('serialNumber=LW-0001, O=Lumen Works'), {
      afterwards: async (request) => {
        const answer = await request({ method: 'POST', path: ['oscore-context'] })
        expect([answer.code, answer.contentFormat]).toEqual(['2.04', 60])
        const read = decodeCbor(answer.payload)
        if (isCborMap(read)) material = read
        expect((await request({ method: 'POST', path: ['oscore-context'] })).code).toBe('4.29')
      },
    }).join()
    expect(joined.certificate.subjectAltNames.length + joined.certificate.subject.length).toBeGreaterThan(10)
    const row = await session.when('pledges', ({ step, outcome }) => step === 'secured' && outcome === 'done')
    expect(row).toMatchObject({ serialNumber: 'LW-0001', makerKnown: true, proxy: '::1', listed: 'device', state: 'enrolled' })
    expect(row.steps.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual(
      ['seen', 'connected', 'admitted', 'voucher', 'trusts-us', 'certificate', 'enrolled', 'secured'].map((step) => `${step} done`),
    )
    expect(session.rows('devices')).toMatchObject([{ name: 'Lamp 1', state: 'enrolled' }])
    expect(session.rows('security')[0]).toMatchObject({ enrolled: 1 })
    expect(await session.call('admission.vouchers', { offset: 0, limit: 10 })).toMatchObject({
      rows: [{ serialNumber: 'LW-0001', source: 'maker' }],
    })

    // What it was given is what the tool has.
    const [secret, salt, own, tool] = [2, 5, 'c', 's'].map((key) => material.get(key))
    if (![secret, salt, own, tool].every((part) => part instanceof Uint8Array)) throw new TypeError('no material')
    const layer = new OscoreLayer({ random: systemRandom })
    const context = { masterSecret: secret as Uint8Array, masterSalt: salt as Uint8Array }
    layer.add(
      new UnicastContext(
        { name: 'tool', ...context, senderId: own as Uint8Array, recipientId: tool as Uint8Array },
        { sequences: volatileSequences(), received: 'fresh' },
      ),
    )
    const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const endpoint = new CoapEndpoint({ channel, security: layer, ...ports })
    onTestFinished(async () => {
      endpoint.close()
      await channel.close()
    })
    const security = layer.to('tool')
    const answer = await endpoint.request(placeOf(started, 'coap'), { method: 'GET', path: ['.well-known', 'core'], security })
    expect([answer.code, answer.peer?.scheme]).toEqual(['2.05', 'oscore'])
  }, 60_000)

  it('waits while nobody has let it in, and goes on by itself when somebody has', async () => {
    const started = await start(['LW-0002'])
    const { session } = started
    await plan(started, 'LW-0002')
    const pledge = await openLink(started)
    const end = new AbortController()
    const joining = pledge(maker.device('serialNumber=LW-0002, O=Lumen Works')).join(end.signal)
    joining.catch(() => undefined)
    const waiting = await session.when('pledges', ({ outcome }) => outcome === 'waiting')
    expect(waiting).toMatchObject({ state: 'waiting', step: 'admitted', code: 'join.window-closed' })
    expect(session.rows('devices')[0]?.state).not.toBe('enrolled')
    end.abort()
    await expect(joining).rejects.toThrow()
    await session.call('admission.open', {})
    await pledge(maker.device('serialNumber=LW-0002, O=Lumen Works, CN=again')).join()
    await session.when('devices', ({ state }) => state === 'enrolled')
  }, 60_000)

  it('of a maker that nobody knows gets nothing, and no context by its birth certificate', async () => {
    const started = await start([])
    const { session } = started
    await session.call('admission.open', {})
    const pledge = await openLink(started)
    const end = new AbortController()
    const joining = pledge(stranger.device('serialNumber=NS-1, O=Nobody')).join(end.signal)
    joining.catch(() => undefined)
    const row = await session.when('pledges', ({ step }) => step === 'admitted')
    expect(row).toMatchObject({ makerKnown: false, state: 'waiting' })
    end.abort()
    await expect(joining).rejects.toThrow()
    expect(session.rows('security')[0]).toMatchObject({ enrolled: 0 })
  }, 60_000)
})

describe('the devices of a demo site', () => {
  it('join over proxies of their own mesh with loss on the radio, each to its context', async () => {
    const devices = 12
    const { program, session } = testProgram(temporaryFolder(), { demo: { radio: 'ideal', joining: 'proxy' } })
    onTestFinished(() => program.close())
    await session.call('site.create', { kind: 'demo', details, demo: { devices, lossPercent: 5, seed: 4 } })
    await session.call('devices.importApply', { text: (await session.call('demo.deviceList', {})).text })
    await session.call('admission.open', {})
    await session.call('ra.createRoot', { subject: 'CN=Demo CA' })
    await expect
      .poll(() => session.rows('pledges').filter(({ step, outcome }) => step === 'secured' && outcome === 'done').length, {
        timeout: 80_000,
      })
      .toBe(devices)
    expect(session.rows('devices').map(({ state }) => state)).toEqual(Array.from({ length: devices }, () => 'enrolled'))
    expect(session.rows('pledges').every(({ makerKnown }) => makerKnown)).toBe(true)
    // Neighbours of the dongle come by themselves, others by a router next to them.
    const proxies = session.rows('pledges').map(({ proxy }) => proxy)
    expect(proxies.filter((proxy) => proxy === null).length).toBe(devices / 4)
    expect(proxies.filter((proxy) => proxy?.startsWith('fd00::') === true).length).toBe((devices * 3) / 4)
    expect(session.rows('security')[0]).toMatchObject({ enrolled: devices })
  }, 90_000)
})

describe('whoever looks for the registrar', () => {
  it('finds the join port and the short paths in discovery and in the directory (draft -20 §5.2)', async () => {
    const started = await start([])
    const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
    const endpoint = new CoapEndpoint({ channel, ...ports })
    onTestFinished(async () => {
      endpoint.close()
      await channel.close()
    })
    const at = placeOf(started, 'coap')
    const [join, coaps] = [placeOf(started, 'jpy'), placeOf(started, 'coaps')]
    const core = await endpoint.request(at, { method: 'GET', path: ['.well-known', 'core'], query: ['rt=brski*'] })
    expect(utf8ToText(core.payload)).toContain(`<jpy://[::1]:${join.port}>;rt="brski.rjp"`)
    const found = await endpoint.request(at, { method: 'GET', path: ['rd-lookup', 'res'], query: ['rt=brski*'] })
    expect(utf8ToText(found.payload)).toContain(`<coaps://[::1]:${coaps.port}/b>;rt="brski"`)
  }, 60_000)
})
