// What an installer does to dongles, and what cables do: two at once, unplugged in the middle of a transfer, bad lines for long, and
// lines on which nothing happens.
import { spawnSync } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock, systemRandom, type Clock, type SocketAddress } from '#main/base/index.ts'
import { createDongleSite, type SerialFaults } from '#main/simulator/index.ts'
import { CoapEndpoint, type ClientResponse } from '#main/wire/coap/index.ts'
import { createIpHost } from '#main/wire/ip/index.ts'
import { DongleLink, driverFor, openSerialLine, PortWatch } from '#main/wire/links/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { dongleBench, type DongleBench } from './dongle-harness.ts'
import { MapMemory, text } from './harness.ts'

const GET_DEV = { method: 'GET', path: ['dev'] } as const
const TYPED = /^(coap|network|link)\.[a-z-]+$/

function endOf(asked: Promise<ClientResponse>): Promise<string> {
  return asked.then(
    ({ code }) => code,
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  )
}

/** Gives a device a group table of more than one block. */
async function fillTable(bench: DongleBench, at: SocketAddress): Promise<void> {
  for (let place = 1; place <= 8; place++) {
    const payload = new TextEncoder().encode(JSON.stringify({ a: `ff35:1030:fd00:aaaa:bbbb:cccc:dddd:111${place}`, p: 65_535 }))
    await bench.ask(at, { method: 'PUT', path: ['groups', `${'ü'.repeat(31)}${place}`], payload, contentFormat: 50 })
  }
}

describe('two dongles at once', () => {
  it('work side by side, and pulling one leaves the other alone', async () => {
    const clock = new VirtualClock()
    const one = dongleBench({ seed: 1 }, { clock })
    const other = dongleBench({ seed: 2, dongle: 'slip' }, { clock })
    await one.up()
    await other.up()
    const ends = await Promise.all([one.ask(one.at(0), GET_DEV), other.ask(other.at(0), GET_DEV)])
    expect(ends.map((end) => (JSON.parse(text(end)) as { eui64: string }).eui64)).toEqual([
      one.site.plan[0]?.eui64,
      other.site.plan[0]?.eui64,
    ])
    one.site.unplug()
    await clock.advance(1000)
    expect([one.link.up, other.link.up]).toEqual([false, true])
    expect((await other.ask(other.at(1), GET_DEV)).code).toBe('2.05')
    one.site.replug()
    await one.up()
    expect((await one.ask(one.at(1), GET_DEV)).code).toBe('2.05')
  })
})

describe.each(['spinel', 'slip'] as const)('a %s dongle', (dongle) => {
  it('that is pulled in the middle of a block-wise transfer and put back costs time, and no byte (RFC 7959 §2.4)', async () => {
    const bench = dongleBench({ dongle, radio: 'real' }, { pauseMs: 30_000 })
    await bench.up()
    await fillTable(bench, bench.at(3))
    const whole = await bench.ask(bench.at(3), { method: 'GET', path: ['groups'] })
    const before = bench.link.counters().packetsIn
    const asked = bench.endpoint.request(bench.at(3), { method: 'GET', path: ['groups'] }, { blockBytes: 64 })
    while (bench.link.counters().packetsIn < before + 5) await bench.clock.advance(5)
    bench.site.unplug()
    await bench.clock.advance(4000)
    expect(bench.link.up).toBe(false)
    bench.site.replug()
    expect(text(await bench.clock.until(asked))).toBe(text(whole))
    expect(bench.link.counters().losses).toBe(1)
  })

  it.each<[string, SerialFaults]>([
    ['bit errors', { bitErrorRate: 2e-4 }],
    ['10 % of the chunks lost', { chunkLossRate: 0.1 }],
    ['frames cut in the middle', { cutRate: 0.1 }],
  ])('with %s for long holds nothing more than before', async (_, faults) => {
    const bench = dongleBench({ dongle }, { pauseMs: 30_000 })
    await bench.up()
    bench.site.setFaults(faults)
    const ends: string[] = []
    for (let round = 0; round < 25; round++) {
      const asked = Array.from({ length: 12 }, (__, index) => endOf(bench.endpoint.request(bench.at(index), GET_DEV)))
      ends.push(...(await bench.clock.until(Promise.all(asked))))
    }
    expect(ends.filter((end) => end !== '2.05' && !TYPED.test(end))).toEqual([])
    expect(ends.filter((end) => end === '2.05').length).toBeGreaterThan(150)
    bench.site.setFaults({})
    await bench.clock.advance(400_000)
    await bench.up()
    expect(bench.link.counters().queuedPackets).toBe(0)
    expect(bench.clock.pendingTimers).toBeLessThan(80)
    expect((await bench.ask(bench.at(2), GET_DEV)).code).toBe('2.05')
  })

  it('on which nothing happens wakes the program less than once a second, and writes hardly anything', async () => {
    let wakeups = 0
    const seenBy = (clock: VirtualClock): Clock => ({
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) =>
        clock.setTimer(delayMs, () => {
          wakeups++
          callback()
        }),
    })
    const bench = dongleBench({ dongle, devices: 1 }, { seenBy })
    await bench.up()
    await bench.clock.advance(600_000)
    const bytesBefore = bench.link.counters().bytesOut
    wakeups = 0
    await bench.clock.advance(60_000)
    expect(wakeups).toBeLessThan(60)
    expect(bench.link.counters().bytesOut - bytesBefore).toBeLessThan(2000)
  })
})

describe.skipIf(spawnSync('socat', ['-V']).status !== 0)('a dongle behind a pseudo terminal of socat’s', () => {
  it.each<['spinel' | 'slip', SerialFaults]>([
    ['spinel', { bitErrorRate: 5e-5, chunkLossRate: 0.02 }],
    ['slip', { cutRate: 0.02, mostChunkBytes: 7 }],
  ])(
    'with faults on the line: every exchange over %s ends in a result or a typed failure',
    async (dongle, faults) => {
      const ports = { clock: systemClock, random: seededRandom(1), logger: silentLogger }
      const site = createDongleSite({ devices: 12, lossPercent: 0, seed: 3, memory: new MapMemory(), dongle, ...ports })
      const pty = await site.openPty()
      const link = new DongleLink({
        id: 'pty',
        target: { path: pty.path },
        createDriver: driverFor(),
        watch: new PortWatch({ clock: systemClock }),
        ...ports,
      })
      const host = createIpHost({ link, ...ports, pauseMs: 30_000 })
      const endpoint = new CoapEndpoint({ ...ports, channel: host.openUdp({ port: 5683 }), random: systemRandom })
      onTestFinished(async () => {
        endpoint.close()
        await host.close()
        await link.close()
        await pty.close()
        await site.close()
      })
      const up = new Promise<void>((resolve) => link.onState(({ kind }) => (kind === 'up' ? resolve() : undefined)))
      site.start()
      link.open()
      await up
      site.setFaults(faults)
      const asked = site.plan.flatMap(({ eui64 }) => {
        const to = site.stateOf(eui64).address
        return [1, 2].map(() => endOf(endpoint.request(to, GET_DEV, { timeoutMs: 20_000 })))
      })
      const ends = await Promise.all(asked)
      expect(ends.filter((end) => end !== '2.05' && !TYPED.test(end))).toEqual([])
      expect(ends.filter((end) => end === '2.05').length).toBeGreaterThan(12)
    },
    60_000,
  )
})

describe.skipIf(spawnSync('socat', ['-V']).status !== 0)('a port', () => {
  it('that is closed while bytes keep coming ends in order, again and again', async () => {
    const ports = { clock: systemClock, random: seededRandom(1), logger: silentLogger }
    const site = createDongleSite({ devices: 1, lossPercent: 0, seed: 3, memory: new MapMemory(), dongle: 'slip', ...ports })
    const pty = await site.openPty()
    onTestFinished(async () => {
      await pty.close()
      await site.close()
    })
    for (let round = 0; round < 30; round++) {
      const line = await openSerialLine({ path: pty.path })
      const came = new Promise<void>((resolve) => line.subscribe(({ kind }) => (kind === 'bytes' ? resolve() : undefined)))
      // Questions whose answers come while the port closes.
      for (let question = 0; question < 50; question++) line.write(Uint8Array.of(0xc0, 0x3f, 0x4d, 0xc0))
      await came
      await line.close()
    }
  }, 30_000)
})
