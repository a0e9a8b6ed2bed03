// New contexts from an old Master Secret (RFC 8613 Appendix B.2).
import { describe, expect, test } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { decodeMessage, findOption, Observable, OptionNumber } from '#main/wire/coap/index.ts'
import {
  decodeOption,
  RenewalClient,
  renewContext,
  renewedInput,
  RenewalServer,
  staleSender,
  UnicastContext,
  volatileSequences,
  type RenewalInput,
  type SequenceStore,
} from '#main/wire/oscore/index.ts'
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
      code: 'oscore.member-unknown',
    })
    expect(server.layer.context('client')).toBeUndefined()
  })
})

// ---- By itself -----------------------------------------------------------------------------------------------------

/** What a store says of keys that came with a copy: not fresh, and no number of them is left; new keys are as good as ever. */
function copied(): SequenceStore & { reserved: string[] } {
  const inner = volatileSequences()
  const made = new Set<string>()
  const reserved: string[] = []
  return {
    reserved,
    establish: (context) => {
      made.add(context)
      return inner.establish(context)
    },
    reserve: (context, count) => {
      if (!made.has(context)) throw staleSender()
      reserved.push(context)
      return inner.reserve(context, count)
    },
    forget: () => undefined,
  }
}

interface Copy {
  readonly network: Net
  readonly client: Node
  readonly server: Node
  readonly renewals: RenewalClient
  readonly renewed: Uint8Array[]
  readonly sequences: SequenceStore
}

function copy(serverTakesPart = true): Copy {
  const network = net()
  const { client, server, input } = ends(network)
  if (!serverTakesPart) {
    const deaf = network.node('2001:db8::3')
    return begin(network, client, deaf, input)
  }
  return begin(network, client, server, input)
}

function begin(network: Net, client: Node, server: Node, input: RenewalInput): Copy {
  const sequences = copied()
  client.layer.add(new UnicastContext(input, { sequences, received: 'unknown' }))
  const renewed: Uint8Array[] = []
  const renewals = new RenewalClient({
    layer: client.layer,
    random: network.random,
    sequences,
    clock: network.clock,
    onRenewed: (name, idContext) => {
      expect(name).toBe('server')
      renewed.push(idContext)
    },
  })
  client.layer.renewSendersBy(renewals)
  return { network, client, server, renewals, renewed, sequences }
}

describe('a context whose sender state is lost', () => {
  test('is renewed before the first request leaves, once for all that wait, and serves from then on', async () => {
    const { network, client, server, renewals, renewed } = copy()
    renewals.allow(pairInput('client'))
    const atServer = listen(server.channel)
    const answers = await network.clock.until(
      Promise.all(
        [1, 2, 3].map(() => client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') })),
      ),
    )
    expect(answers.map(({ payload }) => text(payload))).toEqual(['y', 'y', 'y'])
    expect(renewed).toHaveLength(1)
    expect(client.layer.context('server')?.idContext).toEqual(renewed[0])
    // Two for the renewal, and one for each.
    expect(atServer).toHaveLength(5)
    expect((await ask(network, client, server)).code).toBe('2.05')
    expect(atServer).toHaveLength(6)
  })

  test('is renewed for an observation, too', async () => {
    const { network, client, server, renewals } = copy()
    renewals.allow(pairInput('client'))
    const state = new Observable()
    server.tree.add('/o', { protection: 'required', observable: state, handlers: { GET: () => ({ code: '2.05', payload: utf8('o') }) } })
    const heard: string[] = []
    const observation = client.endpoint.observe(
      server.at,
      { method: 'GET', path: ['o'], security: client.layer.to('server') },
      { onNotification: ({ payload }) => heard.push(text(payload)) },
    )
    await network.clock.advance(5000)
    state.notify()
    await network.clock.advance(5000)
    expect(heard).toEqual(['o', 'o'])
    observation.forget()
  })

  test('what is kept makes the same context again after a restart', async () => {
    const { network, client, server, renewals, renewed, sequences } = copy()
    renewals.allow(pairInput('client'))
    await ask(network, client, server)
    client.layer.remove('server')
    client.layer.add(new UnicastContext(renewedInput(pairInput('client'), renewed[0]!), { sequences, received: 'unknown' }))
    expect((await ask(network, client, server)).code).toBe('2.05')
    expect(renewed).toHaveLength(1)
  })

  test('nothing leaves under it where the peer does not take part, and attempts become rare', async () => {
    const { network, client, server, renewals, renewed } = copy(false)
    renewals.allow(pairInput('client'))
    const atServer = listen(server.channel)
    for (let index = 0; index < 20; index++) {
      await expect(ask(network, client, server)).rejects.toMatchObject({ code: 'oscore.sender-stale' })
      await network.clock.advance(6000)
    }
    // Two minutes: at once, after 30 s and after 90 s, one request #1 each.
    expect(atServer).toHaveLength(3)
    expect(renewed).toHaveLength(0)
    await network.clock.advance(24 * 3_600_000)
    await expect(ask(network, client, server)).rejects.toMatchObject({ code: 'oscore.sender-stale' })
    expect(atServer).toHaveLength(4)
  })

  test('is not renewed where nobody has allowed it, nor when that was taken back meanwhile', async () => {
    const { network, client, server, renewals, renewed } = copy()
    await expect(ask(network, client, server)).rejects.toMatchObject({ code: 'oscore.sender-stale' })
    const end = renewals.allow(pairInput('client'))
    const before = client.layer.context('server')
    const asked = client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') })
    end()
    await expect(network.clock.until(asked)).rejects.toMatchObject({ code: 'oscore.sender-stale' })
    expect(renewed).toHaveLength(0)
    expect(client.layer.context('server')).toBe(before)
  })

  test('who gives up waiting does not end it for the others', async () => {
    const { network, client, server, renewals } = copy()
    renewals.allow(pairInput('client'))
    const gone = new AbortController()
    const request = { method: 'GET', path: ['x'], security: client.layer.to('server') } as const
    const first = client.endpoint.request(server.at, request, { signal: gone.signal }).catch((thrown: unknown) => thrown)
    const second = client.endpoint.request(server.at, request)
    gone.abort()
    expect(await network.clock.until(first)).toMatchObject({ code: 'cancelled' })
    expect((await network.clock.until(second)).code).toBe('2.05')
  })
})

test('replays of request #1 get what it got, and push nobody’s run out', async () => {
  const network = net()
  const { client, server, input } = ends(network)
  const atServer = listen(server.channel)
  await renew(network, client, server, input)
  const old = atServer[0]!
  const raw = network.network.channel({ address: '2001:db8::9', port: 5683 })
  const answers = listen(raw)
  const again = renew(network, client, server, input)
  for (let index = 0; index < 50; index++) {
    const replay = old.slice()
    replay[3]! ^= index + 1
    raw.send(replay, server.at)
  }
  await again
  const contexts = new Set(answers.map((bytes) => String(findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)?.value)))
  expect(answers.length).toBeGreaterThan(40)
  expect(contexts.size).toBe(1)
  expect((await ask(network, client, server)).code).toBe('2.05')
})

test('a client renews eight times an hour at most, for each new context leaves a trace', async () => {
  const network = net()
  const { client, server, input } = ends(network)
  for (let round = 0; round < 8; round++) await renew(network, client, server, input)
  const last = server.layer.context('client')
  await expect(renew(network, client, server, input)).rejects.toMatchObject({ code: 'oscore.member-unknown' })
  expect(server.layer.context('client')).toBe(last)
  await network.clock.advance(3_600_000)
  await renew(network, client, server, input)
  expect(server.layer.context('client')).not.toBe(last)
})
