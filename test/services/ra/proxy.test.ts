// The reverse proxy without a network: routing, what is done to messages, what is kept and for how long, and HTTP as RFC 9482 §2.4 wants it.
import { createServer, type IncomingMessage } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, generateSigningKey, seededRandom, silentLogger, systemClock, toHex, utf8 } from '#main/base/index.ts'
import {
  CmpProxy,
  createHttpTransport,
  type CmpClient,
  type CmpTransport,
  type UpstreamLimits,
  type UpstreamServer,
} from '#main/services/ra/index.ts'
import { OptionNumber, stringOption, type IncomingRequest } from '#main/wire/coap/index.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { Oid } from '../../../src-main/services/ra/der/index.ts'
import { readCmpPath } from '../../../src-main/services/ra/transfer/paths.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bySecret, clientOf, createManufacturer, nameOf, openSite, SECRET, signedBy, type Site } from './harness.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)
const customerPki = createManufacturer(NOW, 'Customer')
/** This site's registration authority as the customer knows it. */
const ra = customerPki.device('O=Customer, CN=Site RA', [], 'P-256', [Oid.cmcRa])

interface Bench {
  readonly clock: VirtualClock
  readonly local: Site
  readonly customer: Site
  readonly proxy: CmpProxy
  /** Messages as they reach the customer. */
  readonly arrived: Uint8Array[]
  readonly connections: { opened: number; closed: number }
  down: boolean
  client(profile: string, credential: Parameters<typeof clientOf>[1]): CmpClient
  send(
    bytes: Uint8Array,
    segments: readonly string[],
    host?: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly failInfo: string | undefined }> | undefined
}

async function bench(
  servers: ReadonlyArray<Partial<UpstreamServer> & Pick<UpstreamServer, 'mode' | 'select'>>,
  limits: Partial<UpstreamLimits> = {},
): Promise<Bench> {
  const clock = new VirtualClock(NOW)
  const anchors = [manufacturer.root.certificate.bytes]
  const local = await openSite({ clock, ra: { manufacturerAnchors: anchors } })
  const customer = await openSite({ clock, seed: 90, ra: { manufacturerAnchors: anchors, trustedRas: [ra.certificate.bytes] } })
  await customer.desk.preRegister([{ reference: 'row', identities: ['lamp-1'] }], 'test')
  const arrived: Uint8Array[] = []
  const connections = { opened: 0, closed: 0 }
  const connect = (): CmpTransport => {
    connections.opened++
    return {
      exchange: async (message) => {
        if (at.down) throw new AppError('ra.upstream-unreachable', 'down', { retryable: true })
        arrived.push(message)
        return (await customer.authority.handle(message, { source: 'proxy' })).bytes
      },
      close: () => {
        connections.closed++
      },
    }
  }
  const proxy = new CmpProxy({
    authority: local.authority,
    clock,
    random: seededRandom(21),
    logger: silentLogger,
    limits,
    servers: servers.map((server) => ({ name: 'customer', connect, anchors: [customer.ca.active.certificate.bytes], ...server })),
  })
  onTestFinished(() => {
    proxy.close()
    for (const site of [local, customer]) {
      site.authority.close()
      site.ca.close()
    }
  })
  const at: Bench = {
    clock,
    local,
    customer,
    proxy,
    arrived,
    connections,
    down: false,
    send: (payload, segments, host) => {
      const options = host === undefined ? [] : [stringOption(OptionNumber.URI_HOST, host)]
      const path = readCmpPath(segments)
      return path === undefined ? undefined : proxy.route(payload, path, { options } as unknown as IncomingRequest)
    },
    client: (profile, credential) =>
      clientOf(local, credential, {
        transport: {
          exchange: async (message) => {
            const answer = await at.send(message, profile === '' ? [] : ['p', profile])
            if (answer === undefined) throw new RangeError('not routed')
            return answer.bytes
          },
          close: () => undefined,
        },
        anchors: [customer.ca.active.certificate.bytes, local.ca.active.certificate.bytes],
      }),
  }
  return at
}

const lamp = manufacturer.device('CN=lamp-1')
const wish = (): Parameters<CmpClient['enrol']>[1] => ({ key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })

describe('routing (RFC 9482 §3)', () => {
  it('is by profile, then by host, then the default; all else stays here', async () => {
    const at = await bench([
      { name: 'by-profile', mode: 'forward', select: { profile: 'pki' } },
      { name: 'by-host', mode: 'forward', select: { host: 'PKI.example' } },
    ])
    expect(at.proxy.profiles).toEqual(['pki'])
    const garbage = utf8('garbage')
    expect(at.send(garbage, [])).toBeUndefined()
    expect(at.send(garbage, ['p', 'device'])).toBeUndefined()
    expect(at.send(garbage, [], 'other.example')).toBeUndefined()
    expect((await at.send(garbage, ['p', 'pki']))?.failInfo).toBe('badDataFormat')
    expect((await at.send(garbage, [], 'pki.example'))?.failInfo).toBe('badDataFormat')
    expect(at.arrived).toEqual([])
    const all = await bench([{ mode: 'forward', select: 'default' }])
    expect((await all.send(garbage, []))?.failInfo).toBe('badDataFormat')
    expect(all.send(garbage, ['p', 'device'])).toBeUndefined()
  })

  it('to a server that gets this authority’s protection takes a key for that', async () => {
    await expect(bench([{ mode: 'nest', select: 'default' }])).rejects.toMatchObject({ code: 'input.invalid' })
  })
})

describe('what is done to messages (RFC 9483 §5.2)', () => {
  it('forward: nothing, byte for byte, over one connection', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }])
    const { certificate } = await at.client('pki', signedBy(lamp)).enrol('ir', wish())
    expect(certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
    expect(at.arrived.map((bytes) => readMessage(bytes).body.type)).toEqual(['ir', 'certConf'])
    expect(at.arrived.map((bytes) => toHex(readMessage(bytes).extraCerts[0]!))).toEqual([
      toHex(lamp.certificate.bytes),
      toHex(lamp.certificate.bytes),
    ])
    expect(at.connections).toEqual({ opened: 1, closed: 1 })
  })

  it('nest: the message as it came inside one of this authority’s, and the answer as the customer made it', async () => {
    const at = await bench([{ mode: 'nest', select: { profile: 'pki' }, protector: signedBy(ra) }])
    await at.client('pki', signedBy(lamp)).enrol('ir', wish())
    const outer = readMessage(at.arrived[0]!)
    expect(outer.body.type).toBe('nested')
    expect(toHex(outer.extraCerts[0]!)).toBe(toHex(ra.certificate.bytes))
    const inner = outer.body.type === 'nested' ? readMessage(outer.body.messages[0]!) : outer
    expect([inner.body.type, toHex(inner.header.transactionID!)]).toEqual(['ir', toHex(outer.header.transactionID!)])
    expect(toHex(inner.header.senderNonce!)).toBe(toHex(outer.header.senderNonce!))
  })

  it.each(['keep', 'raVerified'] as const)(
    'replace with the proof of possession %s: nonces and body stay, the protection is this authority’s',
    async (popo) => {
      const at = await bench([{ mode: 'replace', select: { profile: 'pki' }, protector: signedBy(ra), popo }])
      await at.local.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
      await at.client('pki', bySecret('lamp-1')).enrol('ir', wish())
      const { body, header, extraCerts } = readMessage(at.arrived[0]!)
      expect(toHex(extraCerts[0]!)).toBe(toHex(ra.certificate.bytes))
      expect(body.type === 'ir' && body.requests[0]?.popo?.kind).toBe(popo === 'keep' ? 'signature' : 'raVerified')
      expect(header.sender).toEqual({ kind: 'directory', name: ra.certificate.subject })
      // The secret has served.
      await expect(at.client('pki', bySecret('lamp-1')).enrol('ir', wish())).rejects.toMatchObject({
        details: { failInfo: ['notAuthorized'] },
      })
    },
  )

  it('replace believes no answer that the customer’s authority has not signed', async () => {
    const at = await bench([
      { mode: 'replace', select: { profile: 'pki' }, protector: signedBy(ra), anchors: [manufacturer.root.certificate.bytes] },
    ])
    await expect(at.client('pki', signedBy(lamp)).enrol('ir', wish())).rejects.toMatchObject({ details: { failInfo: ['systemFailure'] } })
  })

  it('secrets that only the customer knows go through where that is allowed, else nowhere', async () => {
    for (const passSecrets of [true, false]) {
      const at = await bench([{ mode: 'forward', select: { profile: 'pki' }, passSecrets }])
      await at.customer.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
      const done = at.client('pki', bySecret('lamp-1')).enrol('ir', wish())
      if (passSecrets) await done
      else await expect(done).rejects.toMatchObject({ details: { failInfo: ['badMessageCheck'] } })
      expect(at.arrived).toHaveLength(passSecrets ? 2 : 0)
    }
  })

  it('certificates that the customer has issued are known by its anchors', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }])
    const key = generateSigningKey('P-256')
    const { certificate } = await at.client('pki', signedBy(lamp)).enrol('ir', { ...wish(), key })
    const renewed = await at
      .client('pki', signedBy({ key, certificate, chain: [] }))
      .enrol('kur', { ...wish(), subject: certificate.subject })
    expect(renewed.certificate.subject).toEqual(certificate.subject)
  })
})

describe('what is kept', () => {
  it('is dropped, with its connection, when a transaction falls silent', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }], { idleS: 60 })
    const half = clientOf(at.local, signedBy(lamp), {
      transport: {
        exchange: async (message) => {
          if (readMessage(message).body.type === 'certConf') throw new RangeError('lost')
          return (await at.send(message, ['p', 'pki'])!).bytes
        },
        close: () => undefined,
      },
      anchors: [at.customer.ca.active.certificate.bytes],
    })
    await expect(half.enrol('ir', wish())).rejects.toThrow('lost')
    expect(at.proxy.holdings.running).toBe(1)
    await at.clock.advance(61_000)
    expect(at.proxy.holdings.running).toBe(0)
    expect(at.connections).toEqual({ opened: 1, closed: 1 })
  })

  it('is bounded: transactions beyond the limit are refused with systemUnavail', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }], { transactions: 1, queued: 1 })
    at.down = true
    const first = at.client('pki', signedBy(lamp)).enrol('ir', wish())
    await reached(() => at.proxy.holdings.queued === 1)
    const other = manufacturer.device('CN=lamp-2')
    const second = at.client('pki', signedBy(other)).enrol('ir', { ...wish(), subject: nameOf('CN=lamp-2') })
    await expect(second).rejects.toMatchObject({ details: { failInfo: ['systemUnavail'] } })
    expect(at.proxy.holdings).toEqual({ running: 0, queued: 1 })
    at.proxy.close()
    first.catch(() => undefined)
    const tight = await bench([{ mode: 'forward', select: { profile: 'pki' } }], { queuedBytes: 100 })
    tight.down = true
    await expect(tight.client('pki', signedBy(lamp)).enrol('ir', wish())).rejects.toMatchObject({
      details: { failInfo: ['systemUnavail'] },
    })
  })

  it('of one device: a newer request that waits takes the place of the older', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }])
    at.down = true
    for (let count = 0; count < 3; count++)
      at.client('pki', signedBy(lamp))
        .enrol('ir', wish())
        .catch(() => undefined)
    await reached(() => at.proxy.holdings.queued === 1)
    await at.clock.advance(1000)
    expect(at.proxy.holdings).toEqual({ running: 0, queued: 1 })
  })

  it('waits for a customer that is down, with growing pauses, and lets the device poll meanwhile', async () => {
    const at = await bench([{ mode: 'replace', select: { profile: 'pki' }, protector: signedBy(ra) }], { retryS: 10, checkAfterS: 5 })
    at.down = true
    const waits: number[] = []
    const done = at.client('pki', signedBy(lamp)).enrol('ir', { ...wish(), onWaiting: (s) => waits.push(s) })
    await reached(() => at.proxy.holdings.queued === 1)
    await run(at.clock, 45_000)
    expect(at.connections.opened).toBe(3)
    at.down = false
    await run(at.clock, 120_000)
    const { certificate } = await done
    expect(certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
    expect(waits.length).toBeGreaterThan(5)
    expect(at.proxy.holdings).toEqual({ running: 0, queued: 0 })
    expect(at.customer.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('gives up in the end, and tells the device', async () => {
    const at = await bench([{ mode: 'forward', select: { profile: 'pki' } }], { retryS: 10, checkAfterS: 60, queueS: 600 })
    at.down = true
    const done = at.client('pki', signedBy(lamp)).enrol('ir', wish())
    done.catch(() => undefined)
    await reached(() => at.proxy.holdings.queued === 1)
    await run(at.clock, 2_000_000)
    await expect(done).rejects.toMatchObject({ details: { failInfo: ['systemUnavail'] } })
  })
})

describe('CMP over HTTP (RFC 9811, RFC 9482 §2.4)', () => {
  async function server(
    answer: (request: IncomingMessage, body: Buffer) => { status?: number; type?: string; body: Uint8Array },
  ): Promise<{ port: number; seen: Array<{ encoding: string | undefined; chunks: number; socket: number | undefined }> }> {
    const seen: Array<{ encoding: string | undefined; chunks: number; socket: number | undefined }> = []
    const http = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        seen.push({ encoding: request.headers['transfer-encoding'], chunks: chunks.length, socket: request.socket.remotePort })
        const { status = 200, type = 'application/pkixcmp', body } = answer(request, Buffer.concat(chunks))
        response.writeHead(status, { 'Content-Type': type })
        response.end(body)
      })
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      http.closeAllConnections()
      http.close()
    })
    const bound = http.address()
    return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, seen }
  }

  it('goes in one chunk, over one connection for the transport’s life', async () => {
    const { port, seen } = await server((_, body) => ({ body }))
    const transport = createHttpTransport({ url: `http://127.0.0.1:${port}/cmp`, clock: systemClock })
    const message = new Uint8Array(3000).fill(7)
    expect(await transport.exchange(message, 'ir')).toEqual(message)
    await transport.exchange(message, 'ir')
    transport.close()
    expect(seen.map(({ encoding, chunks }) => [encoding, chunks])).toEqual([
      ['chunked', 1],
      ['chunked', 1],
    ])
    expect(new Set(seen.map(({ socket }) => socket)).size).toBe(1)
  })

  it('reads a PKI message from an HTTP error, and takes nothing else for one', async () => {
    const { port } = await server((request) => {
      if (request.url === '/error') return { status: 500, body: utf8('pki') }
      return request.url === '/html' ? { type: 'text/html', body: utf8('<p>') } : { body: new Uint8Array(600_000) }
    })
    const get = (path: string): Promise<Uint8Array> =>
      createHttpTransport({ url: `http://127.0.0.1:${port}${path}`, clock: systemClock }).exchange(utf8('x'), 'ir')
    expect(await get('/error')).toEqual(utf8('pki'))
    await expect(get('/html')).rejects.toMatchObject({ code: 'ra.upstream-unreachable' })
    await expect(get('/large')).rejects.toMatchObject({ code: 'coap.too-large' })
    expect(() => createHttpTransport({ url: 'ftp://x', clock: systemClock })).toThrow(
      expect.objectContaining({ code: 'input.invalid' }) as Error,
    )
  })

  it('gives up on a server that does not answer', async () => {
    const http = createServer(() => undefined)
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      http.closeAllConnections()
      http.close()
    })
    const bound = http.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0
    const silent = createHttpTransport({ url: `http://127.0.0.1:${port}/`, clock: systemClock, timeoutMs: 50 })
    await expect(silent.exchange(utf8('x'), 'ir')).rejects.toMatchObject({ code: 'ra.upstream-unreachable' })
    const stopped = new AbortController()
    const cancelled = silent.exchange(utf8('x'), 'ir', stopped.signal)
    stopped.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
  })
})

/** Real work on threads of its own takes real time. */
async function reached(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3000 && !condition(); tries++) await new Promise((resolve) => setTimeout(resolve, 2))
  expect(condition()).toBe(true)
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
}

async function run(clock: VirtualClock, byMs: number): Promise<void> {
  const stepMs = Math.max(1000, byMs / 300)
  for (let left = byMs; left > 0; left -= stepMs) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    await clock.advance(Math.min(stepMs, left))
  }
  await settle()
}
