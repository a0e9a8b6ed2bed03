// KNX IoT Point API: our requests against what the public stack's devices took and answered.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, concatBytes, decodeCbor, fromHex, systemRandom, toHex, type Random } from '#main/base/index.ts'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import {
  chooseBinding,
  compareKnx,
  configureKnx,
  decodeGroupMessage,
  encodeGroupMessage,
  endpointNameOf,
  formatGroupAddress,
  formatIndividualAddress,
  groupAddressIn,
  groupMulticastAddress,
  isEmptyDifference,
  KnxDevice,
  multicastAddressOf,
  parseEndpointName,
  parseGroupAddress,
  parseIndividualAddress,
  proveKnxPassword,
  searchRequest,
  withGroup,
  withoutGroup,
  type KnxConfiguration,
  type KnxReach,
  type KnxTables,
  type PasswordOptions,
} from '#main/site/devices/knx-iot/index.ts'
import { decodeGroupObject, decodeGroupRoute, encodeGroupObjects, encodeTokens } from '#main/site/devices/knx-iot/tables.ts'
import { exchangesOf, linesOf, RecordedDevice } from './recorded.ts'
import { ScriptedDevice } from './scripted.ts'

const BUTTON = '[fd01:db8::2]:41931'
const ACTUATOR = '[fd01:db8::3]:33482'
const INSTALLATION = 0xd773e094b6n
const GROUP_ID = 0x8000_0001

function reachOf(device: RecordedDevice): KnxReach {
  return { client: device.client, at: { address: 'fd01:db8::2', port: 41931 } }
}

describe('addresses', () => {
  it('gives the multicast address that the kernel was seen to join', () => {
    expect(groupMulticastAddress(INSTALLATION, GROUP_ID, 'site-local')).toBe('ff35:30:fdd7:73e0:94b6:0:8000:1')
    expect(groupMulticastAddress(INSTALLATION, GROUP_ID, 'link-local')).toBe('ff32:30:fdd7:73e0:94b6:0:8000:1')
  })

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), (address) => {
        expect(parseIndividualAddress(formatIndividualAddress(address))).toBe(address)
        expect(parseGroupAddress(formatGroupAddress(address))).toBe(address === 0 ? undefined : address)
      }),
    )
    expect(parseGroupAddress('1/0/17')).toBe(0x0811)
    expect(parseGroupAddress('1/17')).toBe(0x0811)
    expect(['', '32/0/0', '1/8/0', '1/2/256', '0', 'a/b/c'].map(parseGroupAddress)).toEqual(Array.from({ length: 6 }, () => undefined))
    expect(['16.0.0', '1.16.0', '1.1.256', '1.1'].map(parseIndividualAddress)).toEqual(Array.from({ length: 4 }, () => undefined))
  })
})

describe('the rule of group addresses', () => {
  it('reads the addresses that it gives, of 16 bits and of more, and no others', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fff_ffff }), (groupAddress) => {
        expect(groupAddressIn(multicastAddressOf(INSTALLATION, groupAddress), INSTALLATION)).toBe(groupAddress)
      }),
    )
    const others = [
      'ff32:30:fdd7:73e0:94b6:0:8000:1',
      'ff35:30:fdd7:73e0:94b6:1:8000:1',
      'ff35:30:fdd7:73e0:94b7:0:8000:1',
      'ff35:30:fdd7:73e0:94b6:0:0:1',
      'ff35:30:fdd7:73e0:94b6:0:8000:0',
      'ff35:20:fdd7:73e0:94b6:0:8000:1',
      '224.0.1.187',
      'hall',
    ]
    expect(others.map((address) => groupAddressIn(address, INSTALLATION))).toEqual(others.map(() => undefined))
  })
})

describe('the datapoints of a group', () => {
  const point = (href: string, type: string, of: string) => ({ href, resourceTypes: [type], interfaces: [of] })
  const actuator = [
    point('/p/o_1_1', ':dpa.417.61', ':if.a'),
    point('/p/o_2_2', ':dpa.417.51', ':if.s'),
    point('/p/o_3_3', ':dpa.417.61', ':if.a'),
  ]
  const none = { objects: [], recipients: [], publishers: [] }

  it('are the first main function that is free; an actuator obeys several groups, a button speaks to one', () => {
    const first = chooseBinding(actuator, [])
    expect(first).toEqual({ href: '/p/o_1_1', flags: ['communicate', 'write'] })
    const one = withGroup(none, 1, [first])
    const two = withGroup(one, 2, [chooseBinding(actuator, one.objects)])
    const three = withGroup(two, 3, [chooseBinding(actuator, two.objects)])
    expect(three.objects).toEqual([
      { id: 1, href: '/p/o_1_1', groupAddresses: [1, 3], flags: ['communicate', 'write'] },
      { id: 2, href: '/p/o_3_3', groupAddresses: [2], flags: ['communicate', 'write'] },
    ])
    const button = [point('/p/o_1_1', ':dpa.421.61', ':if.s')]
    const spoken = withGroup(none, 1, [chooseBinding(button, [])])
    expect(() => chooseBinding(button, spoken.objects)).toThrow(expect.objectContaining({ code: 'knx.no-datapoint' }) as Error)
    expect(() => chooseBinding([], [])).toThrow(AppError)
  })

  it('are in the tables as wanted after any changes, with ids that are kept and used once', () => {
    const change = fc.record({ address: fc.integer({ min: 1, max: 5 }), point: fc.constantFrom('/a', '/b'), adds: fc.boolean() })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const wanted = new Map<number, string>()
        let tables: KnxTables = none
        for (const { address, point: href, adds } of changes) {
          if (adds) wanted.set(address, href)
          else wanted.delete(address)
          tables = adds ? withGroup(tables, address, [{ href, flags: ['write', 'transmit'] }]) : withoutGroup(tables, address)
        }
        const bound = tables.objects.flatMap(({ href, groupAddresses }) => groupAddresses.map((address) => [address, href] as const))
        expect(new Map(bound)).toEqual(wanted)
        expect(bound).toHaveLength(wanted.size)
        expect(new Set(tables.publishers.flatMap(({ groupAddresses }) => groupAddresses))).toEqual(new Set(wanted.keys()))
        for (const entries of [tables.objects, tables.publishers, tables.recipients])
          expect(new Set(entries.map(({ id }) => id)).size).toBe(entries.length)
        expect(tables.objects.every(({ groupAddresses }) => groupAddresses.length > 0)).toBe(true)
      }),
    )
  })
})

describe('discovery', () => {
  it('finds the endpoint names in the recorded answers', () => {
    const named = exchangesOf('unsecured-discovery.jsonl').flatMap(({ answer }) => {
      const text = new TextDecoder().decode(answer?.payload ?? new Uint8Array(0))
      return text.startsWith('<>;ep="knx:') ? [endpointNameOf(parseLinkFormat(text))] : []
    })
    expect(named.length).toBeGreaterThan(3)
    expect(new Set(named.map((name) => name?.serialNumber))).toEqual(new Set(['00fa10010400', '00fa10010700']))
  })

  it('asks as the recorded searches that were answered', () => {
    const asked = exchangesOf('unsecured-discovery.jsonl')
      .filter(({ answer }) => answer?.code === '2.05')
      .map(({ request }) => request.options.filter(({ number }) => number === 15).map(({ value }) => new TextDecoder().decode(value)))
    expect(asked).toContainEqual(searchRequest({ kind: 'all' }).query)
    expect(asked).toContainEqual(searchRequest({ kind: 'serial-number', serialNumber: '00fa10010400' }).query)
    expect(searchRequest({ kind: 'individual-address', installation: INSTALLATION, individualAddress: 0x1101 }).query).toEqual([
      'ep=knx://ia.d773e094b6.1101',
    ])
  })

  it('reads names with and without address and installation, and no others', () => {
    expect(parseEndpointName('knx://sn.00fa10010400 knx://ia.0.ffff')).toEqual({
      serialNumber: '00fa10010400',
      individualAddress: undefined,
      installation: undefined,
    })
    expect(parseEndpointName('knx://sn.00fa10010400 knx://ia.d773e094b6.1101')).toEqual({
      serialNumber: '00fa10010400',
      individualAddress: 0x1101,
      installation: INSTALLATION,
    })
    expect(parseEndpointName('lamp-1')).toBeUndefined()
  })
})

const wanted: KnxConfiguration = {
  installation: INSTALLATION,
  individualAddress: 0x1101,
  fabricId: 0x1234,
  groupObjects: [
    { id: 1, href: '/p/o_1_1', groupAddresses: [1], flags: ['communicate', 'read', 'transmit'] },
    { id: 2, href: '/p/o_2_2', groupAddresses: [2], flags: ['communicate', 'write', 'update'] },
  ],
  recipients: [{ id: 1, groupAddresses: [1], groupId: GROUP_ID }],
  publishers: [{ id: 1, groupAddresses: [2], groupId: GROUP_ID }],
  groupTokens: [],
}

describe('an unsecured push button and actuator as they were recorded', () => {
  const recordedButton = (): KnxDevice => new KnxDevice(reachOf(new RecordedDevice('unsecured-commission.jsonl', BUTTON)))

  it('take each request of the commissioning, and tell what was written', async () => {
    const device = recordedButton()
    await device.assignAddress(wanted.individualAddress, wanted.installation, wanted.fabricId)
    expect(await device.changeLoadState('start-loading')).toBe('loading')
    expect(await device.entryIds('g')).toEqual([1, 2])
    expect(await device.routes('r')).toEqual(wanted.recipients)
    expect(await device.changeLoadState('load-complete')).toBe('loaded')
    expect(await device.individualAddress()).toBe(0x1101)
    expect(await device.installation()).toBe(INSTALLATION)
    expect(await device.fingerprint()).toBeTypeOf('number')
  })

  it('hold the group objects that were written', () => {
    const objects = exchangesOf('unsecured-commission.jsonl')
      .filter(({ note, answer }) => note === 'fp/g/1' && answer?.code === '2.05')
      .map(({ answer }) => decodeGroupObject(answer?.payload ?? new Uint8Array(0)))
    expect(objects).toEqual([wanted.groupObjects[0], { id: 1, href: '/p/o_1_1', groupAddresses: [1], flags: ['communicate', 'write'] }])
  })

  it('refuse, and the code and the request are told', async () => {
    const device = new KnxDevice(reachOf(new RecordedDevice('unsecured-commission.jsonl', ACTUATOR)))
    await expect(
      device.writeGroupObjects([{ id: 9, href: '/p/none', groupAddresses: [1], flags: ['communicate', 'write'] }]),
    ).rejects.toMatchObject({ code: 'profile.reply-unexpected', details: { code: '4.00', request: 'POST /fp/g' } })
  })
})

describe('a device that keeps its tables', () => {
  const changes = ({ writes }: ScriptedDevice): readonly string[] => writes.map((write) => write.replace(/ .*/, ''))

  it('is given address, tables and keys while loading, and is unchanged the second time', async () => {
    const scripted = new ScriptedDevice()
    const device = new KnxDevice(scripted.reach)
    const groupTokens = [
      {
        id: 'grp1',
        groupAddresses: [1, 2],
        senderId: Uint8Array.of(9, 1),
        masterSecret: new Uint8Array(16).fill(1),
        contextId: Uint8Array.of(1),
      },
    ]
    const steps: string[] = []
    expect(await configureKnx(device, { ...wanted, groupTokens }, (step) => steps.push(step))).toBe('written')
    expect(steps).toEqual(['address', 'start-loading', 'tables', 'keys', 'load-complete', 'verified'])
    expect(scripted.refusals).toEqual([])
    const before = scripted.writes.length
    expect(await configureKnx(device, { ...wanted, groupTokens })).toBe('unchanged')
    expect(scripted.writes).toHaveLength(before)
  })

  it('is given the difference alone: what is wanted no more goes first', async () => {
    const scripted = new ScriptedDevice()
    const device = new KnxDevice(scripted.reach)
    await configureKnx(device, wanted)
    scripted.writes.length = 0
    const [button] = wanted.groupObjects
    if (button === undefined) throw new TypeError('no object')
    await configureKnx(device, { ...wanted, groupObjects: [{ ...button, groupAddresses: [3, 1] }], publishers: [] })
    expect(changes(scripted)).toEqual(['/a/lsm', '/fp/p', '/fp/g', '/fp/g', '/a/lsm'])
    expect(scripted.state).toBe(1)
  })

  it('ends configured wherever the line breaks, when it is done again', async () => {
    for (let broken = 1; broken < 25; broken++) {
      const scripted = new ScriptedDevice()
      scripted.breaksAfter = broken
      const device = new KnxDevice(scripted.reach)
      await configureKnx(device, wanted).catch((thrown: unknown) => expect(thrown).toMatchObject({ code: 'coap.timeout' }))
      scripted.breaksAfter = Infinity
      await configureKnx(device, wanted)
      expect(isEmptyDifference(await compareKnx(device, wanted))).toBe(true)
      expect(scripted.refusals).toEqual([])
    }
  })
})

describe('the label’s password', () => {
  const file = 'secure-commission-textid.jsonl'
  const secrets = linesOf(file).filter(({ note }) => note.startsWith('spake secrets')) as unknown as ReadonlyArray<
    Readonly<Record<'password' | 'x' | 'K_shared', string>>
  >
  const places = [
    ...new Set(
      exchangesOf(file)
        .filter(({ note }) => note.startsWith('SPAKE 1'))
        .map(({ to }) => to),
    ),
  ]

  function drawn(to: string, x: string): Random {
    const first = exchangesOf(file).find((exchange) => exchange.to === to && exchange.note.startsWith('SPAKE 1'))
    const nonce = first?.request.payload.slice(-32) ?? new Uint8Array(32)
    return {
      ...systemRandom,
      bytes: (length) => (length === 32 ? nonce : concatBytes(new Uint8Array(8), fromHex(x.padStart(64, '0')) ?? new Uint8Array(32))),
    }
  }

  it.each(places.map((to, index) => ({ to, index })))('gives the keys that the device at $to agreed to', async ({ to, index }) => {
    const secret = secrets[index]
    if (secret === undefined) throw new TypeError('no secrets')
    const options: PasswordOptions = { password: secret.password, tokenId: 'tool', random: drawn(to, secret.x) }
    const keys = await proveKnxPassword(reachOf(new RecordedDevice(file, to)), options)
    expect(toHex(keys.masterSecret)).toBe(secret.K_shared)
    expect(keys.recipientId).toHaveLength(0)
  })

  it('is told wrong before the device is told anything that proves it', async () => {
    const [to = ''] = places
    const [secret] = secrets
    const device = new RecordedDevice(file, to)
    const options = { password: `${secret?.password ?? ''}0`, tokenId: 'tool', random: drawn(to, secret?.x ?? '') }
    // The share of another password was never recorded: the client fails, and no proof goes out.
    await expect(proveKnxPassword(reachOf(device), options)).rejects.toThrow()
    expect(device.asked).toHaveLength(2)
  })
})

describe('tables and messages', () => {
  it('writes tokens as the stack took them: no algorithm, no salt', () => {
    const token = {
      id: 'grp1',
      groupAddresses: [1, 2],
      senderId: Uint8Array.of(9, 1),
      masterSecret: new Uint8Array(16).fill(1),
      contextId: new Uint8Array(7),
    }
    const [entry] = decodeCbor(encodeTokens([token])) as ReadonlyArray<ReadonlyMap<number, unknown>>
    expect([...(entry?.keys() ?? [])]).toEqual([0, 8, 9, 38])
    expect(entry?.get(8)).toEqual(
      new Map([[4, new Map([0, 2, 6].map((key, index) => [key, [token.senderId, token.masterSecret, token.contextId][index]]))]]),
    )
    expect(() => encodeGroupObjects([{ id: 1, href: '/p/1', groupAddresses: [], flags: ['write'] }])).toThrow(AppError)
  })

  it('reads the group messages that were heard', () => {
    expect(decodeGroupMessage(fromHex('bf0419110105bf070106616101f4ffff') ?? new Uint8Array(0))).toEqual({
      service: 'answer',
      sender: 0x1101,
      groupAddress: 1,
      value: false,
    })
    expect(decodeGroupMessage(fromHex('a20419110105a3066177070101f5') ?? new Uint8Array(0))).toEqual({
      service: 'write',
      sender: 0x1101,
      groupAddress: 1,
      value: true,
    })
  })

  it('reads the group messages that it writes', () => {
    const message = fc.record({
      service: fc.constantFrom('write' as const, 'answer' as const),
      sender: fc.nat(0xffff),
      groupAddress: fc.integer({ min: 1, max: 0xffff }),
      value: fc.oneof(fc.boolean(), fc.integer(), fc.string()),
    })
    fc.assert(
      fc.property(message, (value) => {
        expect(decodeGroupMessage(encodeGroupMessage(value))).toEqual(value)
      }),
    )
  })

  it('any bytes give a value or a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of [decodeGroupMessage, decodeGroupObject, decodeGroupRoute]) {
          try {
            decode(bytes)
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(AppError)
          }
        }
      }),
    )
  })
})
