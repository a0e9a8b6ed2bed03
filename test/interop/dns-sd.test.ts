// The directory's DNS-SD advertisement, found by python-zeroconf on another host: its name, address, port and text, and its goodbye
// (RFC 9176 §4.1.2, RFC 6762 §10.1, RFC 6763).
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { AppError, silentLogger, systemClock } from '#main/base/index.ts'
import { createDnsSd } from '../../src-main/core/dns-sd.ts'
import { describeInLab, type Lab, type LabHost } from '../support/netns.ts'
import { COAP_CLIENT, findPeer, run } from '../support/peers.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const python = process.env.GROUPWRIGHT_ZEROCONF_PYTHON ?? ''
const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }
const TIMEOUT_MS = 30_000

interface Seen {
  readonly event: 'browsing' | 'came' | 'went'
  readonly name: string
  readonly port: number
  readonly server: string
  readonly addresses: readonly string[]
  readonly text: Readonly<Record<string, string>>
}

/** Browses on another host; each call gives the next thing that it saw. */
async function browse(host: LabHost, family: 'IPv4' | 'IPv6'): Promise<() => Promise<Seen>> {
  const [program = '', ...prefix] = host.prefix
  const child = spawn(program, [...prefix, python, join(import.meta.dirname, 'zeroconf/browse.py'), family], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Seen> => JSON.parse((await lines.next()).value ?? 'null') as Seen
  expect(await next()).toEqual({ event: 'browsing' })
  return next
}

describeInLab('zeroconf in a namespace browses for our directory', 1, [python], (lab) => {
  const families = [
    ['IPv4', (one: Lab) => one.ipv4],
    ['IPv6', (one: Lab) => one.ipv6],
  ] as const

  it.each(families)(
    '%s: it finds the site where it listens, looks the directory up there, and sees it go',
    async (family, addressOf) => {
      const address = addressOf(lab())
      const { session, program } = testProgram(temporaryFolder(), { network: {} })
      onTestFinished(() => program.close())
      await session.call('site.create', { kind: 'network', details, network: { bindAddress: address, coapPort: 0 } })
      const next = await browse(lab().hosts[0]!, family)
      await session.call('site.setAdvertisement', { on: true })
      const [row] = session.rows('directory')
      expect(row?.advertisement).toMatchObject({ state: 'announced', failure: null })
      const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
      const came = await next()
      expect(came).toMatchObject({ event: 'came', port, addresses: [address], text: { path: '/rd' } })
      expect(came.name).toBe(`${row?.advertisement.name ?? ''}._core-rd._udp.local.`)
      expect(came.server).toMatch(/^groupwright-[a-z0-9]{6}\.local\.$/)
      const client = findPeer(COAP_CLIENT) ?? ''
      const [ip = '', ...prefix] = lab().hosts[0]!.prefix
      const at = family === 'IPv6' ? `[${address}]` : address
      const found = await run(ip, [...prefix, client, '-v', '0', `coap://${at}:${came.port}/.well-known/core?rt=core.rd`])
      expect(new TextDecoder().decode(found.stdout)).toContain('</rd>')
      await session.call('site.setAdvertisement', { on: false })
      expect(await next()).toEqual({ event: 'went', name: came.name })
    },
    TIMEOUT_MS,
  )

  it(
    'a later browser is answered, and a closed site says goodbye',
    async () => {
      // On every interface of this machine: responders that hear each other.
      const { session, program } = testProgram(temporaryFolder(), { network: {} })
      onTestFinished(() => program.close())
      await session.call('site.create', { kind: 'network', details, network: { bindAddress: '0.0.0.0', coapPort: 0 } })
      await session.call('site.setAdvertisement', { on: true })
      const next = await browse(lab().hosts[0]!, 'IPv4')
      const came = await next()
      expect([came.event, came.addresses.includes(lab().ipv4)]).toEqual(['came', true])
      const shown = session.rows('directory')[0]?.advertisement
      expect(shown).toMatchObject({ state: 'announced', failure: null })
      await program.close()
      expect(await next()).toEqual({ event: 'went', name: came.name })
    },
    TIMEOUT_MS,
  )

  it('tells that port 5353 is taken by a program that does not share it', async () => {
    const selfish = createSocket({ type: 'udp4', reuseAddr: false })
    selfish.bind({ port: 5353, exclusive: true })
    await once(selfish, 'listening')
    onTestFinished(() => void selfish.close())
    const dnsSd = createDnsSd({ clock: systemClock, logger: silentLogger })
    const service = { instance: 'One', type: 'core-rd', host: 'one.local', port: 5683, text: {} }
    const place = { interfaceName: lab().zone, family: 'IPv4' as const, addresses: [lab().ipv4] }
    const refused = await dnsSd.announce(service, place).catch((thrown: unknown) => thrown)
    expect(refused).toBeInstanceOf(AppError)
    expect(refused).toMatchObject({ code: 'dns-sd.unavailable', details: { interface: lab().zone } })
  })
})
