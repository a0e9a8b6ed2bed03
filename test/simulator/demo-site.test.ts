// The demo site against this program's own CoAP endpoint: two stacks that do not know each other (docs/demo-devices.md).
import { describe, expect, it } from 'vitest'
import { isMulticastAddress, seededRandom, type SocketAddress } from '#main/base/index.ts'
import { parseLinkFormat, type ClientRequest, type ClientResponse } from '#main/wire/coap/index.ts'
import { demoBench, json, text, type DemoBench } from './harness.ts'

const GROUP = 'ff35:30:fd00::1:1'

function putGroup(name: string, address = GROUP, port = 5683): ClientRequest {
  return { method: 'PUT', path: ['groups', name], ...json({ a: address, p: port }) }
}

async function collect(bench: DemoBench, to: SocketAddress, request: ClientRequest, deadlineMs = 3000): Promise<readonly ClientResponse[]> {
  const gather = async (): Promise<readonly ClientResponse[]> => {
    const responses: ClientResponse[] = []
    for await (const response of bench.endpoint.groupRequest(to, request, { deadlineMs })) responses.push(response)
    return responses
  }
  return bench.clock.until(gather())
}

const sources = (responses: readonly ClientResponse[]): readonly string[] => responses.map((response) => response.source.address).sort()

describe('a device by unicast', () => {
  it('tells what it is', async () => {
    const bench = demoBench()
    const response = await bench.ask(bench.at(0), { method: 'GET', path: ['dev'] })
    expect(response).toMatchObject({ code: '2.05', contentFormat: 50 })
    const { eui64, serial, model, type, fw } = bench.site.plan[0]!
    expect(JSON.parse(text(response))).toEqual({ eui64, serial, model, type, fw })
  })

  it('describes its resources, and filters them', async () => {
    const bench = demoBench()
    const whole = await bench.ask(bench.at(0), { method: 'GET', path: ['.well-known', 'core'] })
    expect(whole).toMatchObject({ code: '2.05', contentFormat: 40 })
    expect(parseLinkFormat(text(whole)).map((link) => link.href)).toEqual(['/dev', '/groups', '/identify', '/sec', '/state'])
    const filtered = await bench.ask(bench.at(0), { method: 'GET', path: ['.well-known', 'core'], query: ['rt=gw.lum*'] })
    expect(text(filtered)).toBe('</state>;rt="gw.luminaire";ct=50')
  })

  it('adds, replaces, lists and removes groups', async () => {
    const bench = demoBench()
    expect((await bench.ask(bench.at(0), putGroup('2.14-light'))).code).toBe('2.01')
    expect((await bench.ask(bench.at(0), putGroup('2.14-light', 'FF35:0030:FD00::1:2', 6000))).code).toBe('2.04')
    const list = await bench.ask(bench.at(0), { method: 'GET', path: ['groups'] })
    expect(JSON.parse(text(list))).toEqual([{ n: '2.14-light', a: 'ff35:30:fd00::1:2', p: 6000 }])
    const remove: ClientRequest = { method: 'DELETE', path: ['groups', '2.14-light'] }
    expect((await bench.ask(bench.at(0), remove)).code).toBe('2.02')
    expect((await bench.ask(bench.at(0), remove)).code).toBe('2.02')
    expect(bench.site.stateOf(bench.ep(0)).groups).toEqual([])
  })

  it('takes names with slashes, question marks and umlauts as they are', async () => {
    const bench = demoBench()
    const name = 'Büro 2/14 ?&#x'
    expect((await bench.ask(bench.at(0), putGroup(name))).code).toBe('2.01')
    expect(bench.site.stateOf(bench.ep(0)).groups).toEqual([{ n: name, a: GROUP, p: 5683 }])
  })

  it('refuses a ninth group with 4.09', async () => {
    const bench = demoBench()
    for (let place = 1; place <= 8; place++) expect((await bench.ask(bench.at(0), putGroup(`g${place}`))).code).toBe('2.01')
    const ninth = await bench.ask(bench.at(0), putGroup('g9'))
    expect(ninth.code).toBe('4.09')
    expect(text(ninth)).toBe('group table full')
    expect((await bench.ask(bench.at(0), putGroup('g8', 'ff35:30:fd00::1:9'))).code).toBe('2.04')
    expect(bench.site.stateOf(bench.ep(0)).groups).toHaveLength(8)
  })

  it('gives a full group table that needs several blocks', async () => {
    const bench = demoBench()
    const long = 'ü'.repeat(31)
    for (let place = 1; place <= 8; place++)
      await bench.ask(bench.at(0), putGroup(`${long}${place}`, `ff35:1030:fd00:aaaa:bbbb:cccc:dddd:111${place}`, 65_535))
    const list = await bench.ask(bench.at(0), { method: 'GET', path: ['groups'] })
    expect(list.payload.length).toBeGreaterThan(1024)
    expect(JSON.parse(text(list))).toHaveLength(8)
  })

  it.each([
    ['no JSON', new Uint8Array([0x7b, 0xff])],
    ['a unicast address', json({ a: 'fd00::5', p: 5683 }).payload],
    ['no port', json({ a: GROUP }).payload],
    ['a port of 0', json({ a: GROUP, p: 0 }).payload],
    ['an array', json([GROUP, 5683]).payload],
  ])('refuses a group with %s', async (_, payload) => {
    const bench = demoBench()
    expect((await bench.ask(bench.at(0), { method: 'PUT', path: ['groups', 'x'], payload, contentFormat: 50 })).code).toBe('4.00')
    expect(bench.site.stateOf(bench.ep(0)).groups).toEqual([])
  })

  it('changes and reads its state, refuses unknown members, and blinks for 30 seconds', async () => {
    const bench = demoBench()
    const put = async (value: unknown): Promise<string> =>
      (await bench.ask(bench.at(0), { method: 'PUT', path: ['state'], ...json(value) })).code
    expect(await put({ on: true, level: 40 })).toBe('2.04')
    expect(await put({ level: 101 })).toBe('4.00')
    expect(await put({ on: false, colour: 'red' })).toBe('4.00')
    expect(await put({ toggle: true })).toBe('2.04')
    expect(await put({ blink: 3 })).toBe('2.04')
    const read = async (): Promise<unknown> => JSON.parse(text(await bench.ask(bench.at(0), { method: 'GET', path: ['state'] })))
    expect(await read()).toEqual({ on: false, level: 40, blinking: true })
    await bench.clock.advance(30_000)
    expect(await read()).toEqual({ on: false, level: 40, blinking: false })
  })

  it('toggles once, however often the request is repeated', async () => {
    const bench = demoBench()
    // Version 1, CON, no token, PUT, Message ID 0x1234, Uri-Path "state", then the payload.
    const request = new Uint8Array([0x40, 0x03, 0x12, 0x34, 0xb5, ...Buffer.from('state'), 0xff, ...Buffer.from('{"toggle":true}')])
    for (let copy = 0; copy < 3; copy++) {
      bench.site.channel.send(request, bench.at(0))
      await bench.clock.advance(500)
    }
    expect(bench.site.stateOf(bench.ep(0)).state.on).toBe(true)
  })

  it('shows itself', async () => {
    const bench = demoBench()
    const identify = (seconds: string): ClientRequest => ({ method: 'PUT', path: ['identify'], payload: new TextEncoder().encode(seconds) })
    expect((await bench.ask(bench.at(0), identify('10'))).code).toBe('2.04')
    expect(bench.site.stateOf(bench.ep(0)).identifying).toBe(true)
    await bench.clock.advance(10_000)
    expect(bench.site.stateOf(bench.ep(0)).identifying).toBe(false)
    expect((await bench.ask(bench.at(0), identify('soon'))).code).toBe('4.00')
  })

  it.each([
    ['GET', ['nothing'], '4.04'],
    ['POST', ['dev'], '4.05'],
    ['DELETE', ['state'], '4.05'],
    ['PUT', ['gp', 'no-such-group', 'state'], '4.04'],
    ['GET', [], '4.04'],
  ] as const)('answers %s %j with %s', async (method, path, code) => {
    const bench = demoBench()
    expect((await bench.ask(bench.at(0), { method, path })).code).toBe(code)
  })
})

describe('devices by multicast', () => {
  it.each(['ff02::fd', 'ff03::fd', 'ff05::fd'])('all answer discovery at %s', async (address) => {
    const bench = demoBench()
    const responses = await collect(bench, { address, port: 5683 }, { method: 'GET', path: ['.well-known', 'core'] })
    expect(sources(responses)).toEqual(Array.from({ length: 12 }, (_, index) => bench.at(index).address).sort())
    expect(responses.every((response) => response.code === '2.05' && text(response).includes('gw.device'))).toBe(true)
    // The leisure is one second, the radio takes 40 ms at most, each way.
    expect(Math.max(...responses.map((response) => response.elapsedMs))).toBeLessThanOrEqual(1080)
    expect(Math.max(...responses.map((response) => response.elapsedMs))).toBeGreaterThan(200)
  })

  it('only those answer discovery that have what is looked for', async () => {
    const bench = demoBench()
    const request: ClientRequest = { method: 'GET', path: ['.well-known', 'core'], query: ['rt=gw.thermostat'] }
    const wanted = bench.site.plan.flatMap((device, index) => (device.type === 'thermostat' ? [bench.at(index).address] : []))
    expect(wanted.length).toBeGreaterThan(0)
    expect(sources(await collect(bench, { address: 'ff03::fd', port: 5683 }, request))).toEqual(wanted.sort())
  })

  it('members answer a group request, all others are silent', async () => {
    const bench = demoBench()
    for (const index of [0, 1, 2]) await bench.ask(bench.at(index), putGroup('room'))
    await bench.ask(bench.at(3), putGroup('other'))
    const responses = await collect(
      bench,
      { address: GROUP, port: 5683 },
      { method: 'PUT', path: ['gp', 'room', 'state'], ...json({ on: true }) },
    )
    expect(sources(responses)).toEqual([0, 1, 2].map((index) => bench.at(index).address).sort())
    expect(responses.every((response) => response.code === '2.04')).toBe(true)
    expect([0, 1, 2, 3].map((index) => bench.site.stateOf(bench.ep(index)).state.on)).toEqual([true, true, true, false])
  })

  it('group requests that would be answered with an error are ignored silently', async () => {
    const bench = demoBench()
    await bench.ask(bench.at(0), putGroup('room'))
    const to = { address: GROUP, port: 5683 }
    expect(await collect(bench, to, { method: 'PUT', path: ['gp', 'room', 'state'], ...json({ colour: 1 }) })).toEqual([])
    expect(await collect(bench, to, { method: 'GET', path: ['gp', 'room', 'state'] })).toEqual([])
    expect(await collect(bench, to, { method: 'PUT', path: ['state'], ...json({ on: true }) })).toEqual([])
    expect(await collect(bench, to, { method: 'DELETE', path: ['groups', 'room'] })).toEqual([])
    expect(bench.site.stateOf(bench.ep(0)).groups).toHaveLength(1)
  })

  it('a device listens to the address and port in its table, and to no other', async () => {
    const bench = demoBench()
    await bench.ask(bench.at(0), putGroup('room', GROUP, 6000))
    const on: ClientRequest = { method: 'PUT', path: ['gp', 'room', 'state'], ...json({ on: true }) }
    expect(await collect(bench, { address: GROUP, port: 5683 }, on)).toEqual([])
    expect(await collect(bench, { address: GROUP, port: 6000 }, on)).toHaveLength(1)
    await bench.ask(bench.at(0), { method: 'DELETE', path: ['groups', 'room'] })
    expect(await collect(bench, { address: GROUP, port: 6000 }, on)).toEqual([])
  })

  it('a loss of 100 % leaves nobody, one of 30 % some', async () => {
    const bench = demoBench({ devices: 200 })
    const request: ClientRequest = { method: 'GET', path: ['.well-known', 'core'] }
    bench.site.setLoss(30)
    const some = await collect(bench, { address: 'ff03::fd', port: 5683 }, request)
    // 49 % of 200 come through both ways; the seed is fixed.
    expect(some.length).toBeGreaterThan(70)
    expect(some.length).toBeLessThan(130)
    bench.site.setLoss(100)
    expect(await collect(bench, { address: 'ff03::fd', port: 5683 }, request)).toEqual([])
  })
})

describe('power', () => {
  it('the group table and the state survive a power cut, blinking does not', async () => {
    const bench = demoBench()
    await bench.ask(bench.at(0), putGroup('room'))
    await bench.ask(bench.at(0), { method: 'PUT', path: ['state'], ...json({ on: true, blink: 5 }) })
    bench.site.powerOff(bench.ep(0))
    await expect(bench.ask(bench.at(0), { method: 'GET', path: ['dev'] }, { timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'coap.timeout',
    })
    const on: ClientRequest = { method: 'PUT', path: ['gp', 'room', 'state'], ...json({ on: false }) }
    expect(await collect(bench, { address: GROUP, port: 5683 }, on)).toEqual([])
    bench.site.powerOn(bench.ep(0))
    expect(bench.site.stateOf(bench.ep(0))).toMatchObject({
      groups: [{ n: 'room', a: GROUP, p: 5683 }],
      state: { on: true, blinking: false },
    })
    expect(await collect(bench, { address: GROUP, port: 5683 }, on)).toHaveLength(1)
  })

  it('what a device confirms is written before the confirmation arrives; a write that fails harms nobody', async () => {
    const bench = demoBench()
    const confirmed = bench.endpoint.request(bench.at(0), putGroup('room')).then(() => bench.memory.texts.get(bench.ep(0)))
    expect(await bench.clock.until(confirmed)).toContain('room')
    bench.memory.broken = true
    expect((await bench.ask(bench.at(0), putGroup('other'))).code).toBe('2.01')
    expect((await bench.ask(bench.at(0), { method: 'GET', path: ['dev'] })).code).toBe('2.05')
  })

  it('a new simulator takes up what the memory holds, and forgets what it cannot read', async () => {
    const first = demoBench()
    await first.ask(first.at(0), putGroup('room'))
    first.memory.texts.set(first.ep(1), '{"groups":[["x"],7,["y","ff35::1",5683]],"state":{"on":"maybe"}}')
    first.memory.texts.set(first.ep(2), '\u0000')
    const second = demoBench({ memory: first.memory })
    expect(second.site.stateOf(second.ep(0)).groups).toEqual([{ n: 'room', a: GROUP, p: 5683 }])
    expect(second.site.stateOf(second.ep(1))).toMatchObject({
      groups: [{ n: 'y', a: 'ff35::1', p: 5683 }],
      state: { on: false, level: 100 },
    })
    expect(second.site.stateOf(second.ep(2)).groups).toEqual([])
  })
})

describe('registration', () => {
  it('all devices register some seconds after power-up, and renew in time', async () => {
    const bench = demoBench()
    await bench.clock.advance(900)
    expect(bench.directory.size).toBe(0)
    await bench.clock.advance(3000)
    expect(bench.directory.size).toBe(12)
    expect(bench.site.registered).toBe(12)
    const planned = bench.site.plan[0]!
    expect(bench.directory.find(planned.eui64)).toMatchObject({
      base: `coap://[${bench.at(0).address}]`,
      attributes: [{ name: 'et', value: `gw.${planned.type}` }],
      source: { channelId: 'demo', address: bench.at(0) },
    })
    await bench.clock.advance(4 * 3600_000)
    expect(bench.directory.size).toBe(12)
  })

  it('a device whose registration was removed registers anew at its next renewal', async () => {
    const bench = demoBench({ devices: 1 })
    await bench.clock.advance(4000)
    const first = bench.directory.find(bench.ep(0))
    bench.directory.remove(first?.id ?? '')
    await bench.clock.advance(3600_000)
    expect(bench.directory.find(bench.ep(0))?.id).not.toBe(first?.id)
    expect(bench.directory.size).toBe(1)
  })

  it('registers in spite of a lossy radio', async () => {
    const bench = demoBench({ devices: 40, lossPercent: 30 })
    await bench.clock.advance(300_000)
    expect(bench.directory.size).toBe(40)
  })

  it('a device without power is not renewed', async () => {
    const bench = demoBench({ devices: 3 })
    await bench.clock.advance(4000)
    bench.site.powerOff(bench.ep(1))
    await bench.clock.advance(3601_000)
    expect(bench.directory.find(bench.ep(1))).toBeUndefined()
    expect(bench.directory.size).toBe(2)
  })
})

describe('hostile datagrams', () => {
  it('none ends the process or stops a device', async () => {
    const bench = demoBench({ devices: 2 })
    const random = seededRandom(99)
    const long = new Uint8Array(1162).fill(0x61)
    long.set([0x4e, 0x01, 0x00, 0x01, 0x03, 0x71])
    const nasty: Uint8Array[] = [
      new Uint8Array(0),
      new Uint8Array([0x40]),
      long,
      // Observe and a confirmable request that nobody acknowledges.
      new Uint8Array([0x41, 0x01, 0x00, 0x02, 0x07, 0x60, 0x53, 0x64, 0x65, 0x76]),
      // Block1, out of order and with an illegal size.
      new Uint8Array([0x41, 0x03, 0x00, 0x03, 0x08, 0xb5, 0x73, 0x74, 0x61, 0x74, 0x65, 0xd1, 0x03, 0x17, 0xff, 0x7b]),
      new Uint8Array([0x41, 0x03, 0x00, 0x04, 0x09, 0xb5, 0x73, 0x74, 0x61, 0x74, 0x65, 0xd1, 0x03, 0x56, 0xff, 0x7b]),
      // Unknown methods, a response nobody asked for, a reset, a ping.
      new Uint8Array([0x40, 0x1f, 0x00, 0x05]),
      new Uint8Array([0x40, 0x45, 0x00, 0x06, 0xff, 0x31]),
      new Uint8Array([0x70, 0x00, 0x00, 0x07]),
      new Uint8Array([0x40, 0x00, 0x00, 0x08]),
    ]
    for (let index = 0; index < 3000; index++) {
      const bytes = random.bytes(random.below(80))
      if (bytes.length > 0 && random.below(4) > 0) bytes[0] = 0x40 | random.below(0x40)
      if (bytes.length > 1 && random.below(4) > 0) bytes[1] = random.below(8)
      nasty.push(bytes)
    }
    for (const [index, bytes] of nasty.entries()) {
      bench.site.channel.send(bytes, index % 3 === 0 ? { address: 'ff03::fd', port: 5683 } : bench.at(index % 2))
      if (index % 100 === 0) await bench.clock.advance(100)
    }
    await bench.clock.advance(300_000)
    for (const index of [0, 1]) expect((await bench.ask(bench.at(index), { method: 'GET', path: ['dev'] })).code).toBe('2.05')
  })

  it('a ping is answered with a reset', async () => {
    const bench = demoBench({ devices: 1 })
    const heard: string[] = []
    bench.site.channel.subscribe((event) => {
      if (event.kind === 'datagram' && !isMulticastAddress(event.datagram.source.address))
        heard.push(Buffer.from(event.datagram.payload).toString('hex'))
    })
    bench.site.channel.send(new Uint8Array([0x40, 0x00, 0x12, 0x34]), bench.at(0))
    await bench.clock.advance(200)
    expect(heard).toContain('70001234')
  })
})

describe('the channel', () => {
  it('reports what is too large for the radio, and is silent to unknown addresses', async () => {
    const bench = demoBench({ devices: 1 })
    const failures: string[] = []
    bench.site.channel.subscribe((event) => {
      if (event.kind === 'send-failed') failures.push(event.to.address)
    })
    bench.site.channel.send(new Uint8Array(1233), bench.at(0))
    bench.site.channel.send(new Uint8Array(10), { address: 'fd00::dead', port: 5683 })
    await bench.clock.advance(100)
    expect(failures).toEqual([bench.at(0).address])
    expect(bench.site.channel.counters()).toMatchObject({ sent: 1, sendErrors: 1 })
  })
})

describe('a large site', () => {
  it('1000 devices start and register', async () => {
    const bench = demoBench({ devices: 1000 })
    await bench.clock.advance(5000)
    expect(bench.directory.size).toBe(1000)
  })
})
