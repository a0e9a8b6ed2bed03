// CMP over CoAP as RFC 9482 has it: paths, formats, codes, discovery, blocks, separate responses, loss, and sources that ask too much.
import { describe, expect, it } from 'vitest'
import { generateSigningKey, seededRandom, utf8ToText } from '#main/base/index.ts'
import { DEVICE_PROFILE, discoverCmp, parseCmpUri, type CoapTransportOptions } from '#main/services/ra/index.ts'
import { blockOption, type CoapEndpoint, OptionNumber, type ClientResponse } from '#main/wire/coap/index.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { verifySignatureOf } from '../../../src-main/services/ra/cmp/protection.ts'
import { bySecret, nameOf, SECRET, signedBy } from './harness.ts'
import { drive, expectLamp, manufacturer, network, pass, ROOT, SERVER, wish } from './network.ts'

describe('paths (RFC 9482 §2.1)', () => {
  const cases: ReadonlyArray<readonly [string, Partial<CoapTransportOptions>, string]> = [
    ['/.well-known/cmp', { operationPaths: false }, 'plain'],
    ['/.well-known/cmp/ir', { operationPaths: true }, 'with the operation'],
    ['/.well-known/cmp/p/device', { profile: 'device' }, 'with the profile'],
    ['/.well-known/cmp/p/device/ir', { profile: 'device', operationPaths: true }, 'with both'],
  ]
  it.each(cases)('%s enrols (%s)', async (path, transport) => {
    const { at, clock, node, client, trace } = await network()
    await expectLamp(at)
    await drive(clock, client(node(), {}, transport).enrol('ir', wish()))
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
    const asked = trace.find(({ direction, message }) => direction === 'received' && message?.code === '0.02')?.message
    const segments = asked?.options.filter(({ number }) => number === OptionNumber.URI_PATH).map(({ value }) => utf8ToText(value))
    expect(`/${segments?.join('/') ?? ''}`).toBe(path)
    expect(asked?.type).toBe('CON')
  })

  it('the profile of the path counts', async () => {
    const second = { ...DEVICE_PROFILE, name: 'short', lifetimeS: 3600 }
    const { at, clock, node, client } = await network({ ra: { settings: { profiles: [DEVICE_PROFILE, second] } } })
    await expectLamp(at)
    await drive(clock, client(node(), {}, { profile: 'short' }).enrol('ir', wish()))
    expect(at.desk.certificates({ limit: 1 })[0]?.profile).toBe('short')
  })

  it.each([
    [[...ROOT, 'nonsense'], '4.04'],
    [[...ROOT, 'p'], '4.04'],
    [[...ROOT, 'ir', 'more'], '4.04'],
    [[...ROOT, 'p', 'device', 'nonsense'], '4.04'],
  ] as const)('%j is %s', async (path, code) => {
    const { clock, node } = await network()
    const response = await drive(
      clock,
      node().request(SERVER, { method: 'POST', path, payload: Uint8Array.of(0x30, 0), contentFormat: 259 }),
    )
    expect(response.code).toBe(code)
  })

  it('the path of another operation refuses the message with badRequest', async () => {
    const { at, clock, node, client } = await network()
    await expectLamp(at)
    const wrong = client(node(), {}, { path: [...ROOT, 'rr'] }).enrol('ir', wish())
    await expect(drive(clock, wrong)).rejects.toMatchObject({ details: { failInfo: ['badRequest'] } })
  })
})

describe('discovery (RFC 9482 §2.2)', () => {
  it('lists the resources with ct=259, and the client finds them by that', async () => {
    const { clock, node } = await network()
    const core = await drive(clock, node().request(SERVER, { method: 'GET', path: ['.well-known', 'core'] }))
    const text = utf8ToText(core.payload) ?? ''
    expect(text).toContain('</.well-known/cmp>;ct=259')
    expect(text).toContain('</.well-known/cmp/p/device>;ct=259')
    expect(text).toContain('</.well-known/cmp/ann>;obs;ct=259')
    const found = await drive(clock, discoverCmp(node(), SERVER))
    expect(found).toEqual([ROOT, [...ROOT, 'p', 'device']])
  })

  it('URIs have default ports and a default path', () => {
    expect(parseCmpUri('coap://[2001:db8::1]')).toEqual({ scheme: 'coap', at: { address: '2001:db8::1', port: 5683 }, path: ROOT })
    expect(parseCmpUri('coaps://192.0.2.1/x/y')).toEqual({ scheme: 'coaps', at: { address: '192.0.2.1', port: 5684 }, path: ['x', 'y'] })
    expect(parseCmpUri('coap://[fe80::1%25eth0]:61616/.well-known/cmp').at).toEqual({ address: 'fe80::1', port: 61_616, zone: 'eth0' })
    for (const text of ['http://x', 'coap://name', 'coap://[::1]:x', ''])
      expect(() => parseCmpUri(text)).toThrow(expect.objectContaining({ code: 'input.invalid' }) as Error)
  })
})

describe('requests and responses (RFC 9482 §2.3)', () => {
  const post = (change: object): Parameters<CoapEndpoint['request']>[1] => ({
    method: 'POST',
    path: ROOT,
    payload: Uint8Array.of(0x30, 0),
    contentFormat: 259,
    ...change,
  })

  it.each([
    ['another content format', { contentFormat: 42 }, '4.15'],
    ['no content format', { contentFormat: undefined }, '4.15'],
    ['the wish for another format', { accept: 50 }, '4.06'],
    ['another method', { method: 'PUT' }, '4.05'],
    ['what is no DER', { payload: Uint8Array.of(1, 2, 3) }, '4.00'],
    ['nothing', { payload: new Uint8Array(0) }, '4.00'],
    ['more than any message has', { payload: new Uint8Array(300_000) }, '4.13'],
  ] as const)('with %s: %s', async (_, change, code) => {
    const { clock, node } = await network()
    const { contentFormat, ...rest } = post(change)
    const request = contentFormat === undefined ? rest : { ...rest, contentFormat }
    const response = await drive(clock, node().request(SERVER, request))
    expect(response.code).toBe(code)
    if (code === '4.00') expect(readMessage(response.payload).body.type).toBe('error')
  })

  it('a refusal has its code and the PKI error in the body, signed by the authority', async () => {
    const { at, clock, node, client } = await network()
    let last: ClientResponse | undefined
    const inner = node()
    const watched = {
      channelId: 'x',
      request: async (...args: Parameters<CoapEndpoint['request']>) => (last = await inner.request(...args)),
      groupRequest: inner.groupRequest.bind(inner),
      groupRequestBytes: () => 0,
    }
    const refused = client(inner, { protector: bySecret('nobody') }, { client: watched }).enrol('ir', wish())
    await expect(drive(clock, refused)).rejects.toMatchObject({ details: { failInfo: ['badMessageCheck'] } })
    expect(last).toMatchObject({ code: '4.01', contentFormat: 259 })
    const message = readMessage(last!.payload)
    expect(verifySignatureOf(message).bytes).toEqual(at.ca.active.signer.certificate.bytes)
  })

  it('a message to a group is not answered (§2.5)', async () => {
    const { at, clock, node, endpoint, trace } = await network({ joined: 'ff05::fd' })
    const before = at.audit.length
    const found: ClientResponse[] = []
    const asker = node()
    const collect = async (path: readonly string[], method: 'GET' | 'POST'): Promise<void> => {
      const request = method === 'GET' ? { method, path } : { method, path, payload: Uint8Array.of(0x30, 0), contentFormat: 259 }
      for await (const response of asker.groupRequest({ address: 'ff05::fd', port: 5683 }, request, { deadlineMs: 12_000 }))
        found.push(response)
    }
    await drive(clock, collect(ROOT, 'POST'))
    await drive(clock, collect([...ROOT, 'ann'], 'GET'))
    expect(trace.filter(({ direction, multicast }) => direction === 'received' && multicast).length).toBeGreaterThanOrEqual(2)
    expect(found).toEqual([])
    expect(at.audit).toHaveLength(before)
    // The group is heard: it is these resources that keep silent.
    await drive(clock, collect(['.well-known', 'core'], 'GET'))
    expect(found.map(({ code }) => code)).toEqual(['2.05'])
    expect(endpoint.counters().requestsServed).toBeGreaterThan(0)
  })

  it('what takes long is acknowledged first and answered separately', async () => {
    const { at, clock, node, client, trace } = await network({ parameters: { separateAfterMs: 100 } })
    await expectLamp(at)
    const handle = at.authority.handle.bind(at.authority)
    at.authority.handle = async (...args) => {
      await new Promise<void>((resolve) => clock.setTimer(5000, resolve))
      return handle(...args)
    }
    await drive(clock, client(node(), {}).enrol('ir', wish()))
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
    const empty = trace.filter(({ direction, message }) => direction === 'sent' && message?.type === 'ACK' && message.code === '0.00')
    expect(empty.length).toBeGreaterThan(0)
  })
})

describe('block-wise transfer (RFC 9482 §2.4)', () => {
  it.each([16, 64, 1024])('both ways in blocks of %i bytes', async (blockBytes) => {
    const { at, clock, node, client } = await network()
    const idevid = manufacturer.device('CN=lamp-1')
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'] }], 'test')
    await drive(clock, client(node({ maxBlockBytes: blockBytes }), { protector: signedBy(idevid) }, { blockBytes }).enrol('ir', wish()))
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
  })

  it('with a fifth of all datagrams lost, doubled or late, one certificate for each of ten devices', async () => {
    const { at, clock, node, client } = await network({
      net: { lossRate: 0.2, duplicateRate: 0.05, delayMs: { min: 5, max: 60 }, reorderRate: 0.05 },
    })
    const names = Array.from({ length: 10 }, (_, index) => `lamp-${index}`)
    await at.desk.preRegister(
      names.map((name) => ({ reference: name, secret: SECRET })),
      'test',
    )
    const enrolments = names.map((name) =>
      client(node(), { protector: bySecret(name), random: seededRandom(900 + Number(name.slice(5))) }, { blockBytes: 256 }).enrol('ir', {
        key: generateSigningKey('P-256'),
        subject: nameOf(`CN=${name}`),
      }),
    )
    const results = await drive(clock, Promise.allSettled(enrolments), 3_600_000)
    expect(results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))).toEqual([])
    expect(at.desk.certificates({ limit: 100 })).toHaveLength(10)
  })

  it('from many sources that never end does not keep a device from enrolling, and is forgotten', async () => {
    const { at, clock, node, client, endpoint } = await network()
    await expectLamp(at)
    const slow = Array.from({ length: 60 }, () => node())
    for (const source of slow) {
      // The first block of a large message, and nothing more.
      void source
        .request(SERVER, {
          method: 'POST',
          path: ROOT,
          payload: new Uint8Array(1024),
          contentFormat: 259,
          options: [blockOption(27, { num: 0, more: true, szx: 6 })],
        })
        .catch(() => undefined)
    }
    await pass(clock, 2000)
    await drive(clock, client(node(), {}).enrol('ir', wish()))
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
    await pass(clock, 300_000)
    expect(endpoint.holdings().blockwiseBytes).toBe(0)
  })
})

describe('sources that ask too much (RFC 9482 §4, RFC 8516)', () => {
  it('are told to wait, while others are served', async () => {
    const { at, clock, node, client } = await network({ server: { rates: { burst: 20, perMinute: 10 } } })
    await expectLamp(at)
    const loud = node()
    const codes: string[] = []
    for (let index = 0; index < 30; index++) {
      const { code } = await drive(
        clock,
        loud
          .request(SERVER, { method: 'POST', path: ROOT, payload: Uint8Array.of(0x30, 0, index), contentFormat: 259 })
          .catch(() => ({ code: 'waits' })),
      )
      codes.push(code)
    }
    expect(codes.filter((code) => code === '4.00').length).toBeLessThanOrEqual(25)
    expect(codes).toContain('4.29')
    await drive(clock, client(node(), {}).enrol('ir', wish()))
  })
})

describe('the CRL without CMP', () => {
  it('is where certificates say that it is, fresh until the next one, and not sent twice to who has it', async () => {
    const { at, clock, node } = await network()
    const device = node()
    const first = await drive(clock, device.request(SERVER, { method: 'GET', path: ['crl'] }))
    expect([first.code, first.contentFormat]).toEqual(['2.05', 42])
    expect(first.payload).toEqual(at.ca.crl()?.der)
    const tag = first.options.filter(({ number }) => number === OptionNumber.ETAG)
    const again = await drive(clock, device.request(SERVER, { method: 'GET', path: ['crl'], options: tag }))
    expect([again.code, again.payload.length]).toEqual(['2.03', 0])
    await pass(clock, 2000)
    at.ca.refreshCrl()
    const later = await drive(clock, device.request(SERVER, { method: 'GET', path: ['crl'], options: tag }))
    expect(later.payload).toEqual(at.ca.crl()?.der)
  })
})
