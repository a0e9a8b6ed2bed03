import { describe, expect, it } from 'vitest'
import { AppError, delay, toHex, type Logger } from '#main/base/index.ts'
import { encodeSlipFrame, SlipRouterLink, type PacketLinkEvent, type SlipLinkOptions } from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, recording, RouterDouble, TestLine, udpPacket } from './support.ts'

interface Bench {
  readonly clock: VirtualClock
  readonly line: TestLine
  readonly router: RouterDouble
  readonly link: SlipRouterLink
  readonly events: PacketLinkEvent[]
  readonly texts: string[]
}

function bench(router = new RouterDouble(), options: Partial<SlipLinkOptions> = {}): Bench {
  const clock = new VirtualClock()
  const line = new TestLine()
  const texts: string[] = []
  const logger: Logger = {
    debug: (fields) => void texts.push(String(fields.text)),
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    child: () => logger,
  }
  const link = new SlipRouterLink({ line, id: 'dongle:1', clock, logger, ...options })
  const events: PacketLinkEvent[] = []
  link.subscribe((event) => events.push(event))
  line.onWrite = (bytes) => router.received(bytes)
  router.opened((bytes) => line.receive(bytes))
  return { clock, line, router, link, events, texts }
}

const start = { mayReset: true, signal: new AbortController().signal }

async function started(router?: RouterDouble, options?: Partial<SlipLinkOptions>): Promise<Bench> {
  const all = bench(router, options)
  await all.clock.until(all.link.start(start))
  // The last echo's own share of the pacing.
  await all.clock.advance(20)
  return all
}

function failures(events: readonly PacketLinkEvent[]): readonly string[] {
  return events.flatMap((event) => (event.kind === 'send-failed' ? [event.error.code] : []))
}

describe('a SLIP border router: the handshake', () => {
  it('asks ?M, answers ?P with the prefix, and is up when the router answers under it', async () => {
    const { line, link, events } = await started()
    expect(line.written[0]).toBe('c03f4dc0')
    expect(line.written).toContain('c02150fd00000000000000c0')
    expect(link.up).toBe(true)
    expect(link.addresses).toEqual([{ address: 'fd00::1', prefixLength: 64, origin: 'assigned' }])
    expect(events.map((event) => event.kind)).toEqual(['up', 'addresses'])
    expect(link.status()).toMatchObject({ eui64: '00124b0000000001', prefix: 'fd00::/64', routerAddress: 'fd00::212:4b00:0:1' })
    expect(link.carries).toEqual({ multicast: false, linkLocal: false })
    expect(link.counters().roundTripMs?.latest).toBe(0)
  })

  it('escapes the bytes of a prefix', async () => {
    const { line } = await started(undefined, { prefix: 'fdc0:dbc0::/64' })
    expect(line.written).toContain('c02150fddbdcdbdddbdc00000000c0')
  })

  it('takes a router that has our prefix already', async () => {
    const { line, link } = await started(new RouterDouble('00124b0000000001', bytesOf('fd00000000000000')))
    expect(link.up).toBe(true)
    expect(line.written.filter((hex) => hex.startsWith('c02150'))).toEqual([])
  })

  it('refuses a router that keeps another prefix', async () => {
    const { clock, link } = bench(new RouterDouble('00124b0000000001', bytesOf('fd00000000000009')))
    await expect(clock.until(link.start(start))).rejects.toMatchObject({ code: 'link.prefix-differs', retryable: false })
    expect(link.up).toBe(false)
  })

  it('refuses a slip-radio, which answers !M with eight raw bytes', async () => {
    const { clock, line, link } = bench()
    line.onWrite = (bytes) => {
      if (toHex(bytes) === 'c03f4dc0') line.receive('c0214d00124b0000000001c0')
    }
    await expect(clock.until(link.start(start))).rejects.toMatchObject({ code: 'link.wrong-firmware', details: { reason: 'slip-radio' } })
  })

  it('asks three times and gives up on silence', async () => {
    const { clock, line, link, router } = bench(new RouterDouble('00124b0000000001', bytesOf('fd00000000000000')))
    router.silent = true
    await expect(clock.until(link.start(start))).rejects.toMatchObject({ code: 'link.no-answer', retryable: true })
    expect(line.written).toEqual(['c03f4dc0', 'c03f4dc0', 'c03f4dc0'])
    expect(clock.monotonicMs()).toBe(3_000)
  })

  it.each(['slip-01-boot-prefix-request', 'slip-07-boot-muxed-debug-lines'])(
    'gives the recorded router (%s) the recorded answer',
    async (name) => {
      const clock = new VirtualClock()
      const line = new TestLine()
      const link = new SlipRouterLink({ line, id: 'dongle:1', clock })
      void link.start(start).catch(() => undefined)
      const sent: string[] = []
      for (const { t, dir, hex } of recording(name)) {
        await clock.advance(t - clock.monotonicMs())
        if (dir === 'dongle>host') line.receive(hex)
        if (dir === 'host>dongle') sent.push(hex)
      }
      expect(sent).toEqual(['c02150fd00000000000000c0'])
      expect(line.written.find((hex) => hex.startsWith('c021'))).toBe(sent[0])
      expect(link.status().lastText).toBe('[INFO: BR        ]   fe80::212:4b00:0:1')
      expect(link.counters().damagedFrames).toBe(0)
    },
  )

  it('reads the recorded answer to ?M', async () => {
    const { clock, line, link } = bench()
    const answers = recording('slip-02-mac-request')
    line.onWrite = (bytes) => {
      const at = answers.findIndex((entry) => entry.dir === 'host>dongle' && entry.hex === toHex(bytes))
      const next = answers[at + 1]
      if (at >= 0 && next?.dir === 'dongle>host') line.receive(next.hex)
    }
    const starting = link.start(start)
    starting.catch(() => undefined)
    await clock.advance(1)
    expect(link.status().eui64).toBe('00124b0000000001')
    await link.stop()
  })
})

describe('a SLIP border router: packets', () => {
  it('carries the recorded packets byte for byte, both ways', async () => {
    const { clock, line, link, events } = await started()
    const packets = recording('slip-03-ping-and-coap').filter((entry) => entry.hex.startsWith('c06'))
    line.onWrite = () => undefined
    for (const { dir, hex } of packets) {
      if (dir === 'dongle>host') {
        line.receive(hex)
        continue
      }
      line.written.length = 0
      link.send(unescape(bytesOf(hex)))
      await clock.advance(10)
      expect(line.written).toEqual([hex])
    }
    const received = events.flatMap((event) => (event.kind === 'packet' ? [toHex(encodeSlipFrame(event.packet))] : []))
    expect(received).toEqual(packets.filter((entry) => entry.dir === 'dongle>host').map((entry) => entry.hex))
    expect(received.length).toBeGreaterThan(5)
  })

  it('sends what the real router took and refuses what was too large for it (1296 bytes after escaping)', async () => {
    const { clock, line, link, events } = await started()
    const toRouter = recording('slip-08-sizes').filter((entry) => entry.note.startsWith('echo to BR'))
    expect(toRouter.length).toBeGreaterThan(5)
    for (const { hex, note } of recording('slip-08-sizes')) {
      if (!note.startsWith('echo to BR')) continue
      events.length = 0
      line.written.length = 0
      const frame = bytesOf(hex)
      const escapedBytes = frame.length - 2
      link.send(unescape(frame))
      await clock.advance(10)
      expect(line.written, note).toEqual(escapedBytes <= 1294 ? [hex] : [])
      expect(failures(events), note).toEqual(escapedBytes <= 1294 ? [] : ['link.too-large'])
    }
    link.send(udpPacket(1281, 0))
    expect(failures(events)).toContain('link.too-large')
  })

  it('starts frames 10 ms apart and one after the other', async () => {
    const { clock, line, link, router } = await started()
    const times: number[] = []
    line.onWrite = (bytes) => {
      times.push(clock.monotonicMs())
      router.received(bytes)
    }
    await clock.advance(100)
    const beginMs = clock.monotonicMs()
    for (let index = 0; index < 4; index++) link.send(udpPacket(60, index))
    expect(link.counters().queuedPackets).toBe(3)
    await clock.advance(100)
    expect(times.map((time) => time - beginMs)).toEqual([0, 10, 20, 30])
    expect(router.packets.map((packet) => packet[50])).toEqual([0, 1, 2, 3])
  })

  it('waits until a slow line has taken a frame, and no longer', async () => {
    const { clock, line, link } = await started()
    await clock.advance(100)
    const times: number[] = []
    line.onWrite = () => void times.push(clock.monotonicMs())
    line.drain = () => new Promise((resolve) => void clock.setTimer(111, resolve))
    const beginMs = clock.monotonicMs()
    for (let index = 0; index < 3; index++) link.send(udpPacket(1280, index))
    await clock.advance(400)
    expect(times.map((time) => time - beginMs)).toEqual([0, 111, 222])
  })

  it('keeps a line busy whose system tells late what has left: long frames follow one another at its speed', async () => {
    const { clock, line, link } = await started(undefined, { baudRate: 115_200 })
    await clock.advance(500)
    const times: number[] = []
    const wireMs = (1282 * 10_000) / 115_200
    let freeMs = 0
    line.onWrite = () => {
      times.push(clock.monotonicMs())
      freeMs = Math.max(freeMs, clock.monotonicMs()) + wireMs
    }
    line.drain = async () => {
      while (clock.monotonicMs() < freeMs + 20) await delay(clock, freeMs + 20 - clock.monotonicMs())
    }
    const beginMs = clock.monotonicMs()
    for (let index = 0; index < 10; index++) link.send(udpPacket(1280, 0x41))
    await clock.advance(2_000)
    const gaps = times.map((time, index) => time - beginMs - index * wireMs)
    // Each is handed over 8 ms before the one before it has left, never later than that.
    expect(gaps.slice(1).every((gap) => gap <= -7.9 && gap >= -8.1)).toBe(true)
    expect(times.length).toBe(10)
  })

  it('does not take a fast native USB for as slow as its nominal speed', async () => {
    const { clock, line, link } = await started(undefined, { baudRate: 115_200 })
    await clock.advance(500)
    const times: number[] = []
    line.onWrite = () => void times.push(clock.monotonicMs())
    line.drain = () => new Promise((resolve) => void clock.setTimer(1, resolve))
    const beginMs = clock.monotonicMs()
    for (let index = 0; index < 4; index++) link.send(udpPacket(1280, 0x41))
    await clock.advance(500)
    expect(times.map((time) => time - beginMs)).toEqual([0, 10, 20, 30])
  })

  it('holds so many packets and tells of each one more', async () => {
    const { clock, link, events } = await started(undefined, { mostQueued: 4 })
    await clock.advance(100)
    for (let index = 0; index < 10; index++) link.send(udpPacket(60, index))
    expect(failures(events)).toEqual(Array.from({ length: 5 }, () => 'link.queue-full'))
    expect(link.counters().packetsFailed).toBe(5)
  })

  it('refuses multicast and link-local destinations, which stock firmware drops in silence', async () => {
    const { link, events, line } = await started()
    line.written.length = 0
    link.send(udpPacket(60, 0, 'ff0300000000000000000000000000fd'))
    link.send(udpPacket(60, 0, 'fe8000000000000002124b0000000002'))
    expect(failures(events)).toEqual(['link.not-carried', 'link.not-carried'])
    expect(line.written).toEqual([])
  })

  it('keeps its own echoes from the rooms above', async () => {
    const { events } = await started()
    expect(events.filter((event) => event.kind === 'packet')).toEqual([])
  })
})

describe('a SLIP border router: its life', () => {
  it('goes down and up again when the router has restarted, with the prefix given anew', async () => {
    const { clock, line, link, router, events } = await started()
    line.written.length = 0
    events.length = 0
    router.restart()
    await clock.advance(1_000)
    expect(line.written[0]).toBe('c02150fd00000000000000c0')
    expect(events.map((event) => event.kind)).toEqual(['down', 'addresses', 'up', 'addresses'])
    expect(link.up).toBe(true)
  })

  it('asks an idle router every 30 s whether it is there, and tells after three silent ones', async () => {
    const { clock, line, link, router, events } = await started()
    line.written.length = 0
    await clock.advance(65_000)
    expect(line.written).toEqual(['c03f4dc0', 'c03f4dc0'])
    router.silent = true
    events.length = 0
    await clock.advance(40_000)
    expect(link.up).toBe(false)
    const down = events.find((event) => event.kind === 'down')
    expect(down?.kind === 'down' && down.error?.code).toBe('link.no-answer')
    await clock.advance(100_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('tells what waits as failed when the line ends, and leaves no timer behind', async () => {
    const { clock, line, link, events } = await started()
    for (let index = 0; index < 3; index++) link.send(udpPacket(60, index))
    const gone = new AppError('link.closed', 'gone')
    line.end(gone)
    expect(events.filter((event) => event.kind === 'send-failed').length).toBe(2)
    link.send(udpPacket(60, 9))
    expect(failures(events).at(-1)).toBe('network.down')
    await link.stop()
    await clock.advance(2_000)
    expect(clock.pendingTimers).toBe(0)
  })
})

function unescape(frame: Uint8Array): Uint8Array {
  const bytes: number[] = []
  for (let at = 1; at < frame.length - 1; at++) {
    if (frame[at] === 0xdb) bytes.push(frame[++at] === 0xdc ? 0xc0 : 0xdb)
    else bytes.push(frame[at] ?? 0)
  }
  return Uint8Array.from(bytes)
}
