// Transactions with an NCP: ids, repeats, deadlines, refusals, resets; and the bytes of recorded hosts (draft-rquattle-spinel-unified §3.5.3).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger, toHex } from '#main/base/index.ts'
import {
  COMMAND,
  decodeSpinelFrame,
  encodeHdlc,
  encodeSpinelFrame,
  HdlcDecoder,
  pack,
  packedUint,
  PROP,
  propertyFrame,
  readPropertyFrame,
  SpinelSession,
  STATUS,
  statusOf,
  type HostVerb,
  type SessionEvent,
} from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { ScriptedNcp } from './scripted-ncp.ts'
import { recordingNames, spinelRecording } from './spinel-recordings.ts'
import { TestLine } from './support.ts'

function setUp(options: { readonly withNcp?: boolean; readonly firstTid?: number } = {}) {
  const line = new TestLine()
  const clock = new VirtualClock()
  const ncp = options.withNcp === false ? undefined : new ScriptedNcp(line, clock)
  const session = new SpinelSession({ line, clock, logger: silentLogger, ...options })
  const events: SessionEvent[] = []
  session.subscribe((event) => events.push(event))
  return { line, clock, ncp: ncp!, session, events }
}

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof AppError ? error.code : 'other'
  }
}

const hostVerbs: readonly string[] = ['get', 'set', 'insert', 'remove']
const isHostVerb = (verb: string): verb is HostVerb => hostVerbs.includes(verb)

describe('A transaction', () => {
  it('gets what the NCP answers', async () => {
    const { session, clock } = setUp()
    expect(await clock.until(session.get(PROP.PROTOCOL_VERSION))).toEqual({ major: 4, minor: 3 })
    expect(await clock.until(session.get(PROP.HWADDR))).toBe('18b4300000000001')
  })

  it('fails with the status of a refusal', async () => {
    const { session, clock } = setUp()
    const failure = await clock.until(session.get(PROP.THREAD_RLOC16).catch((error: unknown) => error))
    expect(statusOf(failure)).toBe(STATUS.PROP_NOT_FOUND)
  })

  it('has at most four open, ids from 1 to 15 in turn, and keeps the order', async () => {
    const { session, clock, ncp } = setUp()
    const answers = Promise.all(Array.from({ length: 20 }, () => session.get(PROP.PHY_CHAN)))
    expect(ncp.frames.map((frame) => frame.slice(0, 2))).toEqual(['81', '82', '83', '84'])
    expect(await clock.until(answers)).toEqual(Array.from({ length: 20 }, () => 11))
    expect(ncp.frames.map((frame) => Number.parseInt(frame.slice(1, 2), 16))).toEqual(
      Array.from({ length: 20 }, (_, index) => (index % 15) + 1),
    )
  })

  it('is repeated with another id when the answer is lost, and a late answer of the first is no answer to another', async () => {
    const { session, clock, ncp } = setUp()
    let lost = 0
    ncp.loses = (_, tid) => tid === 1 && lost++ === 0
    expect(await clock.until(session.get(PROP.PHY_CHAN))).toBe(11)
    expect(ncp.frames.map((frame) => frame.slice(0, 2))).toEqual(['81', '82'])
    expect(session.counters()).toMatchObject({ retries: 1, strayFrames: 0 })
    ncp.answerMs = 100
    const next = session.get(PROP.NET_SAVED)
    ncp.unsolicited('is', 0, pack(packedUint, STATUS.OK))
    expect(await clock.until(next)).toBe(false)
  })

  it('fails with link.no-answer after three attempts, and then the dongle is told to be silent once', async () => {
    const { session, clock, ncp, events } = setUp()
    ncp.silent = true
    const started = clock.monotonicMs()
    expect(await clock.until(codeOf(session.get(PROP.PHY_CHAN)))).toBe('link.no-answer')
    expect(clock.monotonicMs() - started).toBe(6_000)
    await clock.until(codeOf(session.get(PROP.PHY_CHAN)))
    expect(events.filter(({ kind }) => kind === 'silent')).toHaveLength(1)
  })

  it('waits on while its bytes have not left the line', async () => {
    const { session, clock, ncp, line } = setUp()
    ncp.silent = true
    Object.assign(line, { queuedBytes: 500 })
    const answer = session.get(PROP.PHY_CHAN, { attempts: 1 })
    await clock.advance(10_000)
    Object.assign(line, { queuedBytes: 0 })
    ncp.silent = false
    line.receive(encodeHdlc(encodeSpinelFrame(propertyFrame(1, { verb: 'is', property: 0x21, value: Uint8Array.of(26) }))))
    expect(await clock.until(answer)).toBe(26)
  })

  it('takes no answer of another property or another verb', async () => {
    const { session, clock, line } = setUp({ withNcp: false })
    const answer = session.get(PROP.PHY_CHAN)
    const tell = (verb: 'is' | 'inserted', property: number, value: number): void =>
      line.receive(encodeHdlc(encodeSpinelFrame(propertyFrame(1, { verb, property, value: Uint8Array.of(value) }))))
    tell('is', 0x43, 3)
    tell('inserted', 0x21, 3)
    tell('is', 0x21, 20)
    expect(await clock.until(answer)).toBe(20)
    expect(session.counters().strayFrames).toBe(2)
  })

  it('is refused when too many wait, and never fills the memory', async () => {
    const { session, ncp } = setUp()
    ncp.silent = true
    const failures: string[] = []
    for (let count = 0; count < 1000; count++) void codeOf(session.get(PROP.PHY_CHAN)).then((code) => failures.push(code))
    await Promise.resolve()
    await Promise.resolve()
    await Promise.resolve()
    expect(failures).toHaveLength(1000 - 4 - 256)
    expect(new Set(failures)).toEqual(new Set(['link.queue-full']))
  })

  it('fails with link.was-reset when the dongle restarts, and with link.closed when the line closes', async () => {
    const { session, clock, ncp, line, events } = setUp()
    ncp.answerMs = 500
    const first = codeOf(session.get(PROP.PHY_CHAN))
    ncp.restart()
    expect(await clock.until(first)).toBe('link.was-reset')
    expect(events).toContainEqual({ kind: 'reset', status: STATUS.RESET_POWER_ON })
    const second = codeOf(session.get(PROP.PHY_CHAN))
    line.end()
    expect(await clock.until(second)).toBe('link.closed')
    expect(await codeOf(session.get(PROP.PHY_CHAN))).toBe('link.closed')
  })

  it('sends no question while it waits for a restart, and all of them afterwards', async () => {
    const { session, clock, ncp, events } = setUp()
    const restarted = session.reset()
    const channel = session.get(PROP.PHY_CHAN)
    expect(ncp.frames).toEqual(['8001'])
    expect(await clock.until(restarted)).toBe(true)
    expect(await clock.until(channel)).toBe(11)
    expect(events.filter(({ kind }) => kind === 'reset')).toHaveLength(0)
  })

  it('gives up waiting for a restart that is not told', async () => {
    const { session, clock, ncp } = setUp()
    ncp.silent = true
    expect(await clock.until(session.reset())).toBe(false)
    expect(clock.monotonicMs()).toBe(4_000)
  })

  it('leaves no timer behind once everything is answered', async () => {
    const { session, clock } = setUp()
    await clock.until(Promise.all([session.get(PROP.PHY_CHAN), session.command(COMMAND.NOOP)]))
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('The bytes of recorded hosts', () => {
  it.each(recordingNames.filter((name) => !/^(raw-|probe)/.test(name)))(
    'are written by the session for the same questions: %s',
    async (name) => {
      const { session, line, clock } = setUp({ withNcp: false })
      const decoder = new HdlcDecoder()
      const ncpDecoder = new HdlcDecoder()
      const expected: string[] = []
      let ours: SpinelSession | undefined
      let nextTid = -1
      for (const { from, bytes, note } of spinelRecording(name)) {
        if (from === 'ncp') {
          line.receive(bytes)
          ncpDecoder.push(bytes)
          continue
        }
        if (note !== '') continue
        for (const frame of decoder.push(bytes)) {
          const { tid } = decodeSpinelFrame(frame)
          const message = readPropertyFrame(decodeSpinelFrame(frame))
          if (tid === 0 || message === undefined || !isHostVerb(message.verb)) continue
          // Where the recorded host left out an id, or had a question open that never was answered, a fresh session goes on from there.
          if (ours === undefined || tid !== nextTid || line.written.length < expected.length) {
            ours?.close()
            ours = new SpinelSession({ line, clock, logger: silentLogger, firstTid: tid })
          }
          void codeOf(ours.ask({ verb: message.verb, property: message.property, value: message.value }, { attempts: 1 }))
          expected.push(toHex(bytes))
          nextTid = (tid % 15) + 1
          await Promise.resolve()
        }
      }
      session.close()
      ours?.close()
      expect(line.written).toEqual(expected)
      if (name !== 'spinel-05-nodes-attach-notifications') expect(ncpDecoder.counters().frames).toBeGreaterThan(0)
    },
  )
})

describe('A bad line', () => {
  it('takes any bytes without failing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 20 }), fc.boolean(), (pieces, framed) => {
        const { line, session } = setUp({ withNcp: false })
        for (const piece of pieces) line.receive(framed ? encodeHdlc(piece) : piece)
        session.close()
      }),
    )
  })

  it('ends every question in its value or a typed failure with 10 % of the frames lost and bits changed', async () => {
    const { session, clock, ncp, line } = setUp()
    const random = seededRandom(3)
    const receive = line.receive.bind(line)
    line.receive = (bytes) => {
      if (typeof bytes === 'string' || random.fraction() < 0.1) return
      const hit = bytes.slice()
      if (random.fraction() < 0.1) hit[random.below(hit.length)] = random.below(256)
      if (random.fraction() < 0.05) receive(hit.subarray(0, random.below(hit.length)))
      else receive(hit)
    }
    const outcomes = await clock.until(
      Promise.all(Array.from({ length: 200 }, () => session.get(PROP.PHY_CHAN).catch((error: unknown) => (error as AppError).code))),
    )
    for (const outcome of outcomes) expect([11, 'link.no-answer']).toContain(outcome)
    expect(outcomes.filter((outcome) => outcome === 11).length).toBeGreaterThan(150)
    expect(session.counters().damagedFrames).toBeGreaterThan(0)
    expect(clock.pendingTimers).toBe(0)
    expect(ncp.asked.length).toBeGreaterThan(200)
  })
})
