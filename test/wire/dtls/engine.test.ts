import { utf8 } from '#main/base/index.ts'
import { describe, expect, it } from 'vitest'
import { line, SERVER, withCertificates, withPsk } from './harness.ts'

describe('a connection id (RFC 9146)', () => {
  it('lets a client go on from another address', async () => {
    const talk = line(withPsk)
    await talk.greet()
    talk.clientAt = { key: 'moved' }
    talk.client.engine.send(SERVER, utf8('still me'))
    await talk.clock.advance(50)
    expect(talk.server.data).toEqual(['ping', 'still me'])
    expect(talk.server.outputs).toContainEqual({ kind: 'moved', from: { key: 'client' }, peer: { key: 'moved' } })
    expect(talk.server.outputs.at(-1)).toMatchObject({ kind: 'data', peer: { key: 'moved' } })
    talk.server.engine.send({ key: 'moved' }, utf8('welcome'))
    await talk.clock.advance(50)
    expect(talk.client.data).toEqual(['pong', 'welcome'])
    expect(talk.server.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
  })

  it('moves nobody by an old record, a forged one or an unknown id', async () => {
    const talk = line(withPsk)
    await talk.greet()
    const caught: Uint8Array[] = []
    talk.fate = (from, _index, payload) => {
      if (from === 'client') caught.push(payload)
      return caught.length === 1 ? 'drop' : 'pass'
    }
    talk.client.engine.send(SERVER, utf8('held back'))
    talk.client.engine.send(SERVER, utf8('newer'))
    await talk.clock.advance(50)
    const [old = new Uint8Array(0), newer = new Uint8Array(0)] = caught
    const elsewhere = { key: 'attacker' }
    talk.server.engine.receive(elsewhere, newer)
    talk.server.engine.receive(elsewhere, old.with(old.length - 1, (old.at(-1) ?? 0) ^ 1))
    talk.server.engine.receive(elsewhere, old.with(11, (old[11] ?? 0) ^ 1))
    // Authentic and new, but not the newest: it is delivered, and the way back stays.
    talk.server.engine.receive(elsewhere, old)
    expect(talk.server.data).toEqual(['ping', 'newer', 'held back'])
    expect(talk.server.outputs.some(({ kind }) => kind === 'moved')).toBe(false)
    expect(talk.server.engine.sessionOf({ key: 'client' })).toBeDefined()
    expect(talk.server.engine.sessionOf(elsewhere)).toBeUndefined()
  })
})

describe('sessions', () => {
  it('end with close_notify on both sides', async () => {
    const talk = line(withCertificates)
    await talk.greet()
    talk.client.engine.disconnect(SERVER)
    await talk.clock.advance(50)
    expect(talk.client.outputs.at(-1)).toEqual({ kind: 'closed', peer: SERVER, by: 'us' })
    expect(talk.server.outputs.at(-1)).toEqual({ kind: 'closed', peer: { key: 'client' }, by: 'peer' })
    expect(talk.server.engine.holdings()).toEqual({ halfOpen: 0, sessions: 0 })
    // The next payload opens another.
    await talk.greet()
    expect(talk.server.data).toEqual(['ping', 'ping'])
  })

  it('that nobody uses are closed after a time', async () => {
    const talk = line({ ...withPsk, limits: { idleMs: 60_000 } })
    await talk.greet()
    await talk.clock.advance(50_000)
    talk.client.engine.send(SERVER, utf8('used'))
    await talk.clock.advance(50_000)
    expect(talk.server.engine.holdings().sessions).toBe(1)
    await talk.clock.advance(30_000)
    expect(talk.server.engine.holdings().sessions).toBe(0)
    expect(talk.client.engine.holdings().sessions).toBe(0)
    expect(talk.clock.pendingTimers).toBe(0)
  })

  it('beyond the limit take the place of the one that was unused for longest', async () => {
    const talk = line({ ...withPsk, limits: { maxSessions: 3 } })
    for (let index = 0; index < 5; index++) {
      const one = line({ ...withPsk, seed: 100 + index })
      one.clientAt = { key: `client ${index}` }
      one.server.engine.receive = (peer, datagram) => talk.server.engine.receive(peer, datagram)
      talk.clientAt = one.clientAt
      const { sent } = talk
      const before = sent.length
      one.client.engine.connect(SERVER)
      for (let step = 0; step < 10; step++) {
        await one.clock.advance(10)
        await talk.clock.advance(1)
        for (const { from, payload } of sent.splice(before)) if (from === 'server') one.client.engine.receive(SERVER, payload)
      }
      expect(one.client.sessions, `client ${index}`).toHaveLength(1)
    }
    expect(talk.server.engine.holdings()).toEqual({ halfOpen: 0, sessions: 3 })
    const evicted = talk.server.outputs.filter((output) => output.kind === 'closed').map((output) => output.peer.key)
    expect(evicted).toEqual(['client 0', 'client 1'])
  })

  it('do not begin anew for a client’s repeated hello', async () => {
    const talk = line(withCertificates)
    talk.fate = (from) => (from === 'client' ? 'double' : 'pass')
    await talk.greet()
    expect(talk.server.engine.counters()).toMatchObject({ handshakes: 1, established: 1 })
  })

  it('that the server has lost are opened anew, once it has been silent for a time', async () => {
    const talk = line(withPsk)
    await talk.greet()
    // Its farewell is lost, as with a crash.
    talk.fate = (from) => (from === 'server' ? 'drop' : 'pass')
    talk.server.engine.close()
    talk.client.engine.send(SERVER, utf8('into the void'))
    await talk.clock.advance(99_000)
    talk.fate = () => 'pass'
    talk.client.engine.send(SERVER, utf8('again into the void'))
    await talk.clock.advance(2000)
    expect(talk.server.data).toEqual(['ping'])
    talk.client.engine.send(SERVER, utf8('anew'))
    await talk.clock.advance(100)
    expect(talk.server.data).toEqual(['ping', 'anew'])
    expect(talk.client.outputs).toContainEqual({ kind: 'closed', peer: SERVER, by: 'stale' })
    // Who is answered keeps the session.
    for (let round = 0; round < 5; round++) {
      talk.client.engine.send(SERVER, utf8('x'))
      await talk.clock.advance(60_000)
      talk.server.engine.send({ key: 'client' }, utf8('y'))
      await talk.clock.advance(60_000)
    }
    expect(talk.client.sessions).toHaveLength(2)
  })

  it('a client that has lost its state gets a new one at the same address (RFC 6347 §4.2.8)', async () => {
    const talk = line(withPsk)
    await talk.greet()
    const again = line({ ...withPsk, seed: 42 })
    again.server.engine.receive = (peer, datagram) => talk.server.engine.receive(peer, datagram)
    const before = talk.sent.length
    again.client.engine.send(SERVER, utf8('I was restarted'))
    for (let step = 0; step < 10; step++) {
      await again.clock.advance(10)
      for (const { from, payload } of talk.sent.splice(before)) if (from === 'server') again.client.engine.receive(SERVER, payload)
    }
    expect(talk.server.data).toEqual(['ping', 'I was restarted'])
    expect(talk.server.outputs).toContainEqual({ kind: 'closed', peer: { key: 'client' }, by: 'replaced' })
    expect(talk.server.engine.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
  })
})

describe('what waits for a handshake', () => {
  it('is sent in order when it is over, and is bounded meanwhile', async () => {
    const talk = line({ ...withPsk, limits: { maxQueued: 3, maxQueuedBytes: 10 } })
    const taken = ['one', 'two', 'x', 'four'].map((text) => talk.client.engine.send(SERVER, utf8(text)))
    expect(taken).toEqual([true, true, true, false])
    await talk.clock.advance(100)
    expect(talk.server.data).toEqual(['one', 'two', 'x'])
    const small = line({ ...withPsk, limits: { maxQueuedBytes: 10 } })
    expect(small.client.engine.send(SERVER, new Uint8Array(11))).toBe(false)
  })

  it('is told of where it does not fit into a record', async () => {
    const talk = line({ ...withPsk, maxDatagramBytes: 300 })
    expect(talk.client.engine.send(SERVER, new Uint8Array(290))).toBe(true)
    await talk.clock.advance(100)
    expect(talk.client.outputs.find(({ kind }) => kind === 'failed')).toMatchObject({ unsent: 1, error: { code: 'network.too-large' } })
    expect(talk.client.sessions).toHaveLength(1)
  })

  it('is refused where nothing may be opened, or too much is open already', () => {
    const talk = line(withPsk)
    expect(talk.server.engine.send({ key: 'somebody' }, utf8('x'))).toBe(false)
    const full = line({ ...withPsk, limits: { maxHalfOpen: 2 } })
    expect(['a', 'b', 'c'].map((key) => full.client.engine.send({ key }, utf8('x')))).toEqual([true, true, false])
  })
})
