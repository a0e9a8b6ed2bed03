// Reads which groups are there already: asks servers by multicast, or one by one where there is none (groupcomm-bis Appendix C), looks
// them up in directories (RFC 9176 Appendix A), and reads group tables through the devices' profiles. It never writes to a device.
import { AppError, isAbort, toAppError, type Clock, type DeviceId, type SocketAddress } from '#main/base/index.ts'
import type { DeviceDirectory, DiscoveryChannel } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import { findBlock, type ClientResponse, type CoapClient } from '#main/wire/coap/index.ts'
import { normaliseAddress, parseSocketAddress } from '#main/wire/ip/index.ts'
import type { Failure, SurveyRow, SurveySource } from '#contract/model.ts'
import { fetchText, openDirectory, textOf, type DirectoryLookups } from './directories.ts'
import type { FoundGroups, Speaker } from './found.ts'
import { isGroupAddress, mentionsIn, registeredGroups, type GroupEndpoint } from './group-links.ts'
import type { Readings } from './readings.ts'
import { isReachable } from './watch.ts'

export interface ReadWish {
  readonly servers: boolean
  readonly directory: boolean
  readonly tables: boolean
  /** Other directories, as text. */
  readonly directories: readonly string[]
  readonly types: readonly string[]
}

export interface ReaderOptions {
  readonly devices: DeviceDirectory
  readonly groups: Pick<GroupEngine, 'book' | 'coapFeed' | 'exclusive' | 'takeIn'>
  readonly readings: Pick<Readings, 'read' | 'failed'>
  readonly found: FoundGroups
  /** Whether the device's kind has a group table that can be read. */
  readonly hasTable: (id: DeviceId) => boolean
  readonly channels: () => readonly DiscoveryChannel[]
  /** The site's own directory; what this program registered itself is left out. */
  readonly directory: DirectoryLookups
  readonly clock: Clock
  readonly onChange: () => void
}

type Progress = SurveyRow['reading']

const COAP_PORT = 5683
/** How long answers to one question are waited for; a slow medium brings them over a Leisure that grows with the devices (RFC 7252 §8.2). */
const ANSWERS_MS = { quick: 4000, slow: 6000, longest: 60_000 }
/** Bytes of an answer with some group links. */
const ANSWER_BYTES = 100
const SLOW_BYTES_PER_S = 4000
const AT_ONCE = 4
const MOST_GROUPS_ASKED = 64
const FAILURES_SHOWN = 20
const BLOCK2 = 23
const GROUP_QUERIES = ['rt=g.*', 'gpt=*', 'href=/gp/*']
const SECURITY_QUERY = 'rt=core.osc.gm'

export const NO_READING: Progress = {
  state: 'idle',
  step: null,
  done: 0,
  total: 0,
  startedAt: null,
  finishedAt: null,
  groups: 0,
  failures: [],
}

export class SurveyReader {
  readonly #options: ReaderOptions
  #progress: Progress = NO_READING
  #speakers: Speakers | undefined
  #run: { readonly abort: AbortController; readonly done: Promise<void> } | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  get progress(): Progress {
    return this.#progress
  }

  /** Throws `discovery.running` while a reading is under way, `input.invalid` for a directory's address that is none. */
  start(wish: ReadWish): void {
    if (this.#run !== undefined) throw new AppError('discovery.running', 'A reading is under way already')
    const directories = wish.directories.map((text) => {
      const at = parseSocketAddress(text, COAP_PORT)
      if (at === undefined) throw new AppError('input.invalid', `${text} is no IP address`, { details: { directory: text } })
      return { text, at }
    })
    this.#options.found.clear()
    this.#show({ ...NO_READING, state: 'running', startedAt: this.#options.clock.now() })
    const abort = new AbortController()
    const done = this.#read(wish, directories, abort.signal).finally(() => {
      this.#run = undefined
      this.#show({ ...this.#progress, state: 'idle', step: null, finishedAt: this.#options.clock.now() })
    })
    this.#run = { abort, done }
  }

  stop(): void {
    this.#run?.abort.abort()
  }

  /** Resolves when the reading that is under way has ended. */
  async idle(): Promise<void> {
    await this.#run?.done
  }

  async #read(wish: ReadWish, directories: ReadonlyArray<{ text: string; at: SocketAddress }>, signal: AbortSignal): Promise<void> {
    if (wish.directory) await this.#part('directory', 'directory', signal, () => this.#fromDirectory(this.#options.directory, 'directory'))
    for (const { text, at } of directories) {
      await this.#part('foreign-directory', text, signal, async () => {
        const client = this.#clientTo(at)
        await this.#fromDirectory(await openDirectory(client, at, signal), 'foreign-directory')
      })
    }
    if (wish.servers) await this.#fromServers(wish.types, signal)
    if (wish.tables) await this.#fromTables(signal)
  }

  /** A part that fails is told, and the others go on. */
  async #part(step: SurveySource, about: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    if (isOver(signal)) return
    // Devices may have moved since the last part; within one, a building full of answers is not looked up device by device.
    this.#speakers = undefined
    this.#show({ ...this.#progress, step })
    try {
      await work()
    } catch (thrown) {
      if (!signal.aborted) this.#failed(about, thrown)
    }
    this.#show({ ...this.#progress, groups: this.#options.found.size })
  }

  // ---- Directories -------------------------------------------------------------------------------------------------

  async #fromDirectory(lookups: DirectoryLookups, source: 'directory' | 'foreign-directory'): Promise<void> {
    const { found } = this.#options
    for await (const text of lookups.endpoints('et=core.rd-group')) {
      for (const group of registeredGroups(text)) found.mention(group, source, undefined)
    }
    for await (const text of lookups.resources('rt=g.*')) {
      // A directory resolves relative links to who registered them: only a multicast authority names a CoAP group.
      for (const mention of mentionsIn(text, null).groups) {
        found.mention(mention, source, mention.holder === null ? undefined : this.#speakerAt(mention.holder))
      }
    }
    for await (const text of lookups.resources(SECURITY_QUERY)) {
      for (const mention of mentionsIn(text, null).security) found.secured(mention)
    }
  }

  #clientTo(at: SocketAddress): CoapClient {
    const channels = this.#options.channels()
    const way = channels.find(({ slow }) => slow === undefined) ?? channels[0]
    if (way === undefined) throw new AppError('network.down', 'No channel is up', { retryable: true, details: { to: at.address } })
    return way.client
  }

  /** Whoever the base URI names: an address literal of a device that is known, else the URI itself. */
  #speakerAt(base: string): Speaker {
    const host = /^coap:\/\/(?:\[([^\]]+)\]|([^/:]+))/i.exec(base)
    const address = normaliseAddress(host?.[1] ?? host?.[2] ?? '')
    return this.#known().byAddress.get(address ?? '') ?? { deviceId: null, label: (address ?? base).slice(0, 120) }
  }

  #known(): Speakers {
    return (this.#speakers ??= speakersOf(this.#options.devices.all()))
  }

  // ---- Servers -----------------------------------------------------------------------------------------------------

  async #fromServers(types: readonly string[], signal: AbortSignal): Promise<void> {
    const queries = [...new Set([...GROUP_QUERIES, ...types.map((type) => `rt=${type}`), SECURITY_QUERY])]
    for (const channel of this.#options.channels()) {
      await this.#part('server', channel.client.channelId, signal, async () => {
        if (channel.allNodes.length === 0) await this.#askEach(channel, ['rt=g.*', 'href=/gp/*'], signal)
        for (const to of channel.allNodes) for (const query of queries) await this.#askAll(channel, to, query, null, signal)
        // C.1: the members of each CoAP group that is known by now say which application groups they are in there.
        const zone = channel.allNodes[0]?.zone
        const family = channel.allNodes[0]?.address.includes(':')
        for (const at of family === undefined ? [] : this.#knownGroups()) {
          if (at.address.includes(':') !== family) continue
          await this.#askAll(channel, zone === undefined ? at : { ...at, zone }, 'rt=g.*', at, signal)
        }
      })
    }
  }

  #knownGroups(): readonly GroupEndpoint[] {
    const project = this.#options.groups.coapFeed.rows().map(({ address, port }) => ({ address, port }))
    const all = [...this.#options.found.endpoints(), ...project].filter(
      ({ address }) => normaliseAddress(address) !== undefined && isGroupAddress(address),
    )
    return [...new Map(all.map((at) => [`${at.address} ${at.port}`, at])).values()].slice(0, MOST_GROUPS_ASKED)
  }

  async #askAll(
    channel: DiscoveryChannel,
    to: SocketAddress,
    query: string,
    askedAt: GroupEndpoint | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return
    const deadlineMs = this.#answersWithinMs(channel)
    const request = { method: 'GET', path: ['.well-known', 'core'], query: [query] } as const
    const followUps: Array<Promise<void>> = []
    const repeat = [{ afterMs: deadlineMs / 2, messageId: 'new' as const }]
    for await (const answer of channel.client.groupRequest(to, request, { deadlineMs, signal, repeat })) {
      if (channel.isOwn?.(answer.source) === true) continue
      followUps.push(
        this.#answered(channel, answer, query, askedAt, signal).catch(
          (thrown: unknown) => void this.#failed(answer.source.address, thrown),
        ),
      )
    }
    await Promise.all(followUps)
  }

  #answersWithinMs({ client, slow }: DiscoveryChannel): number {
    if (slow === undefined) return ANSWERS_MS.quick
    const group = this.#options.devices.all().filter(({ channelId }) => channelId === client.channelId).length
    const leisureMs = (ANSWER_BYTES * group * 1000) / (slow.bytesPerS ?? SLOW_BYTES_PER_S)
    return Math.min(ANSWERS_MS.longest, ANSWERS_MS.slow + leisureMs)
  }

  /** What did not fit one response is asked for by unicast, as Appendix C has it. */
  async #answered(
    channel: DiscoveryChannel,
    answer: ClientResponse,
    query: string,
    askedAt: GroupEndpoint | null,
    signal: AbortSignal,
  ): Promise<void> {
    const block = findBlock(answer.options, BLOCK2)
    const isPart = block !== undefined && block !== 'invalid' && block.more
    const text = isPart ? await fetchText(channel.client, answer.source, ['.well-known', 'core'], [query], signal) : textOf(answer)
    if (text !== undefined) this.#said(text, this.#speaker(channel.client.channelId, answer.source), askedAt)
  }

  async #askEach(channel: DiscoveryChannel, queries: readonly string[], signal: AbortSignal): Promise<void> {
    const places = channel.known?.() ?? []
    this.#show({ ...this.#progress, done: 0, total: places.length })
    await inParallel(places, AT_ONCE, signal, async (at) => {
      try {
        for (const query of queries) {
          const text = await fetchText(channel.client, at, ['.well-known', 'core'], [query], signal)
          this.#said(text, this.#speaker(channel.client.channelId, at), null)
        }
      } catch (thrown) {
        if (!signal.aborted) this.#failed(at.address, thrown)
      }
      this.#show({ ...this.#progress, done: this.#progress.done + 1 })
    })
  }

  #said(text: string, speaker: Speaker, askedAt: GroupEndpoint | null): void {
    const { groups, security } = mentionsIn(text, askedAt)
    for (const mention of groups) this.#options.found.mention(mention, 'server', speaker)
    for (const mention of security) this.#options.found.secured(mention)
    if (groups.length > 0) this.#show({ ...this.#progress, groups: this.#options.found.size })
  }

  #speaker(channelId: string, source: SocketAddress): Speaker {
    return this.#known().byPlace.get(`${channelId} ${source.address}`) ?? { deviceId: null, label: source.address }
  }

  // ---- Device tables -----------------------------------------------------------------------------------------------

  async #fromTables(signal: AbortSignal): Promise<void> {
    const { devices } = this.#options
    const reachable = devices.all().filter((device) => isReachable(device) && this.#options.hasTable(device.id))
    this.#show({ ...this.#progress, step: 'table', done: 0, total: reachable.length })
    await inParallel(reachable, AT_ONCE, signal, async ({ id, name }) => {
      try {
        await this.#readTable(id, name, signal)
      } catch (thrown) {
        if (!signal.aborted) {
          const failure = this.#failed(name, thrown)
          this.#options.readings.failed(id, failure)
        }
      }
      this.#show({ ...this.#progress, done: this.#progress.done + 1, groups: this.#options.found.size })
    })
  }

  #readTable(id: DeviceId, label: string, signal: AbortSignal): Promise<void> {
    const { devices, groups, readings, found } = this.#options
    return groups.exclusive(id, async () => {
      signal.throwIfAborted()
      const { contact, profile } = devices.contact(id)
      const table = await profile.readMemberships(contact, signal)
      groups.takeIn(id, table, 'verify')
      readings.read(id, table, 'survey')
      for (const entry of table) {
        found.mention({ name: entry.name, at: entry, types: [], holder: null }, 'table', { deviceId: id, label }, entry)
      }
    })
  }

  #failed(about: string, thrown: unknown): Failure {
    const { code, message, retryable, details } = toAppError(thrown)
    const failure = { code, message, retryable, details: { ...details } }
    if (this.#progress.failures.length < FAILURES_SHOWN && !isAbort(toAppError(thrown)))
      this.#show({ ...this.#progress, failures: [...this.#progress.failures, { about: about.slice(0, 120), failure }] })
    return failure
  }

  #show(progress: Progress): void {
    this.#progress = progress
    this.#options.onChange()
  }
}

interface Speakers {
  readonly byAddress: ReadonlyMap<string, Speaker>
  /** By `<channel> <address>`. */
  readonly byPlace: ReadonlyMap<string, Speaker>
}

function speakersOf(devices: ReturnType<DeviceDirectory['all']>): Speakers {
  const placed = devices.flatMap(({ id, name, channelId, at }) =>
    at === null ? [] : [{ speaker: { deviceId: id, label: name }, channelId, address: at.address }],
  )
  // The first of several at one address is the one that stays in a map.
  placed.reverse()
  return {
    byAddress: new Map(placed.map(({ address, speaker }) => [address, speaker])),
    byPlace: new Map(placed.map(({ channelId, address, speaker }) => [`${channelId} ${address}`, speaker])),
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted
}

async function inParallel<Item>(
  items: readonly Item[],
  atOnce: number,
  signal: AbortSignal,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (signal.aborted) return
      await work(item)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
