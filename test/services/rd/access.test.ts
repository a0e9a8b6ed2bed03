// RFC 9176 §7 and §8.2: who may register, and that nobody touches what is another's.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SocketAddress } from '#main/base/index.ts'
import { findOption, OptionNumber, stringOption } from '#main/wire/coap/index.ts'
import type { DirectoryOptions, EnrolmentCandidate } from '#main/services/rd/index.ts'
import { RdHarness } from './harness.ts'
import { rdNetwork } from './network.ts'
import { utf8 } from '#main/base/index.ts'

const A: SocketAddress = { address: '2001:db8::a', port: 5683 }
const B: SocketAddress = { address: '2001:db8::b', port: 5683 }

/** Each endpoint is enrolled under the last character of its address. */
const isEnrolled = ({ endpointName, source }: EnrolmentCandidate): boolean => source.address.address.endsWith(`::${endpointName}`)

describe('only enrolled endpoints', () => {
  it('register, update and remove, each under its own name', async () => {
    const rd = new RdHarness({ policy: 'enrolled-only', isEnrolled })
    const location = await rd.register('ep=a', '</a>', { from: A })
    for (const [method, uri] of [
      ['POST', '/rd?ep=a'],
      ['POST', '/rd?ep=c'],
      ['POST', location],
      ['DELETE', location],
    ] as const) {
      expect((await rd.ask(method, uri, { from: B, payload: '' })).code).toBe('4.03')
    }
    expect(rd.directory.find('a')?.links).toBe('</a>')
    expect((await rd.ask('POST', location, { from: A })).code).toBe('2.04')
    expect((await rd.ask('DELETE', location, { from: A })).code).toBe('2.02')
  })

  it('that are enrolled no longer can change nothing', async () => {
    const enrolled = new Set(['a'])
    const rd = new RdHarness({ policy: 'enrolled-only', isEnrolled: ({ endpointName }) => enrolled.has(endpointName) })
    const location = await rd.register('ep=a', '')
    enrolled.clear()
    expect((await rd.ask('POST', location)).code).toBe('4.03')
    expect((await rd.ask('POST', '/rd?ep=a')).code).toBe('4.03')
  })

  it('are none where nobody says who is', async () => {
    const rd = new RdHarness({ policy: 'enrolled-only' })
    expect((await rd.ask('POST', '/rd?ep=a')).code).toBe('4.03')
  })

  it('have their links fetched in a simple registration, and no others', async () => {
    const rd = rdNetwork({ policy: 'enrolled-only', isEnrolled })
    const a = rd.device(A.address, '</a>')
    const b = rd.device(B.address, '</b>')
    expect((await rd.ask(b, 'POST', '/.well-known/rd?ep=a')).code).toBe('4.03')
    expect(b.fetched).toBe(0)
    expect((await rd.ask(a, 'POST', '/.well-known/rd?ep=a')).code).toBe('2.04')
  })
})

describe('first come, first remembered', () => {
  it('holds for simple registrations, before anything is fetched', async () => {
    const rd = rdNetwork({ policy: 'first-come' })
    const a = rd.device(A.address, '</a>')
    const b = rd.device(B.address, '</b>')
    expect((await rd.ask(a, 'POST', '/.well-known/rd?ep=n')).code).toBe('2.04')
    expect((await rd.ask(b, 'POST', '/.well-known/rd?ep=n')).code).toBe('4.03')
    expect(b.fetched).toBe(0)
    expect(rd.directory.find('n')?.links).toBe('</a>')
  })

  it('is not got round by two that register at the same moment', async () => {
    const rd = rdNetwork({ policy: 'first-come' })
    const devices = [rd.device(A.address, '</a>'), rd.device(B.address, '</b>')]
    const codes = await Promise.all(devices.map((device) => rd.ask(device, 'POST', '/.well-known/rd?ep=n')))
    expect(codes.map(({ code }) => code).sort()).toEqual(['2.04', '4.03'])
  })
})

describe('what this program registered', () => {
  it.each(['open', 'first-come', 'enrolled-only'] as const)('is closed to requests under the policy %s', async (policy) => {
    const rd = new RdHarness({ policy, isEnrolled: () => true })
    const group = rd.directory.registerGroup({ name: 'lights', base: 'coap://[ff35:30:2001:db8::1]', links: [] })
    expect((await rd.ask('POST', '/rd?ep=lights', { payload: '</evil>' })).code).toBe('4.03')
    expect((await rd.ask('POST', `${group.location}?base=coap://evil`)).code).toBe('4.03')
    expect((await rd.ask('DELETE', group.location)).code).toBe('4.03')
    expect(rd.directory.find('lights')).toEqual(group)
  })
})

describe('addresses that have to be proven', () => {
  it('a request in the name of another changes nothing before an Echo value has come back', async () => {
    const rd = rdNetwork({ policy: 'first-come', proveAddresses: true })
    const owner = rd.device(A.address)
    expect((await rd.ask(owner, 'POST', '/rd?ep=a', '</a>')).code).toBe('2.01')
    const { location } = rd.directory.find('a')!
    await rd.clock.advance(400_000)
    // A datagram with the owner's source address, from elsewhere: the challenge goes to the owner, who has not asked.
    owner.endpoint.close()
    const spoofed = rd.peer(A.address, 5999)
    const path = location
      .slice(1)
      .split('/')
      .map((segment) => stringOption(OptionNumber.URI_PATH, segment))
    spoofed.send({ code: '0.04', messageId: 1, token: utf8('x'), options: path })
    await rd.clock.advance(1000)
    const [challenge] = spoofed.take()
    expect(challenge?.code).toBe('4.01')
    expect(rd.directory.find('a')).toBeDefined()
    spoofed.send({ code: '0.04', messageId: 2, token: utf8('x'), options: [...path, findOption(challenge!.options, OptionNumber.ECHO)!] })
    await rd.clock.advance(1000)
    expect(spoofed.take()[0]?.code).toBe('2.02')
  })
})

it('under first-come, whatever others ask for, a registration stays as its owner left it', async () => {
  const request = fc.record({
    kind: fc.constantFrom('register', 'update', 'remove'),
    from: fc.nat(3),
    name: fc.constantFrom('a', 'b'),
    links: fc.constantFrom('</1>', '</2>', '</3>'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 30 }), async (requests) => {
      const rd = new RdHarness({ policy: 'first-come' })
      const model = new Map<string, { owner: number; links: string }>()
      for (const { kind, from, name, links } of requests) {
        const known = model.get(name)
        const options = { from: { address: `2001:db8::${from}`, port: 5683 } }
        const location = rd.directory.find(name)?.location ?? '/rd/none'
        const { code } =
          kind === 'register'
            ? await rd.ask('POST', `/rd?ep=${name}`, { ...options, payload: links })
            : await rd.ask(kind === 'update' ? 'POST' : 'DELETE', location, options)
        if (known !== undefined && known.owner !== from) expect(code).toBe('4.03')
        else if (kind === 'register') model.set(name, { owner: from, links })
        else if (kind === 'remove') model.delete(name)
        for (const one of ['a', 'b']) expect(rd.directory.find(one)?.links).toBe(model.get(one)?.links)
      }
    }),
    { numRuns: 200 },
  )
})

describe('a registration made with a credential', () => {
  const holder = { from: A, peer: { scheme: 'oscore', name: 'alice' } } as const

  it('belongs to whoever holds it, at any address and on any channel, and to nobody at its old address', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    const location = await rd.register('ep=a', '</a>', holder)
    for (const other of [
      { from: A },
      { from: A, peer: { scheme: 'oscore', name: 'bob' } },
      { from: A, peer: { scheme: 'dtls-psk', name: 'alice' } },
    ] as const) {
      expect((await rd.ask('POST', location, other)).code).toBe('4.03')
      expect((await rd.ask('POST', '/rd?ep=a', { ...other, payload: '' })).code).toBe('4.03')
      expect((await rd.ask('DELETE', location, other)).code).toBe('4.03')
    }
    expect((await rd.ask('POST', location, { ...holder, from: B, channelId: 'elsewhere' })).code).toBe('2.04')
    expect(rd.directory.find('a')).toMatchObject({ base: 'coap://[2001:db8::b]', source: { identity: 'oscore:alice' } })
  })

  it('may take over what was made without one at the same address, and keeps it', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    const location = await rd.register('ep=a', '</a>', { from: A })
    expect((await rd.ask('POST', location, holder)).code).toBe('2.04')
    expect((await rd.ask('POST', location, { from: A })).code).toBe('4.03')
  })

  it('is known by it after a restart', async () => {
    const first = new RdHarness({ policy: 'first-come' })
    const location = await first.register('ep=a', '</a>', holder)
    const second = new RdHarness({ policy: 'first-come', memory: first.store, store: first.store })
    expect((await second.ask('POST', location, { from: A })).code).toBe('4.03')
    expect((await second.ask('POST', location, { ...holder, from: B })).code).toBe('2.04')
  })

  it('needs no name where the directory knows whose it is (RFC 9176 §5)', async () => {
    const nameOf: NonNullable<DirectoryOptions['nameOf']> = ({ identity }) =>
      identity === 'oscore:alice' ? { endpointName: 'lamp-1', sector: 'floor-1' } : undefined
    const rd = new RdHarness({
      policy: 'enrolled-only',
      nameOf,
      isEnrolled: ({ endpointName, source }) => nameOf(source)?.endpointName === endpointName,
    })
    await rd.register('lt=600', '</a>', holder)
    expect(rd.directory.find('lamp-1', 'floor-1')).toMatchObject({ lifetimeS: 600 })
    // Any other name is another's.
    expect((await rd.ask('POST', '/rd?ep=lamp-2', { ...holder, payload: '' })).code).toBe('4.03')
    expect((await rd.ask('POST', '/rd?lt=60', { from: B, payload: '' })).code).toBe('4.00')
  })
})

describe('behind a proxy', () => {
  const proxy = { from: { address: '2001:db8::99', port: 5683 } }

  it('a registrant gives its base, and what the proxy relays later leaves it', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    const location = await rd.register('ep=sleepy&base=coap://node1.proxy.example.net', '</a>;rt=x', proxy)
    expect((await rd.ask('POST', `${location}?lt=600`, proxy)).code).toBe('2.04')
    expect(await rd.lookup('res?rt=x')).toBe('<coap://node1.proxy.example.net/a>;rt="x"')
    expect(rd.directory.find('sleepy')).toMatchObject({ baseExplicit: true, lifetimeS: 600 })
  })

  it('registrants are told apart by their names, and a third party registers for many', async () => {
    const rd = new RdHarness({ policy: 'first-come' })
    for (const name of ['n1', 'n2', 'n3']) await rd.register(`ep=${name}&base=coap://${name}.example`, '</a>;rt=x', proxy)
    expect((await rd.lookup('res?rt=x')).split(',')).toHaveLength(3)
    // A device cannot take away what the tool registered for it, and the tool can change it.
    expect((await rd.ask('POST', '/rd?ep=n1', { from: A, payload: '' })).code).toBe('4.03')
    expect((await rd.ask('POST', '/rd?ep=n1&base=coap://new.example', { ...proxy, payload: '</b>;rt=y' })).code).toBe('2.01')
    expect(await rd.lookup('res?ep=n1')).toBe('<coap://new.example/b>;rt="y"')
  })
})
