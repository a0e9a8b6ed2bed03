// Spoiled, replayed, spliced and truly sealed but senseless messages against two members of a group that also share a context of their own
// and talk all the while: no act happens that nobody asked for, none twice, no answer is believed that nobody gave, and no nonce is used
// for two messages.
import { seededRandom, silentLogger, utf8, utf8ToText, type Random, type SocketAddress } from '#main/base/index.ts'
import {
  blockOption,
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  findOption,
  OptionNumber,
  ResourceTree,
  type CoapMessage,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import {
  decodeOption,
  encodeOption,
  OscoreLayer,
  SecurityGroup,
  UnicastContext,
  volatileSequences,
  type OscoreCounters,
  type OscoreOption,
  type SequenceStore,
} from '#main/wire/oscore/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { GROUP_ADDRESS, groupInputOf, memberKeys, pairInput, type MemberKeys } from '../wire/oscore/harness.ts'
import { mutate } from './corpus.ts'
import { Ether } from './ether.ts'
import { Nonces } from './nonces.ts'

export interface OscoreFuzzOptions {
  readonly messages: number
  readonly seed: number
  readonly onProgress?: (done: number, heapBytes: number) => void
}

export interface OscoreFuzzReport {
  readonly faults: readonly string[]
  readonly alive: boolean
  /** Requests that were answered, and such that were acted on. */
  readonly answered: number
  readonly acted: number
  readonly counters: readonly OscoreCounters[]
}

const REKEYED_EVERY = 4000
const RESTARTED_EVERY = 3000
const KIDS = [1, 2, 3, 9].map((id) => Uint8Array.of(id))

interface Member {
  readonly at: SocketAddress
  readonly endpoint: CoapEndpoint
  readonly layer: OscoreLayer
  readonly group: SecurityGroup
  readonly sequences: SequenceStore
}

function optionOf({ options }: CoapMessage): OscoreOption | undefined {
  const found = findOption(options, OptionNumber.OSCORE)
  return found === undefined ? undefined : decodeOption(found.value)
}

export async function fuzzOscore(options: OscoreFuzzOptions): Promise<OscoreFuzzReport> {
  const faults: string[] = []
  const fault = (what: string): void => {
    if (faults.length < 100) faults.push(what)
  }
  const onRejection = (reason: unknown): void => fault(`unhandled rejection: ${String(reason)}`)
  process.on('unhandledRejection', onRejection)
  try {
    return await run(options, faults, fault)
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

async function run(options: OscoreFuzzOptions, faults: readonly string[], fault: (what: string) => void): Promise<OscoreFuzzReport> {
  const random = seededRandom(options.seed)
  const clock = new VirtualClock()
  const nonces = new Nonces(fault)
  const ether = new Ether()
  const keys = memberKeys(3)
  const asked = new Set<string>()
  const acted = new Map<string, number>()
  const logger = { ...silentLogger, error: (details: object) => fault(`logged an error: ${JSON.stringify(details)}`) }
  const members = keys.slice(0, 2).map((_, index): Member => {
    const channel = ether.port(`2001:db8::${index + 1}`)
    const layer = new OscoreLayer({ random })
    const sequences = volatileSequences()
    const alone = new UnicastContext(pairInput(index === 0 ? 'client' : 'server'), { sequences, received: 'fresh' })
    nonces.watchUnicast(alone, sequences)
    layer.add(alone)
    const group = new SecurityGroup(groupInputOf(keys, index), { clock, sequences })
    nonces.watch(group.current)
    layer.addGroup(group)
    const tree = new ResourceTree()
    tree.add('/act', {
      protection: 'required',
      answersGroupRequests: true,
      handlers: {
        POST: ({ payload }) => {
          const what = utf8ToText(payload) ?? '?'
          const key = `${index} ${what}`
          acted.set(key, (acted.get(key) ?? 0) + 1)
          if (!asked.has(what)) fault(`acted on what nobody asked for: ${what}`)
          if ((acted.get(key) ?? 0) > 1) fault(`acted twice: ${key}`)
          return { code: '2.04', payload: utf8(`done ${what}`) }
        },
      },
    })
    const endpoint = new CoapEndpoint({ channel, tree, clock, random, logger, security: layer })
    return { at: channel.local, endpoint, layer, group, sequences }
  })
  const [first, second] = members
  if (first === undefined || second === undefined) throw new TypeError('no members')
  const traitor = new SecurityGroup(groupInputOf(keys, 2), { clock, sequences: volatileSequences() })
  let answered = 0
  let count = 0
  let generation = 0
  const ask = (): void => {
    const [own, other, name] = random.below(2) === 0 ? [first, second, 'server'] : [second, first, 'client']
    const id = own === first ? 2 : 1
    const what = `act ${count++}`
    asked.add(what)
    const securities: readonly RequestSecurity[] = [own.layer.to(name), own.group.groupMode(), own.group.pairwise(Uint8Array.of(id))]
    const security = securities[random.below(securities.length)] ?? own.group.groupMode()
    const request = { method: 'POST' as const, path: ['act'], payload: utf8(what), security }
    const judge = (code: string, payload: Uint8Array, isProven: boolean): void => {
      answered++
      if (isProven && code === '2.04' && utf8ToText(payload) !== `done ${what}`)
        fault(`believed another answer: ${utf8ToText(payload) ?? '?'}`)
      if (!isProven && code.startsWith('2.')) fault('believed an answer that nobody has proven')
    }
    if (security === securities[1]) {
      void collect(own, request, judge).catch(() => undefined)
      return
    }
    own.endpoint.request(other.at, request, { timeoutMs: 60_000 }).then(
      ({ code, payload, peer }) => judge(code, payload, peer !== undefined),
      () => undefined,
    )
  }
  for (let done = 0; done < options.messages; done++) {
    if (done % 7 === 0) ask()
    if (done % REKEYED_EVERY === REKEYED_EVERY - 1) {
      rekey([first.group, second.group, traitor], keys, ++generation)
      for (const { group } of members) nonces.watch(group.current)
    }
    if (done % RESTARTED_EVERY === RESTARTED_EVERY - 1) {
      // The window of requests is lost, the sequence numbers are not.
      const alone = new UnicastContext(pairInput('server'), { sequences: second.sequences, received: 'unknown' })
      nonces.watchUnicast(alone, second.sequences)
      second.layer.add(alone)
    }
    const target = random.below(2) === 0 ? first : second
    const source = [first, second][random.below(2)]?.at ?? first.at
    try {
      const payload = random.below(10) === 0 ? betrayed(traitor, random) : spoiled(ether, random)
      ether.deliver(
        random.below(8) === 0 ? { address: '2001:db8::bad', port: 5683 } : source,
        random.below(10) === 0 ? GROUP_ADDRESS : target.at,
        payload,
      )
    } catch (thrown) {
      fault(`a message threw: ${String(thrown)}`)
    }
    ether.settle()
    if (done % 50 === 0) {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(500)
    }
    if (done % 20_000 === 0) options.onProgress?.(done, process.memoryUsage().heapUsed)
  }
  for (let round = 0; round < 200; round++) {
    ether.settle()
    await clock.advance(1000)
  }
  const alive = await isAlive(first, second, ether, clock, asked)
  const counters = members.map(({ layer }) => ({ ...layer.counters }))
  for (const { endpoint, group } of members) {
    endpoint.close()
    group.close()
  }
  traitor.close()
  return { faults, alive, answered, acted: acted.size, counters }
}

async function collect(
  own: Member,
  request: {
    readonly method: 'POST'
    readonly path: readonly string[]
    readonly payload: Uint8Array
    readonly security: RequestSecurity
  },
  judge: (code: string, payload: Uint8Array, isProven: boolean) => void,
): Promise<void> {
  for await (const { code, payload, peer } of own.endpoint.groupRequest(GROUP_ADDRESS, request, { deadlineMs: 20_000 })) {
    judge(code, payload, peer !== undefined)
  }
}

function rekey(groups: readonly SecurityGroup[], keys: readonly MemberKeys[], generation: number): void {
  groups.forEach((group, index) => group.rekey(groupInputOf(keys, index, {}, generation)))
}

/** What was heard, replayed, spoiled in its bytes or in its parts. */
function spoiled({ heard }: Ether, random: Random): Uint8Array {
  const any = (): Uint8Array => heard[random.below(heard.length)]?.payload ?? new Uint8Array(0)
  const start = any()
  if (random.below(2) === 0) return mutate(start, random, any)
  const message = decodeMessage(start)
  if (message.code === '0.00') return mutate(start, random, any)
  const other = decodeMessage(any())
  const option = optionOf(message)
  const spliced = random.below(4) === 0 ? other.payload : message.payload
  const changed: CoapMessage = {
    ...message,
    messageId: random.below(65_536),
    token: random.below(2) === 0 ? message.token : other.token,
    type: (['CON', 'NON', 'ACK'] as const)[random.below(3)] ?? 'NON',
    payload: spliced,
    options: message.options
      .map((one) =>
        one.number === OptionNumber.OSCORE && option !== undefined ? { ...one, value: renamed(option, optionOf(other), random) } : one,
      )
      .concat(
        random.below(8) === 0 ? [blockOption(random.below(2) === 0 ? OptionNumber.BLOCK1 : OptionNumber.BLOCK2, randomBlock(random))] : [],
      )
      .sort((a, b) => a.number - b.number),
  }
  return encodeMessage(changed)
}

function randomBlock(random: Random): { num: number; more: boolean; szx: number } {
  return { num: random.below(4), more: random.below(2) === 0, szx: random.below(7) }
}

function renamed(option: OscoreOption, other: OscoreOption | undefined, random: Random): Uint8Array {
  const one = <Value>(values: readonly Value[]): Value | undefined => values[random.below(values.length)]
  return encodeOption({
    group: random.below(4) === 0 ? !option.group : option.group,
    partialIv: random.below(3) === 0 ? (other?.partialIv ?? Uint8Array.of(1 + random.below(250))) : option.partialIv,
    kidContext: random.below(4) === 0 ? one([undefined, other?.kidContext, random.bytes(3)]) : option.kidContext,
    kid: random.below(4) === 0 ? one([undefined, ...KIDS]) : option.kid,
  })
}

/** A member's own message with bytes inside that are no plaintext, or one that another should have sent. */
function betrayed(traitor: SecurityGroup, random: Random): Uint8Array {
  const { current } = traitor
  const kid = current.senderId ?? new Uint8Array(0)
  const partialIv = current.takePartialIv()
  const request = { kid: random.below(3) === 0 ? Uint8Array.of(1 + random.below(2)) : kid, partialIv, gid: current.gid }
  const group = random.below(2) === 0
  const option = encodeOption({ group, partialIv, kidContext: current.gid, kid: request.kid })
  const frame = { request, isRequest: random.below(3) > 0, option, partialIv }
  // Codes without meaning, options without end: never a sound request, for that a member may send.
  const plaintext = random.bytes(1 + random.below(60))
  plaintext[0] = [0, 0x45, 0xff, 0x1f][random.below(4)] ?? 0
  const to = current.members.recipient(Uint8Array.of(1 + random.below(2)))
  const payload = group || to === undefined ? current.sealForGroup(frame, plaintext) : current.sealForOne(frame, to, plaintext)
  return encodeMessage({
    type: 'NON',
    messageId: random.below(65_536),
    code: frame.isRequest ? '0.02' : '2.04',
    token: random.bytes(4),
    options: [{ number: OptionNumber.OSCORE, value: option }],
    payload,
  })
}

async function isAlive(first: Member, second: Member, ether: Ether, clock: VirtualClock, asked: Set<string>): Promise<boolean> {
  const securities = [first.layer.to('server'), first.group.groupMode(), first.group.pairwise(Uint8Array.of(2))]
  for (const [index, security] of securities.entries()) {
    const what = `at the end ${index}`
    asked.add(what)
    let answer = ''
    first.endpoint.request(second.at, { method: 'POST', path: ['act'], payload: utf8(what), security }, { timeoutMs: 60_000 }).then(
      ({ payload }) => {
        answer = utf8ToText(payload) ?? ''
      },
      () => undefined,
    )
    for (let round = 0; round < 90; round++) {
      ether.settle()
      await clock.advance(1000)
    }
    if (answer !== `done ${what}`) return false
  }
  return true
}
