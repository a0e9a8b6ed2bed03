// The KNX IoT part of an open site, wired: its keys and settings, the way to its devices, the profile by which the group engine and the
// test bench work with them, and the desk behind the ops.
import { AppError, concatBytes, type Clock, type GroupId, type Logger, type Random } from '#main/base/index.ts'
import {
  createKnxProfile,
  groupTokenId,
  KNX_PROFILE_ID,
  senderContextId,
  type DeviceContact,
  type DeviceProfile,
  type DiscoveryChannel,
  type GroupToken,
  type Inventory,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import { sitePrefix, type BenchSecurity, type GroupEngine } from '#main/site/groups/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { OscoreLayer, SequenceStore } from '#main/wire/oscore/index.ts'
import type { Keyring } from './keyring.ts'
import { KnxBook, TOOL_ADDRESS, type KnxMeta } from './knx-book.ts'
import { KnxKeyStore } from './knx-keys.ts'
import { createKnxReach } from './knx-reach.ts'
import { createKnxDesk, type KnxDesk } from './knx.ts'

export interface SiteKnxPorts {
  readonly file: KnxMeta & Pick<SiteFile, 'meta'>
  readonly keyring: Pick<Keyring, 'sealer'> | AppError
  readonly channels: () => readonly DiscoveryChannel[]
  readonly security: { readonly layer: OscoreLayer; readonly sequences: SequenceStore }
  readonly inventory: () => Pick<Inventory, 'get' | 'links'>
  readonly groups: () => Pick<GroupEngine, 'book' | 'updateCoap'>
  /** What a scanned label says; undefined where none was. */
  readonly labelPassword: (serialNumber: SerialNumber) => string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SiteKnx {
  readonly desk: KnxDesk
  readonly profile: DeviceProfile
  /** Groups of KNX devices alone are protected by the tokens of their group address; nobody has to choose how. */
  protecting(security: BenchSecurity): BenchSecurity
}

const CONTEXT_NONCE_BYTES = 6

export function createSiteKnx({
  file,
  keyring,
  channels,
  security: { layer, sequences },
  inventory,
  groups,
  labelPassword,
  ...ports
}: SiteKnxPorts): SiteKnx {
  const { clock, random, logger } = ports
  // Behind the first byte, fd, of the prefix on which the site's group addresses are made.
  const book = new KnxBook(file, random, () => sitePrefix(file.meta().id).subarray(1))
  const keys = (): KnxKeyStore => {
    if (keyring instanceof AppError) throw keyring
    return new KnxKeyStore(file, keyring.sealer, random)
  }
  const reach = createKnxReach({ channels, keys, installation: () => book.installation(), layer, sequences, logger })
  // Never the same twice, also where a copy of the project is worked with elsewhere.
  const freshContext = (individualAddress: number): Uint8Array =>
    concatBytes(senderContextId(book.installation(), individualAddress), random.bytes(CONTEXT_NONCE_BYTES))

  function groupToken(serialNumber: SerialNumber, groupAddress: number): GroupToken {
    reach.groupSecurity(groupAddress)
    const { senderId, masterSecret } = keys().group(groupAddress)
    const contextId = senderContextId(book.installation(), book.individualAddress(serialNumber))
    return { id: groupTokenId(groupAddress), groupAddresses: [groupAddress], senderId, masterSecret, contextId }
  }

  const desk = createKnxDesk({ book, reach, channels, keys, inventory, groups, labelPassword, freshContext, random, logger })
  const profile = createKnxProfile({
    clock,
    toolAddress: TOOL_ADDRESS,
    installation: () => book.installation(),
    fabricId: () => book.settings().fabricId ?? undefined,
    async openByLabel(serialNumber) {
      if (book.settings().unsecured || keys().device(serialNumber) !== undefined || labelPassword(serialNumber) === undefined) return
      await desk.open({ serialNumber })
    },
    reach: (contact, serialNumber) => reach.reach({ serialNumber, unsecured: book.settings().unsecured }, contact),
    individualAddress: (serialNumber, current) => book.individualAddress(serialNumber, current),
    bindings: (serialNumber, groupAddress) => book.bindings(serialNumber, groupAddress),
    groupToken,
    freshContext: (serialNumber) => freshContext(book.individualAddress(serialNumber)),
    isSecured: () => !book.settings().unsecured,
    groupSecurity: (groupAddress) => reach.groupSecurity(groupAddress),
    groupNames: (contact, address) => groupNamesAt(groups().book, contact, address),
  })
  const isKnxAlone = (groupId: GroupId): boolean => {
    const members = groups()
      .book.cellsOfGroup(groupId)
      .filter(({ desired }) => desired)
    return members.length > 0 && members.every(({ deviceId }) => inventory().get(deviceId)?.profileId === KNX_PROFILE_ID)
  }
  const protecting = (other: BenchSecurity): BenchSecurity => ({
    protectionFor: (groupId) => (!book.settings().unsecured && isKnxAlone(groupId) ? undefined : other.protectionFor(groupId)),
  })
  return { profile, protecting, desk }
}

/** What the device is to be in comes first: one group address is one group of the device, whatever else stands for it. */
function groupNamesAt(book: GroupEngine['book'], { deviceId }: DeviceContact, address: string): readonly string[] {
  const cells = deviceId === undefined ? [] : book.cellsOfDevice(deviceId)
  const wanted = cells.flatMap(({ desired, groupId }) => {
    const target = desired ? book.target(groupId) : undefined
    return target?.address === address ? [target.name] : []
  })
  if (wanted.length > 0) return wanted
  const applied = cells.flatMap((cell) => (cell.applied?.address === address ? [cell.applied.name] : []))
  if (applied.length > 0) return applied
  const leaving = cells.flatMap(({ groupId }) => {
    const target = book.target(groupId)
    return target?.address === address ? [target.name] : []
  })
  if (leaving.length > 0) return leaving
  const [name] = book.coapGroupsAt(address, 5683).flatMap(({ id }) => book.groupsOn(id).map((group) => group.name))
  return name === undefined ? [] : [name]
}
