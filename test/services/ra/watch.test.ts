// What becomes of an authority above: announcements that another program has encoded and OpenSSL signed, over a network that loses datagrams, with a
// server that begins anew, keeps no observers, or has no announcements at all (RFC 9482 §2.6, RFC 9810 §4.4).
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError, generateSigningKey, seededRandom, silentLogger, toHex } from '#main/base/index.ts'
import {
  observeAnnouncements,
  PathValidator,
  readNews,
  watchAuthority,
  type Announcement,
  type AuthorityNews,
  type AuthorityWatchOptions,
  type Certificate,
  type ListeningState,
} from '#main/services/ra/index.ts'
import { CoapEndpoint, Observable, ResourceTree, type Resource } from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bySecret, clientOf, direct, nameOf, openSite, SECRET, signedBy, vector, vectorCertificate } from './harness.ts'
import { pass, SERVER } from './network.ts'

const NOW = Date.UTC(2026, 10, 22, 8)
const root = vectorCertificate('op-root.crt')
/** As `openssl crl` shows it. */
const REVOKED = '7370e2e6426f640b4080dee975d00de21ab16ec3'
const newRoot = vectorCertificate('op-root2.crt')

function announced(name: string): Announcement {
  const { body } = readMessage(vector(`announcements/${name}.der`))
  if (body.type !== 'ckuann' && body.type !== 'cann' && body.type !== 'rann' && body.type !== 'crlann') throw new RangeError(body.type)
  return body
}

function read(name: string, anchors = [root], nowMs = NOW): Promise<readonly AuthorityNews[]> {
  const others = [vectorCertificate('op-sub.crt')]
  return readNews(announced(name), { paths: new PathValidator(anchors), others, nowMs })
}

describe('an announcement', () => {
  it.each(['ckuann-v2', 'ckuann-v3'])('of a new root is proven by its link to one that is trusted (%s)', async (name) => {
    const [news] = await read(name)
    expect(news?.kind === 'key-update' && [toHex(news.root.bytes), toHex(news.previous.bytes)]).toEqual([
      toHex(newRoot.bytes),
      toHex(root.bytes),
    ])
  })

  it.each([
    ['without a link', 'ckuann-v3-without-link', [root], NOW],
    ['that is another than the link is for', 'ckuann-v2-rogue-root', [root], NOW],
    ['with the links swapped', 'ckuann-v2-swapped', [root], NOW],
    ['linked to a root that is not trusted', 'ckuann-v3', [vectorCertificate('rogue-root.crt')], NOW],
    ['that is not valid yet', 'ckuann-v3', [root], Date.UTC(2026, 10, 20, 11, 52)],
    ['whose link is over', 'ckuann-v3', [root], Date.UTC(2046, 5, 1)],
  ])('of a new root %s is not believed', async (_, name, anchors, nowMs) => {
    await expect(read(name, anchors, nowMs)).rejects.toMatchObject({ code: 'ra.rejected' })
  })

  it('of a CRL is proven by the issuer’s signature and path', async () => {
    const [news] = await read('crlann-2')
    expect(news?.kind === 'crl' && news.list.number).toBe(2)
    expect(news?.kind === 'crl' && news.list.revoked.map(({ serial }) => toHex(serial))).toEqual([REVOKED])
    await expect(read('crlann-2', [vectorCertificate('rogue-root.crt')])).rejects.toMatchObject({ code: 'ra.rejected' })
    await expect(read('crlann-2', [root], Date.UTC(2036, 10, 18))).rejects.toMatchObject({ code: 'ra.rejected' })
  })

  it('of a certificate is proven by its path, and a revocation names what it is about', async () => {
    const [certificate] = await read('cann')
    expect(certificate?.kind === 'certificate' && toHex(certificate.certificate.bytes)).toBe(
      toHex(vectorCertificate('ldevid-mock.crt').bytes),
    )
    await expect(read('cann-rogue')).rejects.toMatchObject({ code: 'ra.rejected' })
    const [revocation] = await read('rann-ra')
    expect(revocation?.kind === 'revocation' && toHex(revocation.serial)).toBe(toHex(vectorCertificate('ra.crt').serial))
  })
})

describe('announcements with bytes changed', () => {
  it.each(['ckuann-v2', 'ckuann-v3', 'crlann-2', 'cann', 'rann-ra'])(
    'are `ra.rejected` or `der.invalid`, and never a new root (%s)',
    async (name) => {
      const whole = vector(`announcements/${name}.der`)
      const random = seededRandom(whole.length)
      for (let round = 0; round < 400; round++) {
        const bytes = whole.slice()
        for (let changes = 1 + random.below(3); changes > 0; changes--) bytes[random.below(bytes.length)] = random.below(256)
        let body: unknown
        try {
          body = readMessage(bytes).body
        } catch (thrown) {
          expect((thrown as AppError).code).toBe('der.invalid')
          continue
        }
        const { type } = body as Announcement
        if (!['ckuann', 'cann', 'rann', 'crlann'].includes(type)) continue
        try {
          const news = await readNews(body as Announcement, {
            paths: new PathValidator([root]),
            others: [vectorCertificate('op-sub.crt')],
            nowMs: NOW,
          })
          for (const one of news) if (one.kind === 'key-update') expect(toHex(one.root.spki)).toBe(toHex(newRoot.spki))
        } catch (thrown) {
          expect((thrown as AppError).code).toBe('ra.rejected')
        }
      }
    },
  )
})

/** A server that says at `/ann` what it is told to. */
function server(net: Partial<MemoryNetworkOptions> = {}) {
  const clock = new VirtualClock(NOW)
  const network = new MemoryNetwork({ clock, random: seededRandom(31), ...net })
  const ports = { clock, random: seededRandom(32), logger: silentLogger }
  let current = vector('announcements/crlann-1.der')
  let observable = new Observable()
  let endpoint: CoapEndpoint | undefined
  let channel: MemoryChannel | undefined
  let lives = 0
  let reads = 0
  const start = (observes = true): void => {
    const tree = new ResourceTree()
    observable = new Observable()
    const resource: Resource = {
      handlers: {
        GET: () => {
          reads += 1
          return { code: '2.05', contentFormat: 259, payload: current }
        },
      },
      ...(observes ? { observable } : {}),
    }
    tree.add('/.well-known/cmp/ann', resource)
    channel = network.channel(SERVER)
    endpoint = new CoapEndpoint({ ...ports, random: seededRandom(40 + ++lives), channel, tree })
  }
  const stop = async (): Promise<void> => {
    endpoint?.close()
    await channel?.close()
  }
  const client = new CoapEndpoint({ ...ports, channel: network.channel({ address: '2001:db8::99', port: 0 }) })
  onTestFinished(() => {
    endpoint?.close()
    client.close()
  })
  return {
    clock,
    client,
    start,
    stop,
    get reads() {
      return reads
    },
    say(name: string) {
      current = vector(`announcements/${name}.der`)
      observable.notify()
    },
  }
}

interface Heard {
  readonly news: AuthorityNews[]
  readonly states: ListeningState[]
  readonly problems: AppError[]
  readonly end: () => void
}

function listen(options: Pick<AuthorityWatchOptions, 'announcements' | 'poll' | 'clock'> & Partial<AuthorityWatchOptions>): Heard {
  const news: AuthorityNews[] = []
  const states: ListeningState[] = []
  const problems: AppError[] = []
  const end = watchAuthority({
    anchors: [root.bytes],
    onNews: (one) => news.push(one),
    onState: (state) => states.push(state),
    onProblem: (problem) => problems.push(problem),
    ...options,
  })
  onTestFinished(end)
  return { news, states, problems, end }
}

const kindsOf = ({ news }: Heard): readonly string[] => news.map(({ kind }) => kind)

describe('an authority above that is observed', () => {
  it.each([0, 0.2])('tells of each thing once, with %d of all datagrams lost', async (loss) => {
    const at = server({ lossRate: loss, duplicateRate: loss })
    at.start()
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock })
    await pass(at.clock, 60_000)
    for (const name of ['crlann-2', 'ckuann-v2', 'rann-ra', 'cann']) {
      at.say(name)
      await pass(at.clock, 400_000)
    }
    expect(kindsOf(heard)).toEqual(['crl', 'crl', 'key-update', 'revocation', 'certificate'])
    expect(heard.states.at(-1)).toBe('observed')
    // It was registered anew all the while, and the same was said again.
    expect(at.reads).toBeGreaterThan(8)
  })

  it('is heard again after it has begun anew and forgotten who observes it', async () => {
    const at = server()
    at.start()
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock })
    await pass(at.clock, 30_000)
    await at.stop()
    await pass(at.clock, 3_000_000)
    expect(heard.states).toEqual(['observed', 'unheard'])
    at.say('ckuann-v3')
    at.start()
    await pass(at.clock, 600_000)
    expect(kindsOf(heard)).toEqual(['crl', 'key-update'])
    expect(heard.states).toEqual(['observed', 'unheard', 'observed'])
    expect(heard.problems.map(({ code }) => code)).toContain('coap.timeout')
  })

  it('is not believed where a stranger has signed, and stays observed', async () => {
    const at = server()
    at.start()
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock })
    await pass(at.clock, 10_000)
    for (const name of ['crlann-2-rogue', 'ckuann-v2-rogue-root', 'ckuann-v3-without-link']) {
      at.say(name)
      await pass(at.clock, 20_000)
    }
    expect(kindsOf(heard)).toEqual(['crl'])
    expect(heard.problems.length).toBeGreaterThanOrEqual(3)
    expect(heard.problems.every(({ code }) => code === 'ra.rejected')).toBe(true)
    at.say('crlann-2')
    await pass(at.clock, 20_000)
    expect(kindsOf(heard)).toEqual(['crl', 'crl'])
  })

  it('is not believed by a signer that it has revoked', async () => {
    const at = server()
    at.start()
    const revoked = toHex(vectorCertificate('ra.crt').serial)
    const isRevoked = ({ serial }: Certificate): boolean => toHex(serial) === revoked
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock, isRevoked })
    await pass(at.clock, 10_000)
    expect(heard.news).toEqual([])
    expect(heard.problems[0]?.message).toContain('revoked')
  })

  it('is not believed of a time to come', async () => {
    const at = server()
    at.start()
    at.clock.jumpWallClock(Date.UTC(2026, 10, 20, 11, 53, 30) - NOW)
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock })
    await pass(at.clock, 10_000)
    expect(heard.news).toEqual([])
    expect(heard.problems[0]?.message).toContain('time to come')
  })
})

/** An authority that answers questions, and a client with a certificate of it. */
async function asked(clock: VirtualClock) {
  const site = await openSite({ clock, ra: { settings: { policy: { mode: 'automatic', secretsApprove: true } } } })
  await site.desk.preRegister([{ reference: 'office-ra', secret: SECRET }], 'test')
  const key = generateSigningKey('P-256')
  const { certificate } = await clientOf(site, bySecret('office-ra')).enrol('ir', {
    key,
    subject: nameOf('CN=office-ra'),
    implicitConfirm: true,
  })
  const first = site.ca.active.certificate
  const state = { down: false, asked: 0 }
  const way = direct(site)
  const poll = clientOf(site, signedBy({ key, certificate, chain: [] }), {
    anchors: [first.bytes],
    transport: {
      ...way,
      exchange: (message, operation) => {
        state.asked += 1
        if (state.down) return Promise.reject(new AppError('ra.upstream-unreachable', 'down'))
        return way.exchange(message, operation)
      },
    },
  })
  onTestFinished(() => {
    site.authority.close()
    site.ca.close()
  })
  return { site, first, poll, state, certificate }
}

describe('an authority above that keeps no observers', () => {
  it('is asked for its roots and its CRL now and then', async () => {
    const clock = new VirtualClock(NOW)
    const { site, first, poll, state, certificate } = await asked(clock)
    const heard = listen({ announcements: undefined, poll, clock, anchors: [first.bytes], pollS: 600 })
    await pass(clock, 20_000)
    expect(heard.states).toEqual(['polled'])
    expect(kindsOf(heard)).toEqual(['crl'])
    await site.ca.rollOver({ algorithm: 'P-384' }, 'test')
    const spare = generateSigningKey('P-256')
    await site.desk.preRegister([{ reference: 'gw-1', secret: SECRET }], 'test')
    const other = await clientOf(site, bySecret('gw-1')).enrol('ir', { key: spare, subject: nameOf('CN=gw-1'), implicitConfirm: true })
    site.desk.revoke(toHex(other.certificate.serial), 'keyCompromise', 'test')
    await pass(clock, 700_000)
    const update = heard.news.find(({ kind }) => kind === 'key-update')
    expect(update?.kind === 'key-update' && toHex(update.root.bytes)).toBe(toHex(site.ca.active.certificate.bytes))
    expect(certificate.isIssuedBy(first)).toBe(true)
    const before = state.asked
    state.down = true
    await pass(clock, 700_000)
    expect(heard.states).toEqual(['polled', 'unheard'])
    state.down = false
    await pass(clock, 700_000)
    expect(heard.states).toEqual(['polled', 'unheard', 'polled'])
    // Not more often than it is told to, down or not.
    expect(state.asked - before).toBeLessThan(12)
  })

  it('is asked instead, at once where it refuses, and no longer once it does keep this one', async () => {
    const at = server()
    const { first, poll, state } = await asked(at.clock)
    at.start(false)
    const anchors = [first.bytes, root.bytes]
    const heard = listen({ announcements: { client: at.client, to: SERVER }, poll, clock: at.clock, anchors, pollS: 600 })
    await pass(at.clock, 20_000)
    expect(heard.states).toEqual(['polled'])
    expect(kindsOf(heard).toSorted()).toEqual(['crl', 'crl'])
    await at.stop()
    at.start()
    await pass(at.clock, 900_000)
    expect(heard.states.at(-1)).toBe('observed')
    const asks = state.asked
    await pass(at.clock, 3_600_000)
    expect(state.asked).toBe(asks)
  })
})

it('a network that is gone is said, and no defect', async () => {
  const at = server()
  at.start()
  const heard = listen({ announcements: { client: at.client, to: SERVER }, poll: undefined, clock: at.clock })
  await pass(at.clock, 10_000)
  expect(heard.states).toEqual(['observed'])
  at.client.close()
  await pass(at.clock, 900_000)
  expect(heard.states).toEqual(['observed', 'unheard'])
  expect(heard.problems.length).toBeGreaterThan(2)
})

it('a client that only reads announcements tells whether it is observed (RFC 7641 §4.1)', async () => {
  const at = server()
  at.start(false)
  const told: boolean[] = []
  const stop = observeAnnouncements({
    client: at.client,
    to: SERVER,
    clock: at.clock,
    anchors: [root.bytes],
    onAnnouncement: () => undefined,
    onRegistered: (isObserved) => told.push(isObserved),
  })
  await pass(at.clock, 10_000)
  expect(new Set(told)).toEqual(new Set([false]))
  stop()
})
