// kill -9 under 2000 registrations a second: every acknowledged registration is there when the directory starts again (RFC 9176 §5).
import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock, systemRandom, utf8, utf8ToText } from '#main/base/index.ts'
import {
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  linkAttribute,
  locationOf,
  OptionNumber,
  parseLinkFormat,
  stringOption,
  uintOption,
} from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { temporaryFolder } from '../support/site-file.ts'

const KILLS = 5
const RATE = 2000
/** They are sent in portions, as timers are no finer. */
const PORTION_MS = 5
const LINKS = Array.from({ length: 8 }, (_, index) => `</lamp/${index}>;rt="x.lamp";if="x.actuator"`).join(',')

it('loses nothing that it acknowledged at 2000 registrations a second, at any of several kill points', { timeout: 60_000 }, async () => {
  const file = join(temporaryFolder(), 'rd.sqlite')
  const killAfter = seededRandom(5)
  /** Locations by endpoint name, as they were acknowledged. */
  const acknowledged = new Map<string, string>()
  const rates: number[] = []
  for (let round = 0; round <= KILLS; round++) {
    const server = spawn(process.execPath, [join(import.meta.dirname, 'rd-server.ts'), file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(server, 'exit')
    onTestFinished(() => void server.kill('SIGKILL'))
    const [port] = (await once(createInterface({ input: server.stdout }), 'line')) as [string]
    const kept = await registered(Number(port))
    const lost = [...acknowledged].filter(([name, location]) => kept.get(name) !== location)
    expect(lost).toEqual([])
    // The last start only looks at what the last kill left.
    if (round < KILLS) {
      const startedMs = performance.now()
      const before = acknowledged.size
      const stop = flood(Number(port), round, acknowledged)
      await systemDelay(400 + killAfter.below(500))
      rates.push(((acknowledged.size - before) * 1000) / (performance.now() - startedMs))
      server.kill('SIGKILL')
      await exited
      await stop()
    } else server.kill('SIGKILL')
  }
  console.log(`acknowledged a second before each kill: ${rates.map(Math.round).join(', ')}; in all ${acknowledged.size}`)
  expect(acknowledged.size).toBeGreaterThan(KILLS * 400)
})

/** Sends registrations at the rate, whatever becomes of them; what is acknowledged goes into the map until it is stopped. */
function flood(port: number, round: number, acknowledged: Map<string, string>): () => Promise<void> {
  const socket: Socket = createSocket({ type: 'udp6', recvBufferSize: 1 << 20 })
  const startedMs = performance.now()
  let sent = 0
  const nameOf = (index: number): string => `node-${round}-${index}`
  socket.on('message', (datagram) => {
    const answer = decodeMessage(datagram)
    const index = ((answer.token[0] ?? 0) << 8) | (answer.token[1] ?? 0)
    if (answer.code === '2.01') acknowledged.set(nameOf(index), `/${locationOf(answer.options)?.path.join('/') ?? ''}`)
  })
  // Between the kill and the stop nobody listens.
  socket.on('error', () => undefined)
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startedMs) * RATE) / 1000; sent < due; sent++) {
      const token = new Uint8Array([sent >> 8, sent & 0xff])
      const options = [
        stringOption(OptionNumber.URI_PATH, 'rd'),
        uintOption(OptionNumber.CONTENT_FORMAT, 40),
        stringOption(OptionNumber.URI_QUERY, `ep=${nameOf(sent)}`),
      ]
      socket.send(encodeMessage({ type: 'CON', code: '0.02', messageId: sent & 0xffff, token, options, payload: utf8(LINKS) }), port, '::1')
    }
  }, PORTION_MS)
  return async () => {
    clearInterval(timer)
    // What left before the kill may still be on its way.
    await systemDelay(50)
    socket.close()
  }
}

/** All registrations, location by endpoint name. */
async function registered(port: number): Promise<ReadonlyMap<string, string>> {
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  try {
    const kept = new Map<string, string>()
    for (let page = 0; ; page++) {
      const query = ['count=500', `page=${page}`]
      const { payload } = await endpoint.request({ address: '::1', port }, { method: 'GET', path: ['rd-lookup', 'ep'], query })
      const links = parseLinkFormat(utf8ToText(payload) ?? '')
      if (links.length === 0) return kept
      for (const link of links) kept.set(linkAttribute(link, 'ep') ?? '', link.href)
    }
  } finally {
    endpoint.close()
    await channel.close()
  }
}

function systemDelay(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
