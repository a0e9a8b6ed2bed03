// KNX IoT devices of an open site: searched on every channel, opened by the password of their label, configured with keys of the site.
import { AppError, toAppError, type DeviceId, type GroupId, type Logger, type Random } from '#main/base/index.ts'
import {
  configureKnx,
  endpointNameOf,
  formatGroupAddress,
  formatIndividualAddress,
  formatInstallationId,
  groupAddressIn,
  groupMessageRequest,
  groupTokenId,
  KNX_PORT,
  KNX_PROFILE_ID,
  KnxDevice,
  multicastAddressOf,
  parseGroupAddress,
  parseIndividualAddress,
  parseSerialNumber,
  proveKnxPassword,
  searchRequest,
  senderContextId,
  withRoutes,
  type DiscoveryChannel,
  type GroupObject,
  type GroupRoute,
  type GroupToken,
  type InstallationId,
  type Inventory,
  type KnxConfiguration,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import { parseLinkFormat } from '#main/wire/coap/index.ts'
import type { KnxConfigurationInput, KnxDeviceDetail, KnxFoundRow, KnxProjectDevice, KnxSettings } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import { TOOL_ADDRESS, type KnxBook } from './knx-book.ts'
import type { KnxKeys, KnxKeyStore } from './knx-keys.ts'
import type { KnxReachBook } from './knx-reach.ts'

export interface KnxPorts {
  readonly book: KnxBook
  readonly reach: KnxReachBook
  readonly channels: () => readonly DiscoveryChannel[]
  /** Throws `security.locked` where there is no keyring. */
  readonly keys: () => KnxKeyStore
  readonly inventory: () => Pick<Inventory, 'get' | 'links'>
  readonly groups: () => Pick<GroupEngine, 'book' | 'updateCoap'>
  readonly labelPassword: (serialNumber: SerialNumber) => string | undefined
  readonly freshContext: (individualAddress: number) => Uint8Array
  readonly random: Random
  readonly logger: Logger
}

export interface KnxDesk {
  settings(): KnxSettings
  changeSettings(input: OpParsed<'knx.changeSettings'>): void
  device(id: DeviceId): KnxProjectDevice
  setAddress(input: OpParsed<'knx.setAddress'>): void
  bind(input: OpParsed<'knx.bind'>): void
  setGroupAddress(input: OpParsed<'knx.setGroupAddress'>): { groupAddress: string; address: string }
  search(input: OpParsed<'knx.search'>): Promise<KnxFoundRow[]>
  open(input: OpParsed<'knx.open'>): Promise<void>
  show(input: OpParsed<'knx.show'>): Promise<KnxDeviceDetail>
  configure(input: OpParsed<'knx.configure'>): Promise<{ outcome: 'unchanged' | 'written' }>
  send(input: OpParsed<'knx.send'>): Promise<void>
  reset(input: OpParsed<'knx.reset'>): Promise<{ seconds: number }>
}

/** A message to a group has no answer. */
const UNANSWERED_MS = 1
/** `if.sec` lets it write tokens, the others what their names say; the older stack lets the password's keys do little else. */
const MANAGEMENT_SCOPE = ['if.sec', 'if.c', 'if.d', 'if.p', 'if.a', 'if.s', 'if.i', 'if.o', 'if.g']
const MANAGEMENT_TOKEN = 'gw'
const PASSWORD_TOKEN = 'gwpase'
/** Two tables' worth of tokens: a device has no more, and one is the tool's. */
const MOST_GROUP_TOKENS = 18
/** 1/0/1, from which group addresses are given out. */
const FIRST_GROUP_ADDRESS = 0x0801
const LAST_GROUP_ADDRESS = 0xffff

export function createKnxDesk(ports: KnxPorts): KnxDesk {
  const { book, reach, channels, keys, random, logger } = ports

  function knxDevice(id: DeviceId): { readonly serialNumber: string; readonly links: string } {
    const device = ports.inventory().get(id)
    if (device === undefined) throw new AppError('device.not-found', `No device ${id}`, { details: { id } })
    const serialNumber = device.profileId === KNX_PROFILE_ID ? parseSerialNumber(device.serial ?? '') : undefined
    if (serialNumber === undefined) throw new AppError('knx.not-found', `${device.name} is no KNX device`, { details: { id } })
    return { serialNumber, links: ports.inventory().links(id) ?? '' }
  }

  function projectGroups(id: DeviceId, serialNumber: string): KnxProjectDevice['groups'] {
    const groups = ports.groups().book
    return groups.cellsOfDevice(id).flatMap(({ groupId, desired }) => {
      const target = desired ? groups.target(groupId) : undefined
      if (target === undefined) return []
      const groupAddress = groupAddressIn(target.address, book.installation())
      const objects = groupAddress === undefined ? undefined : book.bindings(serialNumber, groupAddress)
      return {
        groupId,
        name: target.name,
        groupAddress: groupAddress === undefined ? null : formatGroupAddress(groupAddress),
        objects: objects === undefined ? null : objects.map(({ href, flags }) => ({ href, flags: [...flags] })),
      }
    })
  }

  function freeGroupAddress(): number {
    const groups = ports.groups().book
    for (let address = FIRST_GROUP_ADDRESS; address <= LAST_GROUP_ADDRESS; address++)
      if ((address & 0xff) !== 0 && !groups.isAddressInUse(multicastAddressOf(book.installation(), address))) return address
    throw new AppError('group.address-taken', 'Every group address of the installation is in use')
  }

  return {
    settings: () => book.settings(),
    changeSettings: (input) => book.change(defined(input)),

    device(id) {
      const { serialNumber, links } = knxDevice(id)
      const heard = nameOf(links)
      const own = book.knownAddress(serialNumber)
      const { unsecured } = book.settings()
      return {
        serialNumber,
        heardAddress: heard === undefined ? null : formatIndividualAddress(heard),
        individualAddress: own === undefined ? null : formatIndividualAddress(own),
        opened: unsecured || isOpened(keys, serialNumber),
        unsecured,
        groups: projectGroups(id, serialNumber),
      }
    },

    setAddress: ({ serialNumber, individualAddress }) => book.setAddress(serialNumber, requireIndividualAddress(individualAddress)),

    bind({ serialNumber, groupAddress, objects }) {
      book.setBindings(serialNumber, requireGroupAddress(groupAddress), objects)
    },

    setGroupAddress({ groupId, groupAddress }) {
      const engine = ports.groups()
      const wanted = groupAddress === undefined ? freeGroupAddress() : requireGroupAddress(groupAddress)
      if (wanted > LAST_GROUP_ADDRESS)
        throw new AppError('input.invalid', `${groupAddress ?? ''} has more than 16 bits`, { details: { field: 'groupAddress' } })
      const address = multicastAddressOf(book.installation(), wanted)
      const group: GroupId = groupId
      engine.updateCoap(engine.book.group(group).coapGroupId, { address, port: KNX_PORT })
      return { groupAddress: formatGroupAddress(wanted), address }
    },

    async search({ serialNumber, programmingMode }) {
      const search =
        serialNumber === undefined
          ? programmingMode
            ? ({ kind: 'programming-mode' } as const)
            : ({ kind: 'all' } as const)
          : ({ kind: 'serial-number', serialNumber } as const)
      const found = await reach.ask(searchRequest(search), serialNumber)
      return [...found.values()]
        .map(({ name, client, at }) => ({
          serialNumber: name.serialNumber,
          individualAddress: name.individualAddress === undefined ? null : formatIndividualAddress(name.individualAddress),
          installation: name.installation === undefined ? null : formatInstallationId(name.installation),
          address: at.address,
          port: at.port,
          channel: client.channelId,
          opened: isOpened(keys, name.serialNumber),
        }))
        .toSorted((a, b) => (a.serialNumber < b.serialNumber ? -1 : 1))
    },

    async open({ serialNumber, password = ports.labelPassword(serialNumber) }) {
      if (password === undefined)
        throw new AppError('input.invalid', 'No label of this device was read: its password is needed', { details: { field: 'password' } })
      const store = keys()
      const { client, at } = await reach.find(serialNumber)
      const plain = { client, at }
      const proven = await proveKnxPassword(plain, { password, tokenId: PASSWORD_TOKEN, random })
      const first = new KnxDevice({ ...plain, security: reach.secured(passwordContext(serialNumber), proven, 'fresh') })
      const drawn = store.drawDevice()
      // Kept before the device has them: the other way round, a crash would leave a device that nobody can open.
      store.keepDevice(serialNumber, drawn)
      await first.writeTokens([{ id: MANAGEMENT_TOKEN, scope: MANAGEMENT_SCOPE, ...drawn }])
      const device = new KnxDevice({ ...plain, security: reach.managementOf(serialNumber, drawn, 'fresh') })
      await device.loadState()
      // The password's keys have served; some devices forget them by themselves.
      await device.removeToken(PASSWORD_TOKEN).catch((thrown: unknown) => {
        logger.info({ code: toAppError(thrown).code, serialNumber }, 'the keys of the password stay on the device')
      })
      reach.forget(passwordContext(serialNumber))
    },

    async show(input) {
      const device = new KnxDevice(await reach.reach(input))
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
        datapoints: (await device.datapoints()).map(({ href, resourceTypes, interfaces }) => ({
          href,
          resourceTypes: [...resourceTypes],
          interfaces: [...interfaces],
        })),
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
      const store = keys
      const wanted = configurationOf(
        configuration,
        book.installation(),
        input.unsecured
          ? undefined
          : (address) => {
              // First, or its first number would not be known to be the first.
              reach.groupSecurity(address)
              return store().group(address)
            },
      )
      const device = new KnxDevice(await reach.reach(input))
      const outcome = await configureKnx(device, { ...wanted, freshContext: () => ports.freshContext(wanted.individualAddress) })
      book.setAddress(input.serialNumber, wanted.individualAddress)
      return { outcome }
    },

    async send({ groupAddress, value, unsecured }) {
      const address = requireGroupAddress(groupAddress)
      const request = groupMessageRequest({ service: 'write', sender: TOOL_ADDRESS, groupAddress: address, value })
      const security = unsecured ? undefined : reach.groupSecurity(address)
      for (const { client, allNodes } of channels()) {
        for (const { zone } of allNodes.slice(0, 1)) {
          const to = {
            // Of the scopes that devices join, the one that leaves the link.
            address: multicastAddressOf(book.installation(), address),
            port: KNX_PORT,
            ...(zone === undefined ? {} : { zone }),
          }
          const sent = client.groupRequest(to, security === undefined ? request : { ...request, security }, { deadlineMs: UNANSWERED_MS })
          for await (const answer of sent) logger.debug({ code: answer.code }, 'somebody answered a group message')
        }
      }
    },

    async reset({ kind, ...input }) {
      return { seconds: await new KnxDevice(await reach.reach(input)).reset(kind) }
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

export function configurationOf(
  { individualAddress, objects }: KnxConfigurationInput,
  installation: InstallationId,
  groupKeys: ((groupAddress: number) => KnxKeys) | undefined,
): KnxConfiguration {
  const address = requireIndividualAddress(individualAddress)
  const groupObjects: readonly GroupObject[] = objects.map(({ href, groupAddresses, flags }, index) => ({
    id: index + 1,
    href,
    groupAddresses: groupAddresses.map(requireGroupAddress),
    flags: [...new Set(['communicate' as const, ...flags])],
  }))
  const all = [...new Set(groupObjects.flatMap(({ groupAddresses }) => groupAddresses))]
  if (groupKeys !== undefined && all.length > MOST_GROUP_TOKENS)
    throw new AppError('input.too-large', `A device has keys for at most ${MOST_GROUP_TOKENS} group addresses`)
  const { recipients, publishers } = withRoutes(groupObjects, { recipients: [], publishers: [] })
  const contextId = senderContextId(installation, address)
  const groupTokens: readonly GroupToken[] =
    groupKeys === undefined
      ? []
      : all.map((groupAddress) => ({
          id: groupTokenId(groupAddress),
          groupAddresses: [groupAddress],
          contextId,
          ...groupKeys(groupAddress),
        }))
  return {
    installation,
    individualAddress: address,
    groupObjects,
    recipients,
    publishers,
    groupTokens,
  }
}

function requireGroupAddress(text: string): number {
  const address = parseGroupAddress(text)
  if (address === undefined) throw new AppError('input.invalid', `${text} is no group address`, { details: { field: 'groupAddresses' } })
  return address
}

function requireIndividualAddress(text: string): number {
  const address = parseIndividualAddress(text)
  if (address === undefined || address === 0 || address >= TOOL_ADDRESS)
    throw new AppError('input.invalid', `${text} is no individual address that a device can have`, {
      details: { field: 'individualAddress' },
    })
  return address
}

function passwordContext(serialNumber: string): string {
  return `knx ${serialNumber} password`
}

/** The individual address that a device said when it was heard. */
function nameOf(links: string): number | undefined {
  try {
    return endpointNameOf(parseLinkFormat(links))?.individualAddress
  } catch {
    return undefined
  }
}

function defined(input: OpParsed<'knx.changeSettings'>): Partial<KnxSettings> {
  const { installation, fabricId, unsecured } = input
  return {
    ...(installation === undefined ? {} : { installation }),
    ...(fabricId === undefined ? {} : { fabricId }),
    ...(unsecured === undefined ? {} : { unsecured }),
  }
}
