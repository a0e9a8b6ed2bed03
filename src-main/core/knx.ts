// KNX IoT devices of an open site: searched on every channel, opened by the password of their label, configured with keys of the site.
import { AppError, toAppError, utf8, type Clock, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import {
  configureKnx,
  endpointNameOf,
  formatGroupAddress,
  formatIndividualAddress,
  formatInstallationId,
  groupMessageRequest,
  groupMulticastAddress,
  groupIdOf,
  KNX_PORT,
  KnxDevice,
  parseGroupAddress,
  parseIndividualAddress,
  proveKnxPassword,
  searchRequest,
  senderContextId,
  type DiscoveryChannel,
  type GroupObject,
  type GroupRoute,
  type GroupToken,
  type InstallationId,
  type KnxConfiguration,
  type KnxEndpointName,
  type KnxReach,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import { parseLinkFormat, type ClientRequest, type ClientResponse, type RequestSecurity } from '#main/wire/coap/index.ts'
import { UnicastContext, type OscoreLayer, type SequenceStore } from '#main/wire/oscore/index.ts'
import type { KnxConfigurationInput, KnxDeviceDetail, KnxFoundRow } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import type { KnxKeys, KnxKeyStore } from './knx-keys.ts'

export interface KnxPorts {
  readonly channels: () => readonly DiscoveryChannel[]
  /** Throws `security.locked` where there is no keyring. */
  readonly keys: () => KnxKeyStore
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface KnxDesk {
  search(input: OpParsed<'knx.search'>): Promise<KnxFoundRow[]>
  open(input: OpParsed<'knx.open'>): Promise<void>
  show(input: OpParsed<'knx.show'>): Promise<KnxDeviceDetail>
  configure(input: OpParsed<'knx.configure'>): Promise<{ outcome: 'unchanged' | 'written' }>
  send(input: OpParsed<'knx.send'>): Promise<void>
  reset(input: OpParsed<'knx.reset'>): Promise<{ seconds: number }>
}

/** So long answers to a search are waited for: devices spread theirs over DEFAULT_LEISURE (RFC 7252 §8.2). */
const SEARCH_MS = 6000
/** For one device alone: who was asked a moment before answers in the period after (groupcomm-bis §3.6). It ends with the answer. */
const FIND_MS = 11_000
/** A device that was found before is asked there first. */
const KNOWN_MS = 3000
/** A message to a group has no answer. */
const UNANSWERED_MS = 1
/** `if.sec` lets it write tokens, the others what their names say; the older stack lets the password's keys do little else. */
const MANAGEMENT_SCOPE = ['if.sec', 'if.c', 'if.d', 'if.p', 'if.a', 'if.s', 'if.i', 'if.o', 'if.g']
const MANAGEMENT_TOKEN = 'gw'
const PASSWORD_TOKEN = 'gwpase'
/** The tool's own place in the installation: the last of the last line. */
const TOOL_ADDRESS = 0xfffe
/** Two tables' worth of tokens: a device has no more, and one is the tool's. */
const MOST_GROUP_TOKENS = 18

interface Found {
  readonly name: KnxEndpointName
  readonly channel: DiscoveryChannel
  readonly at: SocketAddress
}

export function createKnxDesk(ports: KnxPorts): KnxDesk {
  const { channels, keys, layer, sequences, random, logger } = ports
  /** Where devices that were worked with have answered. */
  const places = new Map<SerialNumber, Found>()

  /** Asks everywhere; ends early when the one that is looked for has answered. */
  async function ask(request: ClientRequest, wanted?: SerialNumber): Promise<ReadonlyMap<SerialNumber, Found>> {
    const found = new Map<SerialNumber, Found>()
    const stop = new AbortController()
    const deadlineMs = wanted === undefined ? SEARCH_MS : FIND_MS
    const listen = async (channel: DiscoveryChannel, to: SocketAddress): Promise<void> => {
      try {
        for await (const answer of channel.client.groupRequest(to, request, { deadlineMs, signal: stop.signal })) {
          const name = nameIn(answer)
          if (name === undefined) continue
          found.set(name.serialNumber, { name, channel, at: answer.source })
          if (name.serialNumber === wanted) stop.abort()
        }
      } catch (thrown) {
        if (!stop.signal.aborted) logger.warn({ code: toAppError(thrown).code, channel: channel.client.channelId }, 'a KNX search failed')
      }
    }
    await Promise.all(channels().flatMap((channel) => channel.allNodes.map((to) => listen(channel, to))))
    return found
  }

  async function find(serialNumber: SerialNumber): Promise<Found> {
    const request = searchRequest({ kind: 'serial-number', serialNumber })
    const before = places.get(serialNumber)
    const found =
      (before !== undefined && (await isThere(before, request)) ? before : undefined) ??
      (await ask(request, serialNumber)).get(serialNumber)
    if (found === undefined)
      throw new AppError('knx.not-found', `No device with the serial number ${serialNumber} answers`, { retryable: true })
    places.set(serialNumber, found)
    return found
  }

  async function isThere({ name, channel, at }: Found, request: ClientRequest): Promise<boolean> {
    try {
      return nameIn(await channel.client.request(at, request, { timeoutMs: KNOWN_MS }))?.serialNumber === name.serialNumber
    } catch {
      // It may have another address now.
      return false
    }
  }

  /** `fresh` for keys that were drawn this moment: only then do their numbers begin. */
  function secured(
    name: string,
    { senderId, masterSecret }: KnxKeys,
    received: 'fresh' | 'unknown',
    idContext?: Uint8Array,
  ): RequestSecurity {
    layer.remove(name)
    // Of no bytes at the device; nobody answers to a group's.
    const recipientId = idContext === undefined ? new Uint8Array(0) : utf8('-')
    const input = { name, masterSecret, senderId, recipientId, ...(idContext === undefined ? {} : { idContext }) }
    layer.add(new UnicastContext(input, { sequences, received }))
    return layer.to(name)
  }

  async function reach({
    serialNumber,
    unsecured,
  }: {
    readonly serialNumber: SerialNumber
    readonly unsecured: boolean
  }): Promise<KnxReach> {
    const known = unsecured ? undefined : keys().device(serialNumber)
    if (!unsecured && known === undefined)
      throw new AppError('knx.not-opened', 'The site has no keys for this device: open it with the password of its label first')
    const { channel, at } = await find(serialNumber)
    const plain = { client: channel.client, at }
    return known === undefined ? plain : { ...plain, security: managementOf(serialNumber, known, 'unknown') }
  }

  function managementOf(serialNumber: SerialNumber, own: KnxKeys, received: 'fresh' | 'unknown'): RequestSecurity {
    return secured(`knx ${serialNumber}`, own, received)
  }

  /** The keys of a group address, and what protects the tool's own messages to it. */
  function groupOf(store: KnxKeyStore, address: number): { readonly shared: KnxKeys; readonly security: RequestSecurity } {
    const { isNew, ...shared } = store.group(address)
    const context = senderContextId(store.installation(), TOOL_ADDRESS)
    return { shared, security: secured(`knx group ${address}`, shared, isNew ? 'fresh' : 'unknown', context) }
  }

  return {
    async search({ serialNumber, programmingMode }) {
      const search =
        serialNumber === undefined
          ? programmingMode
            ? ({ kind: 'programming-mode' } as const)
            : ({ kind: 'all' } as const)
          : ({ kind: 'serial-number', serialNumber } as const)
      const found = await ask(searchRequest(search), serialNumber)
      return [...found.values()]
        .map(({ name, channel, at }) => ({
          serialNumber: name.serialNumber,
          individualAddress: name.individualAddress === undefined ? null : formatIndividualAddress(name.individualAddress),
          installation: name.installation === undefined ? null : formatInstallationId(name.installation),
          address: at.address,
          port: at.port,
          channel: channel.client.channelId,
          opened: isOpened(keys, name.serialNumber),
        }))
        .toSorted((a, b) => (a.serialNumber < b.serialNumber ? -1 : 1))
    },

    async open({ serialNumber, password }) {
      const store = keys()
      const { channel, at } = await find(serialNumber)
      const plain = { client: channel.client, at }
      const proven = await proveKnxPassword(plain, { password, tokenId: PASSWORD_TOKEN, random })
      const first = new KnxDevice({ ...plain, security: secured(`knx ${serialNumber} password`, proven, 'fresh') })
      const drawn = store.drawDevice()
      // Kept before the device has them: the other way round, a crash would leave a device that nobody can open.
      store.keepDevice(serialNumber, drawn)
      await first.writeTokens([{ id: MANAGEMENT_TOKEN, scope: MANAGEMENT_SCOPE, ...drawn }])
      const device = new KnxDevice({ ...plain, security: managementOf(serialNumber, drawn, 'fresh') })
      await device.loadState()
      // The password's keys have served; some devices forget them by themselves.
      await device.removeToken(PASSWORD_TOKEN).catch((thrown: unknown) => {
        logger.info({ code: toAppError(thrown).code, serialNumber }, 'the keys of the password stay on the device')
      })
      layer.remove(`knx ${serialNumber} password`)
    },

    async show(input) {
      const device = new KnxDevice(await reach(input))
      const { serialNumber, ...identity } = await device.identity()
      const address = await device.individualAddress()
      const addressesOf = (routes: readonly GroupRoute[]): string[] =>
        [...new Set(routes.flatMap(({ groupAddresses }) => groupAddresses))].map(formatGroupAddress)
      return {
        serialNumber,
        ...identity,
        individualAddress: address === undefined ? null : formatIndividualAddress(address),
        installation: formatInstallationId(await device.installation()),
        loadState: await device.loadState(),
        datapoints: (await device.datapoints()).map(({ href, resourceTypes }) => ({ href, resourceTypes: [...resourceTypes] })),
        objects: (await device.groupObjects()).map(({ href, groupAddresses, flags }) => ({
          href,
          groupAddresses: groupAddresses.map(formatGroupAddress),
          flags: [...flags],
        })),
        sendsTo: addressesOf(await device.routes('r')),
        listensTo: addressesOf(await device.routes('p')),
      }
    },

    async configure({ configuration, ...input }) {
      const store = keys()
      const wanted = configurationOf(
        configuration,
        store.installation(),
        input.unsecured ? undefined : (address) => groupOf(store, address).shared,
      )
      return { outcome: await configureKnx(new KnxDevice(await reach(input)), wanted) }
    },

    async send({ groupAddress, value, unsecured }) {
      const store = keys()
      const address = requireGroupAddress(groupAddress)
      const installation = store.installation()
      const request = groupMessageRequest({ service: 'write', sender: TOOL_ADDRESS, groupAddress: address, value })
      const security = unsecured ? undefined : groupOf(store, address).security
      for (const { client, allNodes } of channels()) {
        for (const { zone } of allNodes.slice(0, 1)) {
          const to = {
            // Of the scopes that devices join, the one that leaves the link.
            address: groupMulticastAddress(installation, groupIdOf(address), 'site-local'),
            port: KNX_PORT,
            ...(zone === undefined ? {} : { zone }),
          }
          const sent = client.groupRequest(to, security === undefined ? request : { ...request, security }, { deadlineMs: UNANSWERED_MS })
          for await (const answer of sent) logger.debug({ code: answer.code }, 'somebody answered a group message')
        }
      }
    },

    async reset({ kind, ...input }) {
      return { seconds: await new KnxDevice(await reach(input)).reset(kind) }
    },
  }
}

function isOpened(keys: KnxPorts['keys'], serialNumber: SerialNumber): boolean {
  try {
    return keys().device(serialNumber) !== undefined
  } catch {
    return false
  }
}

function nameIn(answer: ClientResponse): KnxEndpointName | undefined {
  try {
    return endpointNameOf(parseLinkFormat(new TextDecoder().decode(answer.payload.subarray(0, 4096))))
  } catch {
    // Others answer such searches too.
    return undefined
  }
}

/** Routes follow from the flags: a device sends where it transmits or answers, and listens where it is written, updated or read. */
export function configurationOf(
  { individualAddress, objects }: KnxConfigurationInput,
  installation: InstallationId,
  groupKeys: ((groupAddress: number) => KnxKeys) | undefined,
): KnxConfiguration {
  const address = parseIndividualAddress(individualAddress)
  if (address === undefined || address === 0 || address >= TOOL_ADDRESS)
    throw new AppError('input.invalid', `${individualAddress} is no individual address that a device can have`, {
      details: { field: 'individualAddress' },
    })
  const groupObjects: readonly GroupObject[] = objects.map(({ href, groupAddresses, flags }, index) => ({
    id: index + 1,
    href,
    groupAddresses: groupAddresses.map(requireGroupAddress),
    flags: [...new Set(['communicate' as const, ...flags])],
  }))
  const all = [...new Set(groupObjects.flatMap(({ groupAddresses }) => groupAddresses))]
  if (groupKeys !== undefined && all.length > MOST_GROUP_TOKENS)
    throw new AppError('input.too-large', `A device has keys for at most ${MOST_GROUP_TOKENS} group addresses`)
  const context = senderContextId(installation, address)
  const groupTokens: readonly GroupToken[] =
    groupKeys === undefined
      ? []
      : all.map((groupAddress) => ({
          id: `g${groupAddress}`,
          groupAddresses: [groupAddress],
          contextId: context,
          ...groupKeys(groupAddress),
        }))
  return {
    installation,
    individualAddress: address,
    groupObjects,
    recipients: routesOf(groupObjects, ({ flags, groupAddresses }) => [
      ...(flags.includes('transmit') ? groupAddresses.slice(0, 1) : []),
      ...(flags.includes('read') || flags.includes('initialise') ? groupAddresses : []),
    ]),
    publishers: routesOf(groupObjects, ({ flags, groupAddresses }) =>
      flags.some((flag) => flag === 'write' || flag === 'update' || flag === 'read') ? groupAddresses : [],
    ),
    groupTokens,
  }
}

function routesOf(objects: readonly GroupObject[], addressesOf: (object: GroupObject) => readonly number[]): readonly GroupRoute[] {
  const addresses = [...new Set(objects.flatMap(addressesOf))]
  return addresses.map((address, index) => ({ id: index + 1, groupAddresses: [address], groupId: groupIdOf(address) }))
}

function requireGroupAddress(text: string): number {
  const address = parseGroupAddress(text)
  if (address === undefined) throw new AppError('input.invalid', `${text} is no group address`, { details: { field: 'groupAddresses' } })
  return address
}
