// A group request over the system's own sockets, answered by a thousand: nothing is lost on this side of the wire.
import { createSocket, type Socket } from 'node:dgram'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRandom, type DatagramChannel } from '#main/base/index.ts'
import { CoapEndpoint, decodeMessage, encodeMessage } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { all, msg, text, utf8 } from './harness.ts'

const GROUP = '224.0.1.187'
const RESPONDERS = 1000

const sockets: Socket[] = []
const channels: DatagramChannel[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close()
  await Promise.all(channels.splice(0).map((channel) => channel.close()))
})

async function socketAt(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  sockets.push(socket)
  await new Promise<void>((resolve) => socket.bind(port, address, resolve))
  return socket
}

describe.skipIf(process.platform !== 'linux')('a group request on the loopback interface', () => {
  it('collects 1000 responders, each at an address of its own, without local loss', { timeout: 30_000 }, async () => {
    const ear = await socketAt(GROUP, 0)
    ear.addMembership(GROUP, '127.0.0.1')
    const { port } = ear.address()
    const mouths: Socket[] = []
    for (let index = 0; index < RESPONDERS; index++) mouths.push(await socketAt(`127.9.${index >> 8}.${index & 255}`, 0))
    ear.on('message', (bytes, from) => {
      const { token, messageId } = decodeMessage(new Uint8Array(bytes))
      const answer = (index: number): void => {
        for (const mouth of mouths.slice(index, index + 100)) {
          const response = msg({ type: 'NON', code: '2.05', messageId, token, payload: utf8(mouth.address().address) })
          mouth.send(encodeMessage(response), from.port, from.address)
        }
        if (index + 100 < mouths.length) setTimeout(() => answer(index + 100), 5)
      }
      answer(0)
    })
    const channel = await openUdpChannel({ bindAddress: '127.0.0.1', port: 0, logger: silentLogger })
    channels.push(channel)
    const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
    const request = { method: 'GET', path: ['gp', 'gp1', 'temperature'] } as const
    const got = await all(endpoint.groupRequest({ address: GROUP, port }, request, { deadlineMs: 10_000, expected: RESPONDERS }))
    expect(got).toHaveLength(RESPONDERS)
    expect(got.every((response) => response.source.address === text(response.payload))).toBe(true)
    expect(endpoint.counters().overload).toBe(0)
    expect(channel.counters().dropped).toBe(0)
    endpoint.close()
  })
})
