// The directory over the contract: lists, lookups, removal, third-party registration, policy, advertisement, and the site's interface.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { AnnouncedPlace, AnnouncedService, DnsSd, NetworkInterface } from '#main/core.ts'
import type { DeviceRecord } from '#main/site/devices/index.ts'
import { isEnrolledIn } from '../../src-main/core/directory-settings.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import type { TestProgram } from '../support/program.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const interfaces: readonly NetworkInterface[] = [
  { name: 'lo', address: '::1', family: 'IPv6', internal: true },
  { name: 'lo', address: '127.0.0.1', family: 'IPv4', internal: true },
  { name: 'eth0', address: '192.0.2.7', family: 'IPv4', internal: false },
]

/** Announces nothing, and notes what it was asked for. */
class NotedDnsSd implements DnsSd {
  readonly notes: string[] = []
  readonly announced: Array<{ readonly service: AnnouncedService; readonly place: AnnouncedPlace }> = []
  refusal: AppError | undefined

  announce(service: AnnouncedService, place: AnnouncedPlace): Promise<() => Promise<void>> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal)
    this.announced.push({ service, place })
    this.notes.push(`announce ${service.port}`)
    return Promise.resolve(() => {
      this.notes.push(`goodbye ${service.port}`)
      return Promise.resolve()
    })
  }
}

async function start(more: Partial<ProgramOptions> = {}): Promise<TestProgram> {
  const started = testProgram(temporaryFolder(), { interfaces: () => interfaces, ...more })
  onTestFinished(() => started.program.close())
  await started.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  return started
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no failure',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )
}

const lamp = (number: number): { endpointName: string; base: string; links: string; sector: string } => ({
  endpointName: `lamp-${number}`,
  base: `coap://[2001:db8::${number}]`,
  sector: number % 2 === 0 ? 'even' : 'odd',
  links: '</temp>;rt=temperature,</light>;rt=light;if=sensor',
})

describe('the directory over the contract', () => {
  it('lists in pages, searches by any attribute, sorts, and tells groups from endpoints', async () => {
    const { session } = await start()
    for (let number = 1; number <= 5; number++) await session.call('rd.register', lamp(number))
    await session.call('groups.createApplication', { name: '2.14-light' })
    const names = async (input: Parameters<typeof session.call<'rd.list'>>[1]): Promise<readonly string[]> =>
      (await session.call('rd.list', input)).rows.map(({ endpointName }) => endpointName)
    const all = { offset: 0, limit: 100 }
    expect(await names({ ...all, kind: 'endpoints', search: 'd=odd' })).toEqual(['lamp-1', 'lamp-3', 'lamp-5'])
    expect(await names({ ...all, search: 'rt=light lamp-4' })).toEqual(['lamp-4'])
    expect(await names({ ...all, kind: 'groups' })).toEqual(['2.14-light'])
    expect(await names({ offset: 3, limit: 10, kind: 'endpoints' })).toEqual(['lamp-4', 'lamp-5'])
    expect(await names({ ...all, kind: 'endpoints', sort: 'endpointName', descending: true, limit: 2 })).toEqual(['lamp-5', 'lamp-4'])
    const { total, rows } = await session.call('rd.list', { offset: 0, limit: 1, withLinks: false })
    expect([total, rows]).toMatchObject([6, [{ endpointName: 'lamp-1', linkCount: 2, links: '', source: null, isGroup: false }]])
    expect((await session.when('directory', (row) => row.endpoints === 5)).groups).toBe(1)
  })

  it('pages links as a resource lookup does, and answers lookups as clients ask them (RFC 9176 §6)', async () => {
    const { session } = await start()
    for (let number = 1; number <= 5; number++) await session.call('rd.register', lamp(number))
    const page = (number: number): Promise<unknown> => session.call('rd.links', { page: number, count: 2, search: 'temp d=odd' })
    expect(await page(0)).toMatchObject({
      rows: [
        { href: 'coap://[2001:db8::1]/temp', attributes: [{ name: 'rt', value: 'temperature' }] },
        { href: 'coap://[2001:db8::3]/temp' },
      ],
    })
    expect(await page(1)).toMatchObject({ rows: [{ href: 'coap://[2001:db8::5]/temp' }] })
    expect(await page(2)).toMatchObject({ rows: [] })
    expect(await session.call('rd.lookup', { kind: 'res', query: 'if=sensor&ep=lamp-2' })).toEqual({
      links: '<coap://[2001:db8::2]/light>;rt="light";if="sensor"',
      count: 1,
    })
    expect(await codeOf(session.call('rd.lookup', { kind: 'ep', query: 'count=many' }))).toBe('rd.parameter-invalid')
  })

  it('removes, says what is gone, and refuses links that are none', async () => {
    const { session } = await start()
    const { id } = await session.call('rd.register', lamp(1))
    expect(await session.call('rd.detail', { id })).toMatchObject({
      endpointName: 'lamp-1',
      links: expect.stringContaining('</light>') as unknown,
    })
    expect(await session.call('rd.remove', { ids: [id, 'nobody'] })).toEqual({ removed: 1 })
    expect(await codeOf(session.call('rd.detail', { id }))).toBe('rd.not-found')
    expect(await codeOf(session.call('rd.register', { ...lamp(2), links: 'no links' }))).toBe('rd.links-invalid')
    const actions = (await session.call('audit.page', { limit: 10 })).map(({ action }) => action)
    expect(actions).toEqual(['rd.remove', 'rd.register'])
  })

  it('keeps the policy with the site; until one is chosen it follows from where the site listens', async () => {
    const home = temporaryFolder()
    const first = testProgram(home, { interfaces: () => interfaces })
    const { handle } = await first.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const policy = (session: TestProgram['session']): unknown => session.rows('directory').map((row) => [row.policy, row.policyChosen])
    expect(policy(first.session)).toEqual([['open', false]])
    await first.session.call('rd.setPolicy', { policy: 'enrolled-only' })
    expect(policy(first.session)).toEqual([['enrolled-only', true]])
    await first.program.close()
    const second = testProgram(home, { interfaces: () => interfaces })
    onTestFinished(() => second.program.close())
    await second.session.call('site.open', { handle })
    expect(policy(second.session)).toEqual([['enrolled-only', true]])
  })
})

describe('who may register', () => {
  /** The code of the answer to a registration, as it stands in the header (RFC 7252 §3). */
  async function register(port: number, name: string): Promise<string> {
    const socket = createSocket('udp6')
    const query = new TextEncoder().encode(`ep=${name}`)
    const bytes = [0x40, 0x02, 0x12, name.length, 0xb2, 0x72, 0x64, 0x40 | query.length, ...query]
    socket.send(new Uint8Array(bytes), port, '::1')
    // The program asks whoever registers what it has: only an acknowledgement is the answer.
    let answer = new Uint8Array(0)
    while ((answer[0] ?? 0) >> 4 !== 6) answer = new Uint8Array(((await once(socket, 'message')) as [Uint8Array])[0])
    socket.close()
    return `${(answer[1] ?? 0) >> 5}.${String((answer[1] ?? 0) & 31).padStart(2, '0')}`
  }

  it('is decided anew for every request while the policy changes', async () => {
    const { session } = await start()
    const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
    expect(await register(port, 'a')).toBe('2.01')
    await session.call('rd.setPolicy', { policy: 'enrolled-only' })
    expect(await register(port, 'b')).toBe('4.03')
    await session.call('rd.setPolicy', { policy: 'first-come' })
    expect(await register(port, 'c')).toBe('2.01')
  })

  it.each([
    ['a device that this tool configured, from where it is known to be', 'configured', 'fd00::1', 'udp', true],
    ['the same name from another address', 'configured', 'fd00::2', 'udp', false],
    ['the same address on another channel', 'verified', 'fd00::1', 'dongle', false],
    ['a device that was only planned', 'planned', 'fd00::1', 'udp', false],
    ['a device that was only seen', 'seen', 'fd00::1', 'udp', false],
  ] as const)('under “enrolled only”: %s', (_, state, address, channelId, isEnrolled) => {
    const device = { state, at: { address: 'fd00::1', port: 5683 }, channelId: 'udp' } as DeviceRecord
    const inventory = { byEndpointName: (name: string) => (name === 'lamp' ? device : undefined) }
    const source = { address: { address, port: 61_000 }, channelId }
    expect(isEnrolledIn(inventory, { endpointName: 'lamp', sector: '', source })).toBe(isEnrolled)
    expect(isEnrolledIn(inventory, { endpointName: 'stranger', sector: '', source })).toBe(false)
  })
})

describe('the interface of a site', () => {
  const listening = (session: TestProgram['session']): readonly string[] =>
    session.rows('session')[0]?.network.listening.map(({ address }) => address) ?? []

  it('moves at once, answers there, and stays with the site', async () => {
    const { session } = await start()
    const [before] = session.rows('session')[0]?.network.listening ?? []
    await session.call('site.setNetwork', { bindAddress: '127.0.0.1', coapPort: 0 })
    const [row] = session.rows('session')
    expect(row).toMatchObject({
      site: { network: { bindAddress: '127.0.0.1' } },
      network: { state: 'up', listening: [{ address: '127.0.0.1' }] },
    })
    const port = row?.network.listening[0]?.port ?? 0
    expect(await ping('127.0.0.1', port)).toBe('reset')
    expect(await ping('::1', before?.port ?? 0)).toBe('silence')
  })

  it('says that a port is taken, and goes on listening where it was', async () => {
    const { session } = await start()
    const taken = createSocket('udp6')
    taken.bind({ address: '::1', port: 0 })
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const before = session.rows('session')[0]
    const { port } = taken.address()
    expect(await codeOf(session.call('site.setNetwork', { bindAddress: '::1', coapPort: port }))).toBe('network.address-in-use')
    expect(await codeOf(session.call('site.setNetwork', { bindAddress: '203.0.113.9', coapPort: 0 }))).toBe('network.bind-failed')
    expect(session.rows('session')[0]).toEqual(before)
    expect(await ping('::1', before?.network.listening[0]?.port ?? 0)).toBe('reset')
  })

  it('is none of a demo site', async () => {
    const { session } = await start()
    await session.call('site.create', {
      kind: 'demo',
      details: { ...details, name: 'Demo' },
      demo: { devices: 1, lossPercent: 0, seed: 1 },
    })
    expect(await codeOf(session.call('site.setNetwork', { bindAddress: '::1', coapPort: 0 }))).toBe('site.is-a-demo')
    expect(listening(session)).toContain('::1')
  })
})

describe('the advertisement of the directory (RFC 9176 §4.1.2)', () => {
  const stateOf = (session: TestProgram['session']): unknown => {
    const { wanted, state } = session.rows('directory')[0]?.advertisement ?? {}
    return [wanted, state]
  }

  it('is off by default and never on loopback', async () => {
    const dnsSd = new NotedDnsSd()
    const { session } = await start({ dnsSd })
    expect(stateOf(session)).toEqual([false, 'off'])
    await session.call('site.setAdvertisement', { on: true })
    expect([stateOf(session), dnsSd.notes]).toEqual([[true, 'no-network'], []])
  })

  it('names only the addresses where the directory listens, moves with it, and says goodbye', async () => {
    const dnsSd = new NotedDnsSd()
    const { session, program } = await start({ dnsSd })
    await session.call('site.setAdvertisement', { on: true })
    await session.call('site.setNetwork', { bindAddress: '0.0.0.0', coapPort: 0 })
    const { advertisement } = await session.when('directory', (row) => row.advertisement.state === 'announced')
    const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
    expect(dnsSd.announced).toEqual([
      {
        service: {
          instance: advertisement.name,
          type: 'core-rd',
          host: expect.stringMatching(/^groupwright-[a-z0-9]{6}\.local$/) as unknown,
          port,
          text: { path: '/rd' },
        },
        place: { interfaceName: 'eth0', family: 'IPv4', addresses: ['192.0.2.7'] },
      },
    ])
    expect(advertisement.name).toMatch(/^Office 2-14 \([a-z0-9]{6}\)$/)
    expect(session.rows('directory')[0]).toMatchObject({ policy: 'first-come', policyChosen: false })
    await session.call('site.setNetwork', { bindAddress: '::1', coapPort: 0 })
    await session.when('directory', (row) => row.advertisement.state === 'no-network')
    expect(dnsSd.notes).toEqual([`announce ${port}`, `goodbye ${port}`])
    await session.call('site.setNetwork', { bindAddress: '0.0.0.0', coapPort: 0 })
    await session.when('directory', (row) => row.advertisement.state === 'announced')
    await program.close()
    expect(dnsSd.notes.map((note) => note.split(' ')[0])).toEqual(['announce', 'goodbye', 'announce', 'goodbye'])
  })

  it('tells a failure and goes on', async () => {
    const dnsSd = new NotedDnsSd()
    dnsSd.refusal = new AppError('dns-sd.unavailable', 'port 5353 is taken')
    const { session } = await start({ dnsSd })
    await session.call('site.setNetwork', { bindAddress: '0.0.0.0', coapPort: 0 })
    await session.call('site.setAdvertisement', { on: true })
    expect(session.rows('directory')[0]?.advertisement).toMatchObject({ state: 'failed', failure: { code: 'dns-sd.unavailable' } })
    dnsSd.refusal = undefined
    await session.call('site.setAdvertisement', { on: true })
    expect(stateOf(session)).toEqual([true, 'announced'])
    await session.call('site.setAdvertisement', { on: false })
    expect(stateOf(session)).toEqual([false, 'off'])
  })

  it('is not made by a program that is not to, whatever the site says', async () => {
    const dnsSd = new NotedDnsSd()
    const { session } = await start({ dnsSd, advertise: false })
    await session.call('site.setNetwork', { bindAddress: '0.0.0.0', coapPort: 0 })
    await session.call('site.setAdvertisement', { on: true })
    expect([stateOf(session), dnsSd.notes]).toEqual([[true, 'off'], []])
  })
})

/** A CoAP ping: whoever is there answers it with a reset (RFC 7252 §4.3). */
async function ping(address: string, port: number): Promise<'reset' | 'silence'> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const answer = new Promise<'reset' | 'silence'>((resolve) => {
    const timer = setTimeout(() => resolve('silence'), 400)
    socket.on('message', (bytes) => {
      clearTimeout(timer)
      resolve(((bytes[0] ?? 0) >> 4) % 4 === 3 ? 'reset' : 'silence')
    })
    socket.on('error', () => undefined)
  })
  socket.send(new Uint8Array([0x40, 0, 0x12, 0x34]), port, address)
  const heard = await answer
  socket.close()
  return heard
}
