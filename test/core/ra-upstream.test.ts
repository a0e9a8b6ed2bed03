// A site whose requests go on to the customer's authority over HTTP: the tool's own certificate there, and devices through the tool (RFC 9482 §3).
import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { concatBytes, generateSigningKey, silentLogger, systemClock, systemRandom, utf8 } from '#main/base/index.ts'
import { Announcer, buildName, CmpClient, createCoapTransport, parseNameText, serveCmp } from '#main/services/ra/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { openSite, toPem, type Site } from '../services/ra/harness.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office', organisation: '', address: '', operator: '' }

/** The customer's authority, and whom it knows. */
async function customersSite(): Promise<Site> {
  const site = await openSite({ clock: systemClock })
  await site.desk.preRegister(
    [
      { reference: 'office-ra', secret: 'told by phone', names: ['Office RA'] },
      { reference: 'gw-1', secret: 'on the label' },
    ],
    'test',
  )
  onTestFinished(() => {
    site.authority.close()
    site.ca.close()
  })
  return site
}

async function overHttp(site: Site): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      void site.authority.handle(concatBytes(...chunks), { source: 'test' }).then(({ bytes }) => {
        response.writeHead(200, { 'Content-Type': 'application/pkixcmp' })
        response.end(bytes)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}/.well-known/cmp`
}

async function endpointOn(tree?: ResourceTree): Promise<{ readonly endpoint: CoapEndpoint; readonly port: number }> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const common = { channel, clock: systemClock, random: systemRandom, logger: silentLogger }
  const endpoint = new CoapEndpoint(tree === undefined ? common : { ...common, tree })
  onTestFinished(async () => {
    endpoint.close()
    await channel.close()
  })
  return { endpoint, port: channel.local.port }
}

/** Where it listens is for the client to find out: the URL has no path. */
async function overCoap(site: Site): Promise<string> {
  const tree = new ResourceTree()
  const announcer = new Announcer({ ca: site.ca, clock: systemClock, random: systemRandom })
  const server = serveCmp({ registry: tree, authority: site.authority, clock: systemClock, announcer })
  onTestFinished(() => {
    server.close()
    announcer.close()
  })
  return `coap://[::1]:${(await endpointOn(tree)).port}`
}

describe('a server above the site’s authority', () => {
  it.each([
    ['HTTP', overHttp],
    ['CoAP', overCoap],
  ])(
    'certifies this authority by a secret that goes nowhere else, and gets the devices’ requests of its profile, by %s',
    async (_, serve) => {
      const site = await customersSite()
      const url = await serve(site)
      const { program, session } = testProgram(temporaryFolder())
      onTestFinished(() => program.close())
      await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
      await session.call('ra.createRoot', { subject: 'CN=Office CA' })
      const anchors = toPem('CERTIFICATE', site.ca.active.certificate.bytes)
      const server = {
        name: 'Head office',
        url,
        select: { by: 'profile' as const, profile: 'gateway' },
        mode: 'forward' as const,
        popo: 'keep' as const,
        passSecrets: true,
        chunked: true,
      }
      await session.call('ra.setUpstream', { server, anchors })
      const own = { name: 'Head office', reference: 'office-ra', secret: 'told by phone', subject: 'CN=Office RA' }
      expect(await session.call('ra.enrolUpstream', own)).toMatchObject({ subject: 'CN=Office RA' })
      expect(session.rows('ra')[0]?.upstreams).toMatchObject([{ credentialUntil: expect.any(Number) as unknown }])
      expect(JSON.stringify([session.rows('ra'), await session.call('audit.page', { limit: 50 })])).not.toContain('told by phone')

      const { endpoint } = await endpointOn()
      const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
      const transport = createCoapTransport({ client: endpoint, to: { address: '::1', port }, profile: 'gateway' })
      const protector = { kind: 'mac' as const, reference: utf8('gw-1'), secret: utf8('on the label') }
      const client = new CmpClient({ transport, clock: systemClock, random: systemRandom, protector, anchors: [] })
      const key = generateSigningKey('P-256')
      const { certificate } = await client.enrol('ir', { key, subject: buildName(parseNameText('CN=gw-1') ?? []) })
      expect(certificate.isIssuedBy(site.ca.active.certificate)).toBe(true)
      expect(await session.call('ra.certificates', { offset: 0, limit: 10 })).toMatchObject([{ profile: 'registrar' }])
    },
    30_000,
  )

  it.each(['coaps://[::1]', 'coap://example.com/', 'ftp://127.0.0.1/'])('cannot be at %s', async (url) => {
    const { program, session } = testProgram(temporaryFolder())
    onTestFinished(() => program.close())
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await session.call('ra.createRoot', { subject: 'CN=Office CA' })
    const server = {
      name: 'Head office',
      url,
      select: { by: 'default' as const },
      mode: 'forward' as const,
      popo: 'keep' as const,
      passSecrets: false,
      chunked: false,
    }
    await expect(session.call('ra.setUpstream', { server, anchors: '' })).rejects.toMatchObject({ code: 'input.invalid' })
  })
})
