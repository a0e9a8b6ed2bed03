// This program as a registrant at directories of others: aiocoap-rd does the whole of RFC 9176, libcoap's coap-rd registration alone,
// Californium's cf-rd a draft before it.
import { spawn, type SpawnOptions } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { silentLogger, systemClock, systemRandom, type SocketAddress } from '#main/base/index.ts'
import { discoverDirectory, lookUpAt, registerAt, removeAt, renewAt } from '#main/services/rd/index.ts'
import { CoapEndpoint, linkAttribute, type CoapClient, type Link } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { describeWithPeer, findPeer } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'

const AIOCOAP_RD = [aiocoapRd() ?? 'aiocoap-rd beside the Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']
const CF_RD_JAR = process.env.GROUPWRIGHT_CF_RD_JAR ?? ''
const COAP_RD = ['coap-rd', 'coap-rd-notls', 'coap-rd-openssl', 'coap-rd-gnutls']

const INPUT = {
  endpointName: 'gm1',
  lifetimeS: 600,
  base: 'coap://[2001:db8::ab]',
  attributes: [{ name: 'et', value: 'x.manager' }],
  links: [
    {
      href: '/ace-group/feedca570000',
      attributes: [
        { name: 'rt', value: 'core.osc.gm' },
        { name: 'sec-gp', value: 'feedca570000' },
        { name: 'title', value: 'Küche, "links"' },
      ],
    },
    {
      href: '/t',
      attributes: [
        { name: 'rel', value: 'alternate' },
        { name: 'anchor', value: '/ace-group/feedca570000' },
      ],
    },
  ],
} as const

function aiocoapRd(): string | undefined {
  const python = findPeer([process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? ''])
  return python === undefined ? undefined : join(dirname(python), 'aiocoap-rd')
}

const closing: Array<() => void | Promise<void>> = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function openClient(): Promise<CoapClient> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  closing.push(
    () => channel.close(),
    () => endpoint.close(),
  )
  return endpoint
}

/** Starts the directory on a port that is free and waits until it answers. */
async function startDirectory(
  program: string,
  argsOf: (port: number) => readonly string[],
  client: CoapClient,
  options: SpawnOptions = {},
): Promise<SocketAddress> {
  const probe = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const at = { address: '::1', port: probe.local.port }
  await probe.close()
  const child = spawn(program, argsOf(at.port), { ...options, stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  await expect
    .poll(
      async () => {
        const { code } = await client
          .request(at, { method: 'GET', path: ['.well-known', 'core'] }, { timeoutMs: 1000 })
          .catch(() => ({ code: '' }))
        return code
      },
      { timeout: 20_000 },
    )
    .toBe('2.05')
  return at
}

const textOf = (links: readonly Link[], name: string): ReadonlyArray<string | null | undefined> =>
  links.map((link) => linkAttribute(link, name))

describeWithPeer('our registrant at aiocoap-rd', AIOCOAP_RD, (program) => {
  it('finds it, registers, is found, renews, replaces and removes', { timeout: 40_000 }, async () => {
    const client = await openClient()
    const at = await startDirectory(program, (port) => ['--bind', `[::1]:${port}`], client)
    const { register, lookupResources, lookupEndpoints } = await discoverDirectory(client, at)
    expect([register, lookupResources, lookupEndpoints]).toEqual([
      ['resourcedirectory', ''],
      ['resource-lookup', ''],
      ['endpoint-lookup', ''],
    ])
    const registration = await registerAt(client, at, register!, INPUT)

    const found = await lookUpAt(client, at, lookupResources!, ['rt=core.osc.gm'])
    expect(found.map(({ href }) => href)).toEqual(['coap://[2001:db8::ab]/ace-group/feedca570000'])
    expect(textOf(found, 'title')).toEqual(['Küche, "links"'])
    const related = await lookUpAt(client, at, lookupResources!, ['rel=alternate'])
    expect(textOf(related, 'anchor')).toEqual(['coap://[2001:db8::ab]/ace-group/feedca570000'])
    const endpoints = await lookUpAt(client, at, lookupEndpoints!, ['et=x.manager'])
    expect([textOf(endpoints, 'ep'), textOf(endpoints, 'base')]).toEqual([['gm1'], ['coap://[2001:db8::ab]']])

    await renewAt(client, at, registration)
    await renewAt(client, at, registration, 1200)
    const again = await registerAt(client, at, register!, { ...INPUT, links: INPUT.links.slice(1) })
    expect(again.location).toEqual(registration.location)
    expect(await lookUpAt(client, at, lookupResources!, ['rt=core.osc.gm'])).toEqual([])

    await removeAt(client, at, registration)
    expect(await lookUpAt(client, at, lookupEndpoints!, ['ep=gm1'])).toEqual([])
    await expect(renewAt(client, at, registration)).rejects.toMatchObject({ code: 'coap.response-error', details: { code: '4.04' } })
  })
})

describeWithPeer('our registrant at libcoap coap-rd', COAP_RD, (program) => {
  it('finds it and registers', { timeout: 40_000 }, async () => {
    const client = await openClient()
    const at = await startDirectory(program, (port) => ['-A', '::1', '-p', String(port), '-v', '0'], client)
    const { register, lookupResources } = await discoverDirectory(client, at)
    expect([register, lookupResources]).toEqual([['rd'], undefined])
    const registration = await registerAt(client, at, register!, INPUT)
    // It gives the links back at the location; RFC 9176 asks nothing of that.
    const links = await lookUpAt(client, at, registration.location, [])
    expect(links.map(({ href }) => href)).toEqual(['/ace-group/feedca570000', '/t'])
    const again = await registerAt(client, at, register!, { ...INPUT, links: INPUT.links.slice(1) })
    // Nothing is removed: Debian's coap-rd 4.3.1 frees a registration twice and ends. Each registration is a new one to it.
    expect(again.location[0]).toBe('rd')
  })
})

if (CF_RD_JAR === '') console.log('skipped: our registrant at Californium’s cf-rd: GROUPWRIGHT_CF_RD_JAR does not name its jar')
else describe('our registrant at Californium’s cf-rd', cfRdTests)

function cfRdTests(): void {
  const start = async (): Promise<{ readonly client: CoapClient; readonly at: SocketAddress }> => {
    const client = await openClient()
    const folder = temporaryFolder()
    const argsOf = (port: number): readonly string[] => {
      // It reads its port from the folder that it runs in.
      writeFileSync(join(folder, 'Californium3.properties'), `COAP.COAP_PORT=${port}\n`)
      return ['-jar', CF_RD_JAR]
    }
    const at = await startDirectory('java', argsOf, client, { cwd: folder, env: { ...process.env, COAP_NETWORK_INTERFACES: 'lo' } })
    return { client, at }
  }

  it('finds it, registers, is found, renews, replaces and removes', { timeout: 40_000 }, async () => {
    const { client, at } = await start()
    const { register, lookupResources, lookupEndpoints } = await discoverDirectory(client, at)
    expect([register, lookupResources, lookupEndpoints]).toEqual([['rd'], ['rd-lookup', 'res'], ['rd-lookup', 'ep']])
    const input = {
      ...INPUT,
      // Without a port it would put the registrant's own there, where the scheme's default belongs (RFC 9176 §5).
      base: 'coap://[2001:db8::ab]:5683',
      links: [
        {
          href: '/gm',
          attributes: [
            { name: 'rt', value: 'core.osc.gm' },
            { name: 'title', value: 'Küche, links' },
          ],
        },
        { href: '/t', attributes: [] },
      ],
    }
    const registration = await registerAt(client, at, register!, input)
    expect(registration.location).toEqual(['rd', 'gm1'])

    const found = await lookUpAt(client, at, lookupResources!, ['rt=core.osc.gm'])
    expect(found.map(({ href }) => href)).toEqual(['coap://[2001:db8::ab]:5683/gm'])
    expect([textOf(found, 'title'), textOf(found, 'ep')]).toEqual([['Küche, links'], ['gm1']])
    const all = await lookUpAt(client, at, lookupResources!, ['ep=gm1'])
    expect(all.map(({ href }) => href).sort()).toEqual(['coap://[2001:db8::ab]:5683/gm', 'coap://[2001:db8::ab]:5683/t'])
    // Endpoints are named by their base there, where RFC 9176 §6.4 has the location.
    const [endpoint] = await lookUpAt(client, at, lookupEndpoints!, ['et=x.manager'])
    expect([endpoint?.href, linkAttribute(endpoint!, 'ep')]).toEqual(['coap://[2001:db8::ab]:5683', 'gm1'])

    await renewAt(client, at, registration)
    await renewAt(client, at, registration, 1200)
    expect(await lookUpAt(client, at, lookupResources!, ['rt=core.osc.gm'])).toEqual(found)
    const again = await registerAt(client, at, register!, { ...input, links: input.links.slice(1) })
    expect(again.location).toEqual(registration.location)
    expect(await lookUpAt(client, at, lookupResources!, ['rt=core.osc.gm'])).toEqual([])

    await removeAt(client, at, registration)
    expect(await lookUpAt(client, at, lookupEndpoints!, ['ep=gm1'])).toEqual([])
    await expect(renewAt(client, at, registration)).rejects.toMatchObject({ code: 'coap.response-error', details: { code: '4.04' } })
  })

  it('is told another base with a port, and loses what follows an attribute with a hyphen', { timeout: 40_000 }, async () => {
    const { client, at } = await start()
    await registerAt(client, at, ['rd'], INPUT)
    const [found, ...more] = await lookUpAt(client, at, ['rd-lookup', 'res'], ['rt=core.osc.gm'])
    expect(more).toEqual([])
    expect(found?.href).toMatch(/^coap:\/\/\[2001:db8::ab\]:\d+\/ace-group\/feedca570000$/)
    // Its parser reads `sec-gp` as `sec` and gives up the rest of the links.
    expect([linkAttribute(found!, 'sec'), linkAttribute(found!, 'title')]).toEqual([null, undefined])
    expect(await lookUpAt(client, at, ['rd-lookup', 'res'], ['rel=alternate'])).toEqual([])
  })
}
