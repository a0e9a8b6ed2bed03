import { utf8 } from '#main/base/index.ts'
import { describe, expect, it } from 'vitest'
import { line, withCertificates, withPsk, type Fate, type Line, type LineOptions, type Side } from './harness.ts'

type Plan = (from: Side, index: number) => Fate

async function greeted(options: LineOptions, plan: Plan): Promise<Line> {
  const talk = line(options)
  talk.fate = plan
  await talk.greet()
  return talk
}

async function countDatagrams(options: LineOptions): Promise<Record<Side, number>> {
  const talk = await greeted(options, () => 'pass')
  const count = (side: Side): number => talk.sent.filter(({ from }) => from === side).length
  return { client: count('client'), server: count('server') }
}

function expectGreeted(talk: Line, hint: string): void {
  expect(talk.server.data, hint).toEqual(['ping'])
  // The word back may be what was lost: application data is not repeated.
  expect(talk.client.sessions, hint).toHaveLength(1)
  expect(talk.server.sessions, hint).toHaveLength(1)
  expect([...talk.client.failures, ...talk.server.failures], hint).toEqual([])
}

const cases: ReadonlyArray<readonly [string, LineOptions]> = [
  ['mutual certificates', withCertificates],
  ['mutual certificates in datagrams of 256 bytes', { ...withCertificates, maxDatagramBytes: 256 }],
  ['a pre-shared key', withPsk],
  ['a pre-shared key without connection ids', { ...withPsk, limits: { connectionIdBytes: 0 } }],
]

describe.each(cases)('with %s, the handshake ends well', (_title, options) => {
  for (const fate of ['drop', 'double', 'late'] as const) {
    it(`whichever datagram is hit by "${fate}" (RFC 6347 §4.2.4)`, async () => {
      const counts = await countDatagrams(options)
      for (const side of ['client', 'server'] as const) {
        // The last of each side is application data.
        for (let hit = 0; hit < counts[side] - 1; hit++) {
          const talk = await greeted(options, (from, index) => (from === side && index === hit ? fate : 'pass'))
          expectGreeted(talk, `${fate} of ${side} ${hit}`)
        }
      }
    })
  }

  it('whichever two datagrams are lost', { timeout: 60_000 }, async () => {
    const counts = await countDatagrams(options)
    const all = (['client', 'server'] as const).flatMap((side) =>
      Array.from({ length: counts[side] - 1 }, (_, index) => `${side} ${index}`),
    )
    for (const first of all) {
      for (const second of all) {
        if (first >= second) continue
        const talk = await greeted(options, (from, index) =>
          first === `${from} ${index}` || second === `${from} ${index}` ? 'drop' : 'pass',
        )
        expectGreeted(talk, `${first}, ${second} lost`)
      }
    }
  })

  it('whichever flight is lost three times', async () => {
    const counts = await countDatagrams(options)
    for (const side of ['client', 'server'] as const) {
      for (let from = 0; from < counts[side] - 1; from++) {
        const talk = await greeted(options, (sender, index) => (sender === side && index >= from && index < from + 3 ? 'drop' : 'pass'))
        expectGreeted(talk, `${side} ${from} to ${from + 2} lost`)
      }
    }
  })

  it('in reverse order of the datagrams of each flight', async () => {
    const talk = line(options)
    talk.fate = (_from, index) => 60 - (index % 30)
    await talk.greet()
    expectGreeted(talk, 'reversed')
  })
})

const CHANGE_CIPHER_SPEC = 20

describe('a lossy line', () => {
  it('of 30 % each way still carries every handshake, and no session is made twice', { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const talk = line({ ...withCertificates, maxDatagramBytes: seed % 2 === 0 ? 256 : 1232, limits: { handshakeMs: 300_000 }, seed })
      let state = seed
      talk.fate = () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        const roll = (state >>> 16) % 100
        return roll < 30 ? 'drop' : roll < 40 ? 'double' : roll < 50 ? 'late' : 'pass'
      }
      talk.client.engine.connect({ key: 'server' })
      await talk.clock.advance(250_000)
      expect(talk.client.sessions, `seed ${seed}`).toHaveLength(1)
      expect(talk.server.sessions, `seed ${seed}`).toHaveLength(1)
    }
  })

  it('gets the last flight again when the client repeats its own (RFC 6347 §4.2.4)', async () => {
    const talk = line(withCertificates)
    talk.client.engine.send({ key: 'server' }, utf8('ping'))
    talk.fate = (from, _index, payload) => (from === 'server' && payload[0] === CHANGE_CIPHER_SPEC ? 'drop' : 'pass')
    await talk.clock.advance(900)
    expect(talk.server.sessions).toHaveLength(1)
    expect(talk.client.sessions).toHaveLength(0)
    talk.fate = () => 'pass'
    await talk.clock.advance(300)
    expect(talk.client.sessions).toHaveLength(1)
    expect(talk.server.data).toEqual(['ping'])
  })

  it('delivers no datagram of data twice, however often it comes (RFC 6347 §4.1.2.6)', async () => {
    const talk = line(withCertificates)
    await talk.greet()
    talk.fate = () => 'double'
    talk.client.engine.send({ key: 'server' }, utf8('once'))
    await talk.clock.advance(100)
    expect(talk.server.data).toEqual(['ping', 'once'])
  })

  it('lets data overtake Finished', async () => {
    const talk = line(withCertificates)
    talk.fate = (from, _index, payload) => (from === 'server' && payload[0] === CHANGE_CIPHER_SPEC ? 'late' : 'pass')
    talk.client.engine.connect({ key: 'server' })
    for (let waitedMs = 0; waitedMs < 100 && talk.server.sessions.length === 0; waitedMs++) await talk.clock.advance(1)
    talk.server.engine.send({ key: 'client' }, utf8('early'))
    await talk.clock.advance(200)
    expect(talk.client.data).toEqual(['early'])
  })
})
