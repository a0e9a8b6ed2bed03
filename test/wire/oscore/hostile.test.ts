// What attackers and broken peers send: nothing of it is served, nothing of it ends the endpoint, and nothing grows without bound.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom, utf8 } from '#main/base/index.ts'
import {
  decodeMessage,
  encodeMessage,
  findOption,
  OptionNumber,
  stringOption,
  type CoapMessage,
  type MessageContent,
  type OpenedRequest,
} from '#main/wire/coap/index.ts'
import {
  decodeOption,
  encodeOption,
  OscoreLayer,
  readCredential,
  SecurityGroup,
  UnicastContext,
  volatileSequences,
} from '#main/wire/oscore/index.ts'
import { decodePlaintext, encodePlaintext } from '../../../src-main/wire/oscore/plaintext.ts'
import { ReplayWindow, WINDOW_SIZE } from '../../../src-main/wire/oscore/replay-window.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  all,
  GROUP_ADDRESS,
  groupInputOf,
  groupNet,
  listen,
  memberKeys,
  net,
  pair,
  pairInput,
  text,
  type GroupPlan,
  type MemberKeys,
} from './harness.ts'

const CONTENT: MessageContent = {
  code: '0.03',
  token: Uint8Array.of(1, 2),
  options: [stringOption(OptionNumber.URI_PATH, 'lamp')],
  payload: utf8('on'),
}
const HERE = { source: { address: '2001:db8::1', port: 5683 }, peer: 'x', destination: undefined, multicast: false }

interface End {
  readonly group: SecurityGroup
  readonly layer: OscoreLayer
}

function end(keys: readonly MemberKeys[], own: number, plan: GroupPlan = {}, generation = 0): End {
  const group = new SecurityGroup(groupInputOf(keys, own, plan, generation), {
    clock: new VirtualClock(),
    sequences: volatileSequences(),
    ...plan.options,
  })
  const layer = new OscoreLayer({ random: seededRandom(3) })
  layer.addGroup(group)
  return { group, layer }
}

function asMessage(content: MessageContent | undefined, type: CoapMessage['type'] = 'NON'): CoapMessage {
  if (content === undefined) throw new TypeError('nothing was sent')
  return { type, messageId: 7, code: content.code, token: content.token, options: content.options, payload: content.payload }
}

function words(outcome: OpenedRequest): string {
  return outcome.kind === 'answer' ? `${outcome.content.code} ${text(outcome.content.payload)}` : outcome.kind
}

/** The message with another option value or payload. */
function changed(
  message: CoapMessage,
  change: { readonly option?: (value: Uint8Array) => Uint8Array; readonly payload?: (value: Uint8Array) => Uint8Array },
): CoapMessage {
  return {
    ...message,
    options: message.options.map((option) =>
      option.number === OptionNumber.OSCORE && change.option !== undefined
        ? { ...option, value: change.option(option.value.slice()) }
        : option,
    ),
    payload: change.payload === undefined ? message.payload : change.payload(message.payload.slice()),
  }
}

describe.each(['group', 'pairwise'] as const)('in %s mode', (mode) => {
  const keys = memberKeys(3)
  const requestOf = (from: End): CoapMessage =>
    asMessage((mode === 'group' ? from.group.groupMode() : from.group.pairwise(keys[1]!.senderId)).open().protect(CONTENT))

  test('a replay is refused, whoever sends it again', () => {
    const [client, server] = [end(keys, 0), end(keys, 1)]
    const request = requestOf(client)
    expect(server.layer.openRequest(request, HERE).kind).toBe('request')
    expect(words(server.layer.openRequest(request, HERE))).toBe('4.01 Replay detected')
    expect(server.layer.openRequest(request, { ...HERE, multicast: true })).toEqual({ kind: 'drop' })
    expect(server.layer.counters.replayed).toBe(2)
  })

  test('an own request that is thrown back is dropped', () => {
    const client = end(keys, 0)
    expect(client.layer.openRequest(requestOf(client), HERE)).toEqual({ kind: 'drop' })
  })

  test('an own response that is thrown back, or that of another exchange, answers nothing', () => {
    const [client, server] = [end(keys, 0), end(keys, 1)]
    const security = mode === 'group' ? client.group.groupMode() : client.group.pairwise(keys[1]!.senderId)
    const [first, second] = [security.open(), security.open()]
    const opened = server.layer.openRequest(asMessage(first.protect(CONTENT)), HERE)
    second.protect(CONTENT)
    if (opened.kind !== 'request') throw new TypeError('not opened')
    const response = asMessage(opened.reply.protect({ ...CONTENT, code: '2.04', options: [] }))
    expect(second.unprotect(response)).toBeUndefined()
    expect(first.unprotect(response)?.message.code).toBe('2.04')
    expect(first.unprotect(response)).toBeUndefined()
  })

  test('a message of another group with the same Gid and members does not pass (§14.7)', () => {
    const [client, server] = [end(keys, 0), end(keys, 1, { algorithms: { masterSalt: Uint8Array.of(5) } })]
    expect(words(server.layer.openRequest(requestOf(client), HERE))).toBe('4.00 Decryption failed')
    const other = end(keys, 1, { algorithms: { groupManagerCredential: keys[2]!.credential } })
    expect(words(other.layer.openRequest(requestOf(client), HERE))).toBe('4.00 Decryption failed')
  })

  test('a member cannot speak in another’s name', () => {
    const [forger, server] = [end(keys, 2), end(keys, 1)]
    const forged = changed(requestOf(forger), {
      option: (value) => {
        const option = decodeOption(value)
        return encodeOption({ ...option!, kid: keys[0]!.senderId })
      },
    })
    expect(words(server.layer.openRequest(forged, HERE))).toBe('4.00 Decryption failed')
    // What failed leaves the window of the one in whose name it came as it was.
    expect(server.layer.openRequest(requestOf(end(keys, 0)), HERE).kind).toBe('request')
  })

  test('cut off at any byte, or with any bit changed, it is refused', () => {
    const [client, server] = [end(keys, 0), end(keys, 1)]
    const request = requestOf(client)
    const { length } = request.payload
    for (let keep = 0; keep < length; keep += 3) {
      const outcome = server.layer.openRequest(changed(request, { payload: (payload) => payload.subarray(0, keep) }), HERE)
      expect(words(outcome)).toMatch(keep === 0 ? /^4.02/ : /^4.00/)
    }
    for (let bit = 0; bit < length * 8; bit += 41) {
      const flipped = changed(request, {
        payload: (payload) => {
          payload[bit >> 3]! ^= 1 << (bit & 7)
          return payload
        },
      })
      expect(words(server.layer.openRequest(flipped, HERE))).toBe('4.00 Decryption failed')
    }
    expect(server.layer.openRequest(request, HERE).kind).toBe('request')
  })

  test('a wrong Gid, and the kid of one who is no member any more', () => {
    const [client, server] = [end(keys, 0), end(keys, 1)]
    const request = requestOf(client)
    const elsewhere = changed(request, { option: (value) => encodeOption({ ...decodeOption(value)!, kidContext: Uint8Array.of(1, 2, 3) }) })
    expect(words(server.layer.openRequest(elsewhere, HERE))).toBe('4.01 Security context not found')
    server.group.removeMembers([keys[0]!.senderId])
    expect(words(server.layer.openRequest(request, HERE))).toBe('4.01 Security context not found')
  })

  test('who is no requester is not served, who is no responder not believed', () => {
    const roles = keys.map(({ senderId, credential }, index) => ({
      senderId,
      credential,
      roles: { requester: index !== 0, responder: index !== 1 },
    }))
    const [client, server] = [end(keys, 0, { algorithms: { members: roles } }), end(keys, 1, { algorithms: { members: roles } })]
    expect(server.layer.openRequest(requestOf(client), HERE)).toEqual({ kind: 'drop' })
    const open = end(keys, 1)
    const exchange = (mode === 'group' ? client.group.groupMode() : client.group.pairwise(keys[1]!.senderId)).open()
    const opened = open.layer.openRequest(asMessage(exchange.protect(CONTENT)), HERE)
    if (opened.kind !== 'request') throw new TypeError('not opened')
    expect(exchange.unprotect(asMessage(opened.reply.protect({ ...CONTENT, code: '2.04', options: [] })))).toBeUndefined()
  })
})

test('a flag for the mode that the group does not have is dropped (§6)', () => {
  const keys = memberKeys(2)
  const both = end(keys, 0)
  const pairwiseOnly = end(keys, 1, {
    algorithms: { signature: undefined, groupEncryption: undefined } as GroupPlan['algorithms'] & object,
  })
  const groupOnly = end(keys, 1, { algorithms: { keyAgreement: undefined } as GroupPlan['algorithms'] & object })
  expect(pairwiseOnly.layer.openRequest(asMessage(both.group.groupMode().open().protect(CONTENT)), HERE)).toEqual({ kind: 'drop' })
  expect(groupOnly.layer.openRequest(asMessage(both.group.pairwise(keys[1]!.senderId).open().protect(CONTENT)), HERE)).toEqual({
    kind: 'drop',
  })
})

test('a response in the name of another than the one that was asked is not believed (§8.6)', () => {
  const keys = memberKeys(3)
  const [client, second, third] = [end(keys, 0), end(keys, 1), end(keys, 2)]
  // The third has the second's request for itself made by the client on purpose; its answer does not answer the other.
  const toSecond = client.group.pairwise(keys[1]!.senderId).open()
  const toThird = client.group.pairwise(keys[2]!.senderId).open()
  toSecond.protect(CONTENT)
  const opened = third.layer.openRequest(asMessage(toThird.protect(CONTENT)), HERE)
  if (opened.kind !== 'request') throw new TypeError('not opened')
  const answer = asMessage(opened.reply.protect({ ...CONTENT, code: '2.04', options: [] }))
  expect(toSecond.unprotect(answer)).toBeUndefined()
  expect(toThird.unprotect(answer)?.identity?.scheme).toBe('group-oscore')
  expect(second.layer.counters.opened).toBe(0)
})

test('a flood of unknown kids asks for few of them, keeps none, and does not push out who is known', () => {
  const keys = memberKeys(2)
  let asked = 0
  const server = end(keys, 1, { options: { onUnknownMember: () => asked++, maxRecipients: 8 } })
  const client = end(keys, 0)
  const request = asMessage(client.group.groupMode().open().protect(CONTENT))
  expect(server.layer.openRequest(request, HERE).kind).toBe('request')
  for (let index = 0; index < 5000; index++) {
    const stranger = changed(request, {
      option: (value) => encodeOption({ ...decodeOption(value)!, kid: Uint8Array.of(9, index >> 8, index & 255) }),
    })
    expect(server.layer.openRequest(stranger, HERE).kind).toBe('answer')
  }
  expect(asked).toBe(64)
  expect(server.group.current.members.recipients).toBe(1)
  expect(words(server.layer.openRequest(request, HERE))).toBe('4.01 Replay detected')
})

test('of many members only so many Recipient Contexts are kept, those in use the longest', () => {
  const keys = memberKeys(30)
  const server = end(keys, 0, { options: { maxRecipients: 10 } })
  for (let round = 0; round < 3; round++)
    for (let index = 1; index < 30; index++)
      server.layer.openRequest(asMessage(end(keys, index).group.pairwise(keys[0]!.senderId).open().protect(CONTENT)), HERE)
  expect(server.group.current.members.recipients).toBe(10)
})

test('long options, long Gids and long kids are read or refused, never crashed on', () => {
  const keys = memberKeys(2)
  const server = end(keys, 1)
  for (const value of [
    new Uint8Array(255).fill(0x39),
    new Uint8Array(1000).fill(0x19),
    Uint8Array.of(0x39, 0, 255),
    Uint8Array.of(0x08, ...new Uint8Array(500)),
  ]) {
    const message: CoapMessage = { ...asMessage({ ...CONTENT, code: '0.02', options: [{ number: OptionNumber.OSCORE, value }] }) }
    expect(['answer', 'drop']).toContain(server.layer.openRequest(message, HERE).kind)
  }
  expect(() => end(keys, 0, { algorithms: { gid: new Uint8Array(256) } })).toThrow()
  expect(() => server.group.addMember({ senderId: new Uint8Array(8), credential: keys[0]!.credential })).toThrow()
})

test('a credential that cannot be used is refused with its code, and its owner not heard', () => {
  const bad = expect.objectContaining({ code: 'oscore.credential-invalid' }) as Error
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0xa0), utf8('certificate'), Uint8Array.of(0xa1, 8, 0xa1, 1, 0xa1, 1, 1)])
    for (const format of [13, 14, 32, 33, 24]) expect(() => readCredential(bytes, format)).toThrow(bad)
  const keys = memberKeys(2)
  const server = end(keys, 1, { algorithms: { members: [{ senderId: keys[0]!.senderId, credential: Uint8Array.of(1) }] } })
  expect(server.layer.openRequest(asMessage(end(keys, 0).group.groupMode().open().protect(CONTENT)), HERE).kind).toBe('answer')
})

describe('any bytes at all', () => {
  const keys = memberKeys(2)
  const server = end(keys, 1)
  server.layer.add(new UnicastContext(pairInput('server'), { sequences: volatileSequences(), received: 'fresh' }))

  test('as option and payload open nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 120 }), (value, payload) => {
        const outcome = server.layer.openRequest(
          asMessage({ code: '0.02', token: CONTENT.token, options: [{ number: OptionNumber.OSCORE, value }], payload }),
          HERE,
        )
        expect(['answer', 'drop']).toContain(outcome.kind)
      }),
      { numRuns: 500 },
    )
  })

  test('behind a sound option open nothing', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.uint8Array({ minLength: 1, maxLength: 5 }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        (group, number, payload) => {
          const partialIv = number.length > 1 && number[0] === 0 ? Uint8Array.of(1) : number
          const value = encodeOption({ group, partialIv, kidContext: Uint8Array.of(0xb1, 0, 0), kid: keys[0]!.senderId })
          const outcome = server.layer.openRequest(
            asMessage({ code: '0.02', token: CONTENT.token, options: [{ number: OptionNumber.OSCORE, value }], payload }),
            HERE,
          )
          expect(words(outcome)).toBe('4.00 Decryption failed')
        },
      ),
      { numRuns: 200 },
    )
  })

  test('as a response answer nothing', () => {
    const client = end(keys, 0)
    const exchange = client.group.groupMode().open()
    exchange.protect(CONTENT)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 120 }), (value, payload) => {
        expect(
          exchange.unprotect(asMessage({ code: '2.04', token: CONTENT.token, options: [{ number: OptionNumber.OSCORE, value }], payload })),
        ).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('are an option or a plaintext that reads and writes the same, or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const option = decodeOption(bytes)
        if (option !== undefined) expect(encodeOption(option)).toEqual(bytes)
        const plaintext = decodePlaintext(bytes)
        if (plaintext !== undefined)
          expect(decodePlaintext(encodePlaintext(plaintext.code, plaintext.options, plaintext.payload))).toEqual(plaintext)
      }),
      { numRuns: 2000 },
    )
  })
})

test('a window takes each number once, none that is too old, and is as good as a set (RFC 8613 §7.4)', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 300 }), (numbers) => {
      const window = new ReplayWindow(true)
      const received = new Set<number>()
      let largest = -1
      for (const number of numbers) {
        const fresh = !received.has(number) && number > largest - WINDOW_SIZE
        expect(window.accepts(number)).toBe(fresh)
        if (!fresh) continue
        window.mark(number)
        received.add(number)
        largest = Math.max(largest, number)
      }
    }),
  )
})

describe('on the wire', () => {
  test('a forged response ends no request, no observation and no collection', async () => {
    const network = net()
    const { members } = groupNet(network, 2)
    members[1]!.tree.add('/lamp', { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: utf8('true') }) } })
    const atServer = listen(members[1]!.channel)
    const forger = network.network.channel({ address: '2001:db8::bad', port: 5683 })
    const answers = all(
      members[0]!.endpoint.groupRequest(
        GROUP_ADDRESS,
        { method: 'GET', path: ['lamp'], security: members[0]!.group.groupMode() },
        { deadlineMs: 10_000 },
      ),
    )
    await network.clock.advance(5)
    const { token } = decodeMessage(atServer[0]!)
    for (const options of [[], [{ number: OptionNumber.OSCORE, value: Uint8Array.of(0x28, 2) }]])
      for (const code of ['2.05', '4.01', '4.04'])
        forger.send(
          encodeMessage({ type: 'NON', messageId: network.random.below(60_000), code, token, options, payload: utf8('false') }),
          members[0]!.at,
        )
    const responses = await network.clock.until(answers)
    expect(responses.map(({ payload }) => text(payload))).toEqual(['true'])
  })

  test('unicast: an unprotected 2.05 from the server’s own address is no answer (§8.4)', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.endpoint.close()
    const atServer = listen(server.channel)
    const answer = client.endpoint.request(
      server.at,
      { method: 'GET', path: ['x'], security: client.layer.to('server') },
      { timeoutMs: 20_000 },
    )
    await network.clock.advance(5)
    const { token, messageId } = decodeMessage(atServer[0]!)
    server.channel.send(encodeMessage({ type: 'ACK', messageId, code: '2.05', token, options: [], payload: utf8('false') }), client.at)
    await expect(network.clock.until(answer)).rejects.toMatchObject({ code: 'coap.timeout' })
  })

  test('an endpoint without contexts says so, one without OSCORE that it does not know the option', async () => {
    const network = net()
    const { client, server } = pair(network)
    server.layer.remove('client')
    const heard = listen(client.channel)
    await network.clock.until(client.endpoint.request(server.at, { method: 'GET', path: ['x'], security: client.layer.to('server') }))
    expect(findOption(decodeMessage(heard[0]!).options, OptionNumber.OSCORE)).toBeUndefined()
  })
})

test('of devices that came with one Sender ID each is heard, by its own keys', () => {
  const layer = new OscoreLayer({ random: seededRandom(1) })
  const secret = (index: number): Uint8Array => new Uint8Array(16).fill(index + 1)
  for (let index = 0; index < 40; index++) {
    const input = { ...pairInput('server'), name: `device ${index}`, masterSecret: secret(index) }
    layer.add(new UnicastContext(input, { sequences: volatileSequences(), received: 'fresh' }))
  }
  for (let index = 0; index < 40; index++) {
    const sender = new OscoreLayer({ random: seededRandom(1) })
    sender.add(
      new UnicastContext({ ...pairInput('client'), masterSecret: secret(index) }, { sequences: volatileSequences(), received: 'fresh' }),
    )
    const content = sender.to('server').open().protect(CONTENT)
    const opened = layer.openRequest({ type: 'NON', messageId: 1, ...(content ?? CONTENT) }, HERE)
    expect(opened).toMatchObject({ kind: 'request', identity: { name: `device ${index}` } })
  }
})
