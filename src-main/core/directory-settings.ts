// How the site's directory is run: who may register, whether it is advertised; kept with the site, in force at once (RFC 9176 §4.1.2, §7).
import { KeyedFeed } from '#main/base/index.ts'
import type { Logger } from '#main/base/index.ts'
import type { EnrolmentCandidate, ResourceDirectory } from '#main/services/rd/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { directoryPolicy } from '#contract/model.ts'
import type { DeviceState, DirectoryPolicy, DirectoryRow } from '#contract/model.ts'
import { createAdvertising, NOT_ADVERTISED } from './advertising.ts'
import { certifiedHolder } from './coaps-trust.ts'
import type { DnsSd } from './dns-sd.ts'
import { isLoopback } from './network.ts'
import type { SiteNetwork } from './network.ts'
import type { NetworkInterface } from './interfaces.ts'

const POLICY = 'directoryPolicy'
const ADVERTISED = 'directoryAdvertised'

export interface DirectorySettingsPorts {
  readonly file: SiteFile
  readonly directory: ResourceDirectory
  readonly network: SiteNetwork
  readonly interfaces: () => readonly NetworkInterface[]
  /** Undefined where the program is not to advertise, whatever the site says. */
  readonly dnsSd: DnsSd | undefined
  readonly logger: Logger
}

export interface DirectorySettings {
  readonly feed: KeyedFeed<DirectoryRow>
  setPolicy(policy: DirectoryPolicy): void
  /** Resolves when it is announced or taken back; how that went is told by the feed. */
  setAdvertised(on: boolean): Promise<void>
  /** To be called whenever the network has come up elsewhere. */
  networkChanged(): Promise<void>
  close(): Promise<void>
}

export function createDirectorySettings({
  file,
  directory,
  network,
  interfaces,
  dnsSd,
  logger,
}: DirectorySettingsPorts): DirectorySettings {
  const feed = new KeyedFeed<DirectoryRow>((row) => row.key)
  const chosen = (): DirectoryPolicy | undefined => directoryPolicy.safeParse(file.getMeta(POLICY)).data
  const isAdvertised = (): boolean => file.getMeta(ADVERTISED) === true

  const advertising =
    dnsSd === undefined
      ? undefined
      : createAdvertising({
          dnsSd,
          logger,
          siteId: file.meta().id,
          siteName: () => file.meta().name,
          listening: () => network.listening,
          interfaces,
          changed: () => show(),
        })
  const show = (): void => {
    const groups = directory.view({ show: 'groups', offset: 0, limit: 1 }).total
    feed.set({
      key: 'directory',
      version: directory.version,
      endpoints: directory.size - groups,
      groups,
      policy: directory.settings.policy,
      policyChosen: chosen() !== undefined,
      advertisement: { ...(advertising?.state ?? NOT_ADVERTISED), wanted: isAdvertised() },
    })
  }
  /** Beyond this machine anybody may send: each source gets its share, and nobody another's registration unless that was chosen. */
  const enforce = (): void => {
    const isReachable = network.listening.some(
      ({ scheme, channel, address }) => scheme === 'coap' && channel !== 'demo' && !isLoopback(address),
    )
    directory.configure({ policy: chosen() ?? (isReachable ? 'first-come' : 'open'), sourceLimits: isReachable ? {} : null })
    show()
  }
  const endWatch = directory.watch(show)
  enforce()

  return {
    feed,
    setPolicy(policy) {
      file.setMeta(POLICY, policy)
      enforce()
    },
    async setAdvertised(on) {
      file.setMeta(ADVERTISED, on)
      await advertising?.update(on)
      show()
    },
    async networkChanged() {
      enforce()
      await advertising?.update(isAdvertised())
    },
    async close() {
      endWatch()
      await advertising?.close()
    },
  }
}

/** States that a device has only after this tool itself has had to do with it. */
const ENROLLED: ReadonlySet<DeviceState> = new Set<DeviceState>(['enrolled', 'configured', 'verified'])

/** Whether the source has a certificate of the site for that name, or is where the inventory knows the device of that name to be. */
export function isEnrolledIn(inventory: Pick<Inventory, 'byEndpointName'>, { endpointName, source }: EnrolmentCandidate): boolean {
  const device = inventory.byEndpointName(endpointName)
  const holder = certifiedHolder(source.identity)
  if (holder !== undefined) {
    // Who holds a certificate of the site speaks for the device that it names, from wherever it comes (§7.1).
    return [endpointName, device?.eui64, device?.serial].some((name) => name?.toLowerCase() === holder)
  }
  if (device === undefined || !ENROLLED.has(device.state)) return false
  return device.channelId === source.channelId && device.at?.address === source.address.address
}
