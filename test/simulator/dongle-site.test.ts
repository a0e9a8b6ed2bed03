// The demo site through the dongle: the program's serial line, link, IPv6 and CoAP against simulated firmware, radio and devices.
import { spawnSync } from 'node:child_process'
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import { connectDongle, openSerialLine } from '#main/wire/links/index.ts'
import { dongleBench, type DongleBench } from './dongle-harness.ts'
import { MapMemory, text } from './harness.ts'

const GET_DEV = { method: 'GET', path: ['dev'] } as const

describe.each(['spinel', 'slip'] as const)('a %s dongle', (dongle) => {
  it('comes up, and a device answers by unicast with what it is', async () => {
    const bench = dongleBench({ dongle })
    await bench.up()
    expect(bench.channel.local).toEqual({ address: 'fd00::1', port: 5683 })
    const response = await bench.ask(bench.at(0), GET_DEV)
    expect(response).toMatchObject({ code: '2.05', contentFormat: 50 })
    expect(JSON.parse(text(response))).toMatchObject({ eui64: bench.site.plan[0]!.eui64 })
  })

  it.each(['ideal', 'real'] as const)('lets the devices register at the directory behind it over the %s radio', async (radio) => {
    const bench = dongleBench({ dongle, radio, devices: 30, lossPercent: 2 })
    await bench.clock.advance(120_000)
    expect(bench.directory.size).toBe(30)
    expect(bench.directory.find(bench.site.plan[0]!.eui64)?.source).toEqual({ channelId: 'demo', address: bench.at(0) })
  })

  it('carries a group table of several blocks over the real radio, fragment by fragment', async () => {
    const bench = dongleBench({ dongle, radio: 'real', lossPercent: 5 })
    await bench.up()
    const name = 'ü'.repeat(31)
    for (let place = 1; place <= 8; place++) {
      const payload = new TextEncoder().encode(JSON.stringify({ a: `ff35:1030:fd00:aaaa:bbbb:cccc:dddd:111${place}`, p: 65_535 }))
      await bench.ask(bench.at(3), { method: 'PUT', path: ['groups', `${name}${place}`], payload, contentFormat: 50 })
    }
    const list = await bench.ask(bench.at(3), { method: 'GET', path: ['groups'] })
    expect(list.payload.length).toBeGreaterThan(1024)
    expect(JSON.parse(text(list))).toHaveLength(8)
  })

  it('answers a ping of the host, near and far', async () => {
    const bench = dongleBench({ dongle, radio: 'real' })
    await bench.up()
    const reply = await bench.clock.until(bench.host.ping(bench.at(0).address, { timeoutMs: 3000 }))
    expect(reply.from).toBe(bench.at(0).address)
  })

  it('is pulled in the middle of requests and put back: what waits ends typed, and all goes on by itself', async () => {
    const bench = dongleBench({ dongle })
    await bench.up()
    const waiting = bench.endpoint.request(bench.at(0), GET_DEV).then(
      () => 'answered',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    )
    bench.site.unplug()
    expect(String(await bench.clock.until(waiting))).toMatch(/^(network|coap|link)\./)
    expect(bench.link.up).toBe(false)
    bench.site.replug()
    await bench.up()
    expect((await bench.ask(bench.at(0), GET_DEV)).code).toBe('2.05')
  })

  it('is reset, and comes back by itself', async () => {
    const bench = dongleBench({ dongle })
    await bench.up()
    bench.site.resetDongle()
    await bench.clock.advance(20_000)
    await bench.up()
    expect((await bench.ask(bench.at(1), GET_DEV)).code).toBe('2.05')
  })

  it.each([
    ['bit errors', { bitErrorRate: 2e-4 }],
    ['lost chunks', { chunkLossRate: 0.1 }],
    ['frames cut in the middle', { cutRate: 0.1 }],
    ['bytes in small pieces', { mostChunkBytes: 3 }],
  ])('with %s on the line every request ends in an answer or in a typed failure, and a clean line works again', async (_, faults) => {
    const bench = dongleBench({ dongle })
    await bench.up()
    bench.site.setFaults(faults)
    const ends = await endsOf(bench, 40)
    expect(ends.filter((end) => end !== '2.05' && !/^(coap|network|link)\.[a-z-]+$/.test(end))).toEqual([])
    expect(ends.filter((end) => end === '2.05').length).toBeGreaterThan(20)
    bench.site.setFaults({})
    await bench.clock.advance(60_000)
    await bench.up()
    expect((await bench.ask(bench.at(2), GET_DEV)).code).toBe('2.05')
  })
})

async function endsOf(bench: DongleBench, requests: number): Promise<readonly string[]> {
  const ends: string[] = []
  for (let count = 0; count < requests; count++) {
    const asked = bench.endpoint.request(bench.at(count % 12), GET_DEV, { timeoutMs: 60_000 }).then(
      (response) => response.code,
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    )
    ends.push(await bench.clock.until(asked))
  }
  return ends
}

describe('an NCP in the demo site', () => {
  it('brings multicast to all devices, and all answers back over the real radio within their leisure and some retries', async () => {
    const bench = dongleBench({ radio: 'real', devices: 60 })
    await bench.clock.advance(20_000)
    const sources = new Set<string>()
    const gather = async (): Promise<void> => {
      const request = { method: 'GET', path: ['.well-known', 'core'] } as const
      for await (const answer of bench.endpoint.groupRequest({ address: 'ff03::fd', port: 5683 }, request, { deadlineMs: 5000 }))
        sources.add(answer.source.address)
    }
    await bench.clock.until(gather())
    expect(sources.size).toBeGreaterThanOrEqual(57)
  })

  it('a border router carries none, and the link says so', async () => {
    const bench = dongleBench({ dongle: 'slip' })
    await bench.up()
    expect(bench.link.carries).toEqual({ multicast: false, linkLocal: false })
  })
})

describe('the plug', () => {
  it('is behind serialport’s mock binding: listed, opened once at a time, and closed by pulling', async () => {
    const site = createDongleSite({
      devices: 2,
      lossPercent: 0,
      seed: 3,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      memory: new MapMemory(),
    })
    onTestFinished(() => site.close())
    const { path, binding } = site.port
    expect((await binding.list()).map((port) => port.path)).toEqual([path])
    const connection = await connectDongle({ path, binding, clock: systemClock })
    expect(connection.report.firmware).toBe('spinel-ncp')
    await expect(openSerialLine({ path, binding, busyRetries: 0 })).rejects.toMatchObject({ code: 'link.port-busy' })
    const closed = new Promise<void>((resolve) => {
      connection.line.subscribe((event) => {
        if (event.kind === 'closed') resolve()
      })
    })
    site.unplug()
    await closed
    expect(await binding.list()).toEqual([])
    await expect(openSerialLine({ path, binding })).rejects.toMatchObject({ code: 'link.port-missing' })
  })

  it.skipIf(spawnSync('socat', ['-V']).status !== 0)('is behind a pseudo terminal for programs that know no mock', async () => {
    const site = createDongleSite({
      devices: 2,
      lossPercent: 0,
      seed: 3,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      memory: new MapMemory(),
      dongle: 'slip',
    })
    const pty = await site.openPty()
    onTestFinished(async () => {
      await pty.close()
      await site.close()
    })
    const connection = await connectDongle({ path: pty.path, clock: systemClock })
    expect(connection.report.firmware).toBe('slip-router')
    await connection.line.close()
  })
})
