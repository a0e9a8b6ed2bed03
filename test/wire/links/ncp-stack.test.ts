// CoAP over IPv6 over a link with an NCP: recorded habits of OpenThread's devices, and a line that damages frames.
import { describe, expect, it } from 'vitest'
import { AppError, concatBytes, fromHex, seededRandom, silentLogger, utf8 } from '#main/base/index.ts'
import { CoapEndpoint, decodeMessage, encodeMessage } from '#main/wire/coap/index.ts'
import { createIpHost } from '#main/wire/ip/index.ts'
import { NcpLink, PROP, STATUS } from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { ip6Packet, ScriptedNcp } from './scripted-ncp.ts'
import { TestLine } from './support.ts'

const nodes = ['c6ce64b977e973e8', '5ded53d7d5ee95a6', 'c62864bc8aa3440a'].map((iid) => fromHex(`fddead00beefcafe${iid}`)!)
const own = fromHex('fddead00beefcafe6e9d9fcc698de4b5')!
const GROUP = 'ff03::fd'

async function stack() {
  const line = new TestLine()
  const clock = new VirtualClock()
  const ncp = new ScriptedNcp(line, clock)
  ncp.set(PROP.NET_SAVED, true)
  const link = new NcpLink({ line, id: 'dongle:1', clock, logger: silentLogger })
  const random = seededRandom(5)
  const host = createIpHost({ link, clock, random })
  const channel = host.openUdp({ port: 5683 })
  const coap = new CoapEndpoint({ channel, clock, random, logger: silentLogger })
  await clock.until(link.start({ mayReset: true, signal: new AbortController().signal }))
  await clock.advance(8_000)
  return { line, clock, ncp, link, coap, channel }
}

/** UDP with its checksum over the pseudo header (RFC 8200 §8.1). */
function udp(source: Uint8Array, destination: Uint8Array, sourcePort: number, destinationPort: number, payload: Uint8Array): Uint8Array {
  const length = 8 + payload.length
  const ports = Uint8Array.of(sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255, length >> 8, length & 255)
  const covered = concatBytes(
    source,
    destination,
    Uint8Array.of(0, 0, length >> 8, length & 255, 0, 0, 0, 17),
    ports,
    Uint8Array.of(0, 0),
    payload,
  )
  let sum = 0
  for (const [index, byte] of covered.entries()) sum += index % 2 === 0 ? byte * 256 : byte
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  const checksum = ~sum & 0xffff
  return concatBytes(ports, Uint8Array.of(checksum >> 8, checksum & 255), payload)
}

/** Every node answers each request as OpenThread does: in an ACK, even where none is due. */
function answers(ncp: ScriptedNcp, from: readonly Uint8Array[]): (packet: Uint8Array) => number {
  return (packet) => {
    const request = decodeMessage(packet.slice(48))
    if (request.type === 'ACK') return STATUS.OK
    const host = packet.slice(8, 24)
    for (const [index, node] of from.entries()) {
      const reply = encodeMessage({ ...request, type: 'ACK', code: '2.05', options: [], payload: utf8(`hello${index}`) })
      ncp.deliver(ip6Packet(node, host, udp(node, host, 5683, 5683, reply)))
    }
    return STATUS.OK
  }
}

describe('CoAP through an NCP', () => {
  it('collects the answers to a group request that OpenThread’s devices put into ACKs', async () => {
    const { clock, ncp, coap, channel } = await stack()
    channel.joinGroup(GROUP)
    await clock.advance(100)
    expect(ncp.groups).toContain(GROUP)
    ncp.verdict = answers(ncp, nodes)
    const heard: string[] = []
    const collected = (async () => {
      const responses = coap.groupRequest(
        { address: GROUP, port: 5683 },
        { method: 'GET', path: ['test'] },
        { deadlineMs: 5_000, expected: 3 },
      )
      for await (const { payload } of responses) heard.push(new TextDecoder().decode(payload))
    })()
    await clock.until(collected)
    expect(heard.sort()).toEqual(['hello0', 'hello1', 'hello2'])
  })

  it('gets every answer over a line that loses and damages one frame in ten, or ends in a typed failure', async () => {
    const { clock, ncp, coap, line, link } = await stack()
    const random = seededRandom(11)
    ncp.verdict = answers(ncp, nodes.slice(0, 1))
    const receive = line.receive.bind(line)
    line.receive = (bytes) => {
      if (typeof bytes === 'string') return
      const chance = random.fraction()
      const cut = bytes.slice(0, chance < 0.05 ? random.below(bytes.length) : bytes.length)
      if (chance > 0.95) cut[random.below(cut.length)] = random.below(256)
      receive(cut)
    }
    const onWrite = line.onWrite
    line.onWrite = (bytes) => {
      const hit = bytes.slice()
      if (random.fraction() < 0.1) hit[random.below(hit.length)] = random.below(256)
      onWrite(hit)
    }
    const to = { address: 'fdde:ad00:beef:cafe:c6ce:64b9:77e9:73e8', port: 5683 }
    const outcomes: string[] = []
    for (let count = 0; count < 60; count++) {
      const outcome = coap.request(to, { method: 'GET', path: ['test'] }).then(
        ({ code }) => code as string,
        (error: unknown) => (error instanceof AppError ? error.code : 'other'),
      )
      outcomes.push(await clock.until(outcome))
    }
    expect(outcomes.filter((outcome) => outcome === '2.05').length).toBeGreaterThan(50)
    for (const outcome of outcomes) expect(outcome).toMatch(/^2\.05$|^(coap|network|link)\./)
    await clock.advance(3_000)
    expect(link.counters().damagedFrames).toBeGreaterThan(0)
    expect(link.counters().queuedPackets).toBe(0)
    expect(link.up).toBe(true)
  })

  it.each([115_200, 460_800, 1_000_000])('keeps a line of %i baud busy with packets of 1280 bytes', async (baudRate) => {
    const { clock, ncp, line, link } = await stack()
    const onWrite = line.onWrite
    let freeAtMs = 0
    let busyMs = 0
    line.onWrite = (bytes) => {
      const tookMs = (bytes.length * 10_000) / baudRate
      freeAtMs = Math.max(freeAtMs, clock.monotonicMs()) + tookMs
      busyMs += tookMs
      clock.setTimer(freeAtMs - clock.monotonicMs(), () => onWrite(bytes))
    }
    const before = clock.monotonicMs()
    for (let count = 0; count < 60; count++) link.send(ip6Packet(own, nodes[0]!, new Uint8Array(1_240)))
    for (let waited = 0; link.counters().queuedPackets > 0 && waited < 60_000; waited++) await clock.advance(1)
    expect(ncp.packets).toHaveLength(60)
    expect(link.counters()).toMatchObject({ packetsOut: 60, packetsFailed: 0, retries: 0 })
    expect(busyMs / (clock.monotonicMs() - before)).toBeGreaterThan(0.95)
  })
})
