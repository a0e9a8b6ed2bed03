// New contexts from an old Master Secret (RFC 8613 Appendix B.2).
import { describe, expect, test } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { decodeMessage, findOption, OptionNumber } from '#main/wire/coap/index.ts'
import { decodeOption, RenewalServer, renewContext, volatileSequences, type RenewalInput } from '#main/wire/oscore/index.ts'
import { listen, net, pairInput, text, type Net, type Node } from './harness.ts'

function ends(network: Net): { client: Node; server: Node; input: RenewalInput } {
  const client = network.node('2001:db8::1')
  const server = network.node('2001:db8::2')
  const renewal = new RenewalServer({ layer: server.layer, random: network.random, sequences: volatileSequences(), clock: network.clock })
  server.layer.onUnknownContext(renewal)
  renewal.allow(pairInput('server'))
  server.tree.add('/x', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: utf8('y') }) } })
  return { client, server, input: pairInput('client') }
}

const ask = (network: Net, client: Node, server: Node): Promise<{ code: string; payload: Uint8Array }> =>
  network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }))

const renew = (network: Net, client: Node, server: Node, input: RenewalInput): Promise<unknown> =>
  network.clock.until(
    renewContext(
      client.endpoint,
      server.at,
      input,
      { layer: client.layer, random: network.random, sequences: volatileSequences() },
      { method: 'GET', path: ['x'] },
    ),
  )

describe('renewal', () => {
  test('gives both ends a context that neither had, with ID1, R2 and R2 || R3 on the way', async () => {
    const network = net()
    const { client, server, input } = ends(network)
    const atServer = listen(server.channel)
    const atClient = listen(client.channel)
    await renew(network, client, server, input)
    expect(text((await ask(network, client, server)).payload)).toBe('y')
    const contexts = [...atServer.slice(0, 1), ...atClient.slice(0, 1), ...atServer.slice(1, 2)].map(
      (bytes) => decodeOption(findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)!.value)!.kidContext!,
    )
    // CBOR byte strings of 8, 8 and 16 bytes; the third begins with the second.
    expect(contexts.map(([head]) => head)).toEqual([0x48, 0x48, 0x50])
    expect(contexts[2]!.subarray(1, 9)).toEqual(contexts[1]!.subarray(1))
  })

  test('a client that has lost all begins anew, and the old context is gone at the server', async () => {
    const network = net()
    const { client, server, input } = ends(network)
    await renew(network, client, server, input)
    const before = server.layer.context('client')
    await renew(network, client, server, input)
    expect(server.layer.context('client')).not.toBe(before)
    expect((await ask(network, client, server)).code).toBe('2.05')
  })

  test('a replayed request #1 begins a run and no more; a replayed request #2 is refused', async () => {
    const network = net()
    const { client, server, input } = ends(network)
    const atServer = listen(server.channel)
    await renew(network, client, server, input)
    const context = server.layer.context('client')
    const raw = network.network.channel({ address: '2001:db8::9', port: 5683 })
    for (let index = 0; index < 50; index++) {
      const again = atServer[0]!.slice()
      again[3]! ^= index + 1
      raw.send(again, server.at)
    }
    const another = network.network.channel({ address: '2001:db8::8', port: 5683 })
    const refused = listen(another)
    another.send(atServer[1]!, server.at)
    await network.clock.advance(1000)
    expect(server.layer.context('client')).toBe(context)
    expect(refused.map((bytes) => text(decodeMessage(bytes).payload))).toEqual(['Replay detected'])
    expect((await ask(network, client, server)).code).toBe('2.05')
  })

  test('with another Master Secret it fails, and the server keeps nothing', async () => {
    const network = net()
    const { client, server, input } = ends(network)
    await expect(renew(network, client, server, { ...input, masterSecret: new Uint8Array(16) })).rejects.toMatchObject({
      code: 'coap.timeout',
    })
    expect(server.layer.context('client')).toBeUndefined()
  })
})
