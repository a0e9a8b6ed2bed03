// Observe (RFC 7641) and ping with libcoap and the npm package `coap`, both directions.
import { createServer, request as coapRequest, type ObserveReadStream, type Server } from 'coap'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { delay, systemClock, type SocketAddress } from '#main/base/index.ts'
import { encodeMessage, type CoapMessage, type Observation } from '#main/wire/coap/index.ts'
import { COAP_CLIENT, COAP_SERVER, describeWithPeer, run, start, type RunningPeer } from '../support/peers.ts'
import { FAMILIES, freePort, ours as open, text, uri, type Ours } from './our-server.ts'

const opened: Ours[] = []

async function ours(address: string): Promise<Ours> {
  const place = await open(address)
  opened.push(place)
  return place
}

afterEach(() => Promise.all(opened.splice(0).map((place) => place.close())))

async function take(observation: Observation, count: number): Promise<string[]> {
  const taken: string[] = []
  for await (const notification of observation) {
    taken.push(text(notification.payload).trim())
    if (taken.length === count) break
  }
  return taken
}

function ascending(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b)
}

describeWithPeer('libcoap client observes our server', COAP_CLIENT, (program) => {
  it.each(FAMILIES)('%s: newer and newer states while it observes, nothing after it has cancelled', async (_, address) => {
    const place = await ours(address)
    const changing = setInterval(() => place.change(), 200)
    const { stdout } = await run(program, ['-v', '4', '-s', '7', uri(place.at, '/count')])
    clearInterval(changing)
    const numbers = text(stdout).trim().split(/\s+/).map(Number)
    // Without an estimate of the round trip, Non-confirmable notifications leave three seconds apart (RFC 7641 §4.5.1).
    expect(numbers.length).toBeGreaterThanOrEqual(4)
    expect(numbers).toEqual(ascending(numbers))
    await expect.poll(() => place.endpoint.holdings().observers, { timeout: 20_000 }).toBe(0)
  })
})

describeWithPeer('our client observes libcoap server', COAP_SERVER, (program) => {
  let server: RunningPeer
  let there: SocketAddress
  afterEach(() => server.stop())

  async function begin(address: string): Promise<Ours> {
    const place = await ours(address)
    there = { address, port: await freePort(address) }
    server = start(program, ['-A', address, '-p', String(there.port), '-d', '10', '-v', '0'])
    await place.endpoint.request(there, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
    return place
  }

  it.each(FAMILIES)('%s: its clock each second, and silence after the cancellation', async (_, address) => {
    const { endpoint } = await begin(address)
    const observation = endpoint.observe(there, { method: 'GET', path: ['time'] })
    const times = await take(observation, 3)
    expect(new Set(times).size).toBe(3)
    await observation.cancel()
    await delay(systemClock, 300)
    const before = endpoint.counters().messagesReceived
    await delay(systemClock, 2500)
    expect(endpoint.counters().messagesReceived).toBe(before)
  })

  it.each(FAMILIES)('%s: a forgotten observation is ended by the Reset of its next Confirmable notification', async (_, address) => {
    const { endpoint } = await begin(address)
    const observation = endpoint.observe(there, { method: 'GET', path: ['time'] })
    // Not a loop: leaving one cancels.
    await observation[Symbol.asyncIterator]().next()
    observation.forget()
    await expect.poll(() => endpoint.counters().resetsSent, { timeout: 15_000 }).toBe(1)
    const before = endpoint.counters().messagesReceived
    await delay(systemClock, 2500)
    expect(endpoint.counters().messagesReceived).toBe(before)
  })

  it.each(FAMILIES)('%s: an empty Confirmable message is answered with a Reset, by it and by us (RFC 7252 §4.3)', async (_, address) => {
    const { endpoint, channel, at } = await begin(address)
    const ping: CoapMessage = {
      type: 'CON',
      code: '0.00',
      messageId: 0x4321,
      token: new Uint8Array(0),
      options: [],
      payload: new Uint8Array(0),
    }
    const replies: Uint8Array[] = []
    channel.subscribe((event) => {
      if (event.kind === 'datagram') replies.push(event.datagram.payload)
    })
    // libcoap can leave the datagram that follows its first response lying until the next one comes: sent again, as a Confirmable message is (§4.2).
    channel.send(encodeMessage(ping), there)
    const sending = setInterval(() => channel.send(encodeMessage(ping), there), 1000)
    try {
      await expect.poll(() => replies[0], { timeout: 10_000 }).toEqual(encodeMessage({ ...ping, type: 'RST' }))
    } finally {
      clearInterval(sending)
    }
    const another = await ours(address)
    another.channel.send(encodeMessage(ping), at)
    await expect.poll(() => endpoint.counters().resetsSent, { timeout: 20_000 }).toBe(1)
  })
})

describe.each(FAMILIES)('npm coap, %s', (_, address) => {
  let server: Server | undefined
  beforeEach(() => {
    server = undefined
  })
  afterEach(
    () =>
      new Promise<void>((resolve) => {
        if (server === undefined) resolve()
        else server.close(() => resolve())
      }),
  )

  it('its client observes our server', async () => {
    const place = await ours(address)
    const heard = await new Promise<number[]>((resolve, reject) => {
      const numbers: number[] = []
      const changing = setInterval(() => place.change(), 50)
      const request = coapRequest({ hostname: address, port: place.at.port, pathname: '/count', observe: true })
      request.on('error', reject)
      request.on('response', (stream: ObserveReadStream) => {
        stream.on('data', (payload: Uint8Array) => {
          numbers.push(Number(text(payload)))
          if (numbers.length < 4) return
          clearInterval(changing)
          stream.close()
          resolve(numbers)
        })
      })
      request.end()
    })
    expect(heard.slice(0, 4)).toEqual(ascending(heard.slice(0, 4)))
  })

  it('our client observes its server, which learns of the cancellation', async () => {
    const { endpoint } = await ours(address)
    const there: SocketAddress = { address, port: await freePort(address) }
    let finished = false
    const listening = createServer({ type: address.includes(':') ? 'udp6' : 'udp4' }, (request, response) => {
      if (request.headers.Observe !== 0) {
        response.end('once')
        return
      }
      let count = 0
      const changing = setInterval(() => response.write(String(count++)), 50)
      response.write(String(count++))
      response.on('finish', () => {
        finished = true
        clearInterval(changing)
      })
    })
    server = listening
    await new Promise<void>((resolve) => {
      listening.listen(there.port, address, () => resolve())
    })
    const observation = endpoint.observe(there, { method: 'GET', path: ['count'] })
    const numbers = (await take(observation, 4)).map(Number)
    expect(numbers).toEqual(ascending(numbers))
    await observation.cancel()
    await expect.poll(() => finished, { timeout: 20_000 }).toBe(true)
  })
})
