// KNX IoT devices as a device profile: what the group engine and the test bench do with any device, by tables, keys and s-mode messages.
import { AppError, delay, toAppError, type CborValue, type Clock } from '#main/base/index.ts'
import { parseLinkFormat, type Link, type RequestSecurity } from '#main/wire/coap/index.ts'
import type { DeviceType } from '#contract/model.ts'
import type { DeviceContact, DeviceIdentity, DeviceProfile, GroupTableEntry, GroupTarget, StateVerdict } from '../profile.ts'
import { formatGroupAddress, groupAddressIn, KNX_PORT, multicastAddressOf, parseSerialNumber, type InstallationId } from './addresses.ts'
import type { SerialNumber } from './addresses.ts'
import { chooseBinding, isRouted, withGroup, withoutGroup, type KnxBinding, type KnxTables } from './bindings.ts'
import { configureKnx, groupTokenId, type KnxConfiguration } from './commissioning.ts'
import { KnxDevice, type KnxReach } from './device.ts'
import { endpointNameOf, searchRequest } from './discovery.ts'
import { groupMessageRequest } from './s-mode.ts'
import type { GroupToken } from './tables.ts'

export const KNX_PROFILE_ID = 'knx-iot'

/** Port: what a site knows of its KNX devices. */
export interface KnxSitePorts {
  readonly clock: Clock
  readonly installation: () => InstallationId
  readonly fabricId: () => number | undefined
  /** The tool's own individual address, as the sender of its messages. */
  readonly toolAddress: number
  /** Opens a device that the site has no keys for, where its label was read. */
  readonly openByLabel: (serialNumber: SerialNumber) => Promise<void>
  /** Where it answers now, and what protects requests to it. Throws `knx.not-opened`, `knx.not-found`. */
  readonly reach: (contact: DeviceContact, serialNumber: SerialNumber, signal: AbortSignal | undefined) => Promise<KnxReach>
  /** The address that the device has or shall have; `current` is what it says. */
  readonly individualAddress: (serialNumber: SerialNumber, current: number | undefined) => number
  /** What a person decided for a device and a group address; undefined where nobody did. */
  readonly bindings: (serialNumber: SerialNumber, groupAddress: number) => readonly KnxBinding[] | undefined
  /** Whether its devices know OSCORE; all but test builds do. */
  readonly isSecured: () => boolean
  readonly groupToken: (serialNumber: SerialNumber, groupAddress: number) => GroupToken
  readonly freshContext: (serialNumber: SerialNumber) => Uint8Array
  /** Protects the tool's own messages to a group. */
  readonly groupSecurity: (groupAddress: number) => RequestSecurity
  /** Names of the application groups that a multicast address stands for on a device. */
  readonly groupNames: (contact: DeviceContact, address: string) => readonly string[]
}

/** As many group objects, routes and tokens as the public stacks have room for; two tokens are the tool's. */
const MOST_GROUPS = 18
/** 31/7/255, the last that other tools of KNX can write. */
const TRIAL_ADDRESS = 0xffff
const ACTIONS = [
  { id: 'on', label: 'On', types: ['luminaire', 'actuator', 'blind'], value: true },
  { id: 'off', label: 'Off', types: ['luminaire', 'actuator', 'blind'], value: false },
] as const satisfies ReadonlyArray<DeviceProfile['actions'][number] & { readonly value: boolean }>
/** Functional blocks whose devices are known by their number: light actuator, push button. */
const BLOCK_TYPES: ReadonlyMap<number, DeviceType> = new Map([
  [417, 'luminaire'],
  [421, 'switch'],
])

export function createKnxProfile(site: KnxSitePorts): DeviceProfile {
  function groupAddressOf({ name, address, port }: Pick<GroupTarget, 'name' | 'address' | 'port'>): number {
    const groupAddress = port === KNX_PORT || port === 0 ? groupAddressIn(address, site.installation()) : undefined
    if (groupAddress === undefined)
      throw new AppError('knx.no-group-address', `${address} port ${port} of ${name} is no address of a KNX group`, {
        details: { group: name, address, port },
      })
    return groupAddress
  }

  function isOf(contact: DeviceContact, groupAddress: number, name: string): boolean {
    return site.groupNames(contact, multicastAddressOf(site.installation(), groupAddress)).includes(name)
  }

  async function reached(contact: DeviceContact, signal: AbortSignal | undefined): Promise<Reached> {
    const serialNumber = parseSerialNumber(contact.serial ?? '')
    if (serialNumber === undefined) throw new AppError('knx.not-found', 'The serial number of the device is not known')
    await site.openByLabel(serialNumber)
    return { serialNumber, device: new KnxDevice(await site.reach(contact, serialNumber, signal), signal) }
  }

  async function configure({ serialNumber, device }: Reached, change: (tables: KnxTables) => KnxTables): Promise<void> {
    const tables = change(await tablesOf(device))
    const addresses = [...new Set(tables.objects.flatMap(({ groupAddresses }) => groupAddresses))]
    const current = (await device.installation()) === site.installation() ? await device.individualAddress() : undefined
    const fabricId = site.fabricId()
    const wanted: KnxConfiguration = {
      installation: site.installation(),
      individualAddress: site.individualAddress(serialNumber, current),
      ...(fabricId === undefined ? {} : { fabricId }),
      groupObjects: tables.objects,
      recipients: tables.recipients,
      publishers: tables.publishers,
      groupTokens: site.isSecured() ? addresses.map((address) => site.groupToken(serialNumber, address)) : [],
      freshContext: () => site.freshContext(serialNumber),
    }
    await configureKnx(device, wanted)
  }

  /** What every group address of the tables needs to work, and whether it has it. */
  async function groupsOn(device: KnxDevice): Promise<ReadonlyArray<{ address: number; works: boolean }>> {
    const tables = await tablesOf(device)
    const addresses = addressesIn(tables)
    if (addresses.length === 0) return []
    const isLoaded = (await device.loadState()) === 'loaded'
    const tokens = new Set(await device.tokenIds())
    return addresses.map((address) => {
      const isBound = tables.objects.some(({ groupAddresses }) => groupAddresses.includes(address))
      const hasKey = !site.isSecured() || tokens.has(groupTokenId(address))
      return { address, works: isLoaded && isBound && hasKey && isRouted(tables, address) }
    })
  }

  return {
    id: KNX_PROFILE_ID,
    name: 'KNX IoT Point API',
    actions: ACTIONS.map(({ id, label, types }) => ({ id, label, types })),
    capacity: { memberships: MOST_GROUPS, keys: MOST_GROUPS },
    recognises: (links) => endpointNameOf(links) !== undefined || links.some(isGroupMessageResource),
    trialGroup: () => ({ name: unnamed(TRIAL_ADDRESS), address: multicastAddressOf(site.installation(), TRIAL_ADDRESS), port: KNX_PORT }),
    readIdentity: (contact, signal) => identityOf(site, contact, signal),
    async identify(contact, seconds, signal) {
      const { device } = await reached(contact, signal)
      await device.setProgrammingMode(true)
      try {
        await delay(site.clock, seconds * 1000, signal)
      } finally {
        // Without the signal: a device that is left in programming mode takes part in everybody's commissioning.
        await new KnxDevice(device.reach).setProgrammingMode(false)
      }
    },
    async readMemberships(contact, signal) {
      const entries: GroupTableEntry[] = []
      for (const { address, works } of await groupsOn((await reached(contact, signal)).device)) {
        const multicast = multicastAddressOf(site.installation(), address)
        const names = site.groupNames(contact, multicast)
        for (const name of names.length === 0 ? [unnamed(address)] : names)
          entries.push({ name, address: multicast, port: works ? KNX_PORT : 0 })
      }
      return entries
    },
    async writeMembership(contact, group, signal) {
      const address = groupAddressOf(group)
      const there = await reached(contact, signal)
      const decided = site.bindings(there.serialNumber, address)
      const datapoints = decided === undefined ? await there.device.datapoints() : []
      await configure(there, (tables) => {
        // The group had another address: its datapoints move on to the new one.
        const earlier = addressesIn(tables).filter((other) => other !== address && isOf(contact, other, group.name))
        const present = tables.objects.filter(({ groupAddresses }) => [address, ...earlier].some((each) => groupAddresses.includes(each)))
        const cleared = earlier.reduce(withoutGroup, tables)
        return withGroup(cleared, address, decided ?? (present.length > 0 ? present : [chooseBinding(datapoints, cleared.objects)]))
      })
    },
    async removeMembership(contact, group, signal) {
      const address = groupAddressOf(group)
      await configure(await reached(contact, signal), (tables) => withoutGroup(tables, address))
    },
    describe: (change, group) => described(change, group, groupAddressIn(group.address, site.installation())),
    groupRequest(actionId, group) {
      const action = ACTIONS.find(({ id }) => id === actionId)
      if (action === undefined) return undefined
      const groupAddress = groupAddressOf(group)
      const request = groupMessageRequest({ service: 'write', sender: site.toolAddress, groupAddress, value: action.value })
      return site.isSecured() ? { ...request, security: site.groupSecurity(groupAddress) } : request
    },
    async readBack(contact, actionId, group, signal) {
      const action = ACTIONS.find(({ id }) => id === actionId)
      if (action === undefined) return 'unreadable'
      const address = groupAddressOf(group)
      const { device } = await reached(contact, signal)
      const listening = (await device.groupObjects()).filter(
        ({ groupAddresses, flags }) => groupAddresses.includes(address) && (flags.includes('write') || flags.includes('update')),
      )
      const values: Array<CborValue | undefined> = []
      for (const { href } of listening) values.push(await device.readValue(href))
      return verdictOn(values, action.value)
    },
  }
}

/** What an address is called that is none of the project's: devices keep no names. */
function unnamed(groupAddress: number): string {
  return `KNX ${formatGroupAddress(groupAddress)}`
}

/** Asked by itself, a device names its resources and not its serial number. */
function isGroupMessageResource({ href, attributes }: Link): boolean {
  return (
    href === '/k' &&
    attributes.some(({ name, value }) => name === 'rt' && (value ?? '').split(' ').some((type) => /(^|knx):g\.s$/.test(type)))
  )
}

interface Reached {
  readonly serialNumber: SerialNumber
  readonly device: KnxDevice
}

function addressesIn({ objects, recipients, publishers }: KnxTables): readonly number[] {
  return [...new Set([...objects, ...recipients, ...publishers].flatMap((entry) => entry.groupAddresses))]
}

async function tablesOf(device: KnxDevice): Promise<KnxTables> {
  return { objects: await device.groupObjects(), recipients: await device.routes('r'), publishers: await device.routes('p') }
}

/** Who answers where it was heard. Its names and functional blocks are open to all; model and version are not without keys. */
async function identityOf(site: KnxSitePorts, contact: DeviceContact, signal: AbortSignal | undefined): Promise<DeviceIdentity> {
  const { client, at } = contact
  const answer = await client.request(at, searchRequest({ kind: 'all' }), signal === undefined ? {} : { signal })
  const name = endpointNameOf(parseLinkFormat(new TextDecoder().decode(answer.payload.subarray(0, 4096))))
  if (name === undefined)
    throw new AppError('profile.reply-unexpected', 'The device does not tell its serial number', { details: { code: answer.code } })
  const blocks = await new KnxDevice({ client, at }, signal).functionalBlocks()
  const type = blocks.map((block) => BLOCK_TYPES.get(block)).find((known) => known !== undefined)
  return {
    eui64: undefined,
    serial: name.serialNumber,
    model: await modelOf(site, contact, name.serialNumber, signal),
    type: type ?? 'unknown',
  }
}

/** A name is no reason for a device to go unidentified. */
async function modelOf(
  site: KnxSitePorts,
  contact: DeviceContact,
  serialNumber: SerialNumber,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  try {
    const { model } = await new KnxDevice(await site.reach(contact, serialNumber, signal), signal).identity()
    return model === '' ? undefined : model
  } catch (thrown) {
    signal?.throwIfAborted()
    if (toAppError(thrown).code === 'internal') throw thrown
    return undefined
  }
}

function verdictOn(values: ReadonlyArray<CborValue | undefined>, wanted: boolean): StateVerdict {
  if (values.length === 0 || values.some((value) => value === undefined)) return 'unreadable'
  // The older stack writes truth values as numbers here and there.
  return values.every((value) => value === wanted || value === Number(wanted)) ? 'as-commanded' : 'different'
}

function described(change: 'add' | 'update' | 'remove', group: GroupTarget, groupAddress: number | undefined): readonly string[] {
  if (groupAddress === undefined) return [`${group.name} has no KNX group address: ${group.address} is none of the installation`]
  const address = formatGroupAddress(groupAddress)
  const begin = 'POST coap://device/a/lsm  start loading'
  const end = 'POST coap://device/a/lsm  load complete'
  if (change === 'remove')
    return [
      begin,
      ...['g', 'r', 'p'].map((table) => `POST coap://device/fp/${table}  without ${address}`),
      `DELETE coap://device/auth/at/g${groupAddress}`,
      end,
    ]
  return [
    begin,
    `POST coap://device/fp/g  ${address} at its datapoint`,
    `POST coap://device/fp/p and /fp/r  ${address} = ${group.address}`,
    `POST coap://device/auth/at  key of ${address}`,
    end,
  ]
}
