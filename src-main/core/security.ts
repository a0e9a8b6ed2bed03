// Security groups of an open site: the keys that protect messages, the Group Manager that hands them out, the tool's own part in them, and
// the group engine's security layer over all that.
import { join } from 'node:path'
import {
  AppError,
  delay,
  equalBytes,
  fromHex,
  KeyedFeed,
  toAppError,
  type Clock,
  type DeviceId,
  type GroupId,
  type Logger,
  type Random,
} from '#main/base/index.ts'
import { GroupManager, type PublishedGroup } from '#main/services/group-manager/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createDeviceDoor, createSecurity, type BenchSecurity, type GroupEngine, type SecurityEngine } from '#main/site/groups/index.ts'
import {
  createEnrolmentStore,
  createGroupManagerStore,
  createSequenceStore,
  type DurableSequences,
  type SiteFile,
} from '#main/store/index.ts'
import type { SecuritySource } from '#main/site/exchange/index.ts'
import type { ResourceTree } from '#main/wire/coap/index.ts'
import { isGroupPeer, OscoreLayer, volatileSequences, type SequenceStore } from '#main/wire/oscore/index.ts'
import type { SecurityFindingRow, SecurityPlanLine, SecurityStateRow } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import type { Keyring } from './keyring.ts'
import { mirror } from './mirror.ts'
import { uriOf } from './network-secured.ts'
import type { SiteNetwork } from './network.ts'
import { Enrolments, type DeviceEnrolment } from './security-enrolments.ts'
import { createKeyManager } from './security-manager.ts'
import { TOOL, TOOL_CHANNEL, ToolMembership } from './security-tool.ts'

export interface SecurityPorts {
  readonly file: SiteFile
  readonly tree: ResourceTree
  readonly dataDirectory: string
  /** Or why there is none. */
  readonly keyring: Keyring | AppError
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface SecurityConnections {
  readonly network: SiteNetwork
  readonly inventory: Inventory
  readonly groups: GroupEngine
  /** Gives a device the keys that it shares with this tool; false where it cannot be reached that way. */
  readonly enrolDevice?: ((eui64: string, enrolment: DeviceEnrolment) => boolean) | undefined
  /** Authorities whose certificates members may show as their credentials, as they are now. */
  readonly issuers?: () => readonly Uint8Array[]
  readonly publishGroups?: (groups: readonly PublishedGroup[], baseUri: string) => void
}

export interface SiteSecurity {
  /** Below the exchange of every channel. */
  readonly layer: OscoreLayer
  /** Numbers of whoever else sends by the layer. */
  readonly sequences: SequenceStore
  /** Once the parts are there that it stands on. */
  connect(connections: SecurityConnections): void
  /** Resolves when the tool is a member of the groups that have keys, or it has taken too long. */
  joined(): Promise<void>
  readonly engine: SecurityEngine
  readonly stateFeed: KeyedFeed<SecurityStateRow>
  /** What the engine's feeds tell, from before it is there. */
  readonly planFeed: KeyedFeed<SecurityPlanLine>
  readonly findingFeed: KeyedFeed<SecurityFindingRow>
  readonly bench: BenchSecurity
  /** What is handed over of it: never key material. */
  readonly exported: SecuritySource
  enrol(input: OpParsed<'security.enrol'>): void
  /** New keys for a device that asks for them itself: they count from now on. Throws where none can be kept. */
  share(deviceId: DeviceId): DeviceEnrolment
  /** Forgets what nobody can open; the site has to be opened again then. */
  wipe(): void
  close(): Promise<void>
}

/** So long a site waits at its opening until its tool can send to its groups. */
const JOIN_LIMIT_MS = 3000
/** A resource that no device has: only the signature of the request counts. */
const INTRODUCTION_PATH = ['gp', '-']

export function createSiteSecurity(ports: SecurityPorts): SiteSecurity {
  const { file, tree, clock, random, logger, keyring } = ports
  const layer = new OscoreLayer({ random })
  const durable = openSequences(ports)
  // Without a place for its numbers the tool sends nothing protected, but the site can be worked on.
  const sequences = durable instanceof AppError ? { ...volatileSequences(), isCopy: false, close: () => undefined } : durable
  const store = createEnrolmentStore(file.database)
  const stateFeed = new KeyedFeed<SecurityStateRow>((row) => row.key)
  const planFeed = new KeyedFeed<SecurityPlanLine>((row) => row.id)
  const findingFeed = new KeyedFeed<SecurityFindingRow>((row) => row.id)
  const tool = new ToolMembership({ tree, layer, sequences, clock, random, logger })
  let enrolments: Enrolments | undefined
  let inventoryOf: Inventory | undefined
  let manager: GroupManager | undefined
  let engine: SecurityEngine | undefined
  let failure = keyring instanceof AppError ? keyring : durable instanceof AppError ? durable : undefined
  const ends: Array<() => void> = []
  let joining: ReadonlyArray<Promise<void>> = []
  let publish: () => void = () => undefined

  function openKeys(connections: SecurityConnections): void {
    if (keyring instanceof AppError || durable instanceof AppError) return
    const { sealer } = keyring
    const { network } = connections
    try {
      enrolments = new Enrolments({ store, sealer, layer, sequences, clock, random })
      manager = new GroupManager({
        registry: tree,
        layer,
        sequences,
        store: createGroupManagerStore(file.database),
        sealer,
        clock,
        random,
        logger,
        clientFor: ({ channelId }) => (channelId === TOOL_CHANNEL ? tool.managerClient : network.client(channelId)),
        baseUri: () => baseUriOf(network) ?? 'coap://[::1]',
        publishGroups: (groups) => {
          publish = () => connections.publishGroups?.(groups, baseUriOf(network) ?? 'coap://[::1]')
          publish()
        },
        credentialIssuers: {
          get authorities() {
            return connections.issuers?.() ?? []
          },
        },
        isCopy: sequences.isCopy,
      })
      tool.start(manager)
    } catch (thrown) {
      const { code } = toAppError(thrown)
      // Whatever the Group Manager could not open was sealed by somebody else.
      failure =
        code === 'security.locked' || code === 'crypto.authentication-failed'
          ? new AppError('security.locked', 'The keys in the site file are sealed with another keyring', { cause: thrown })
          : toAppError(thrown)
      enrolments = undefined
      manager = undefined
      logger.error({ code }, 'the keys of the security groups cannot be opened')
    }
  }

  function showState(): void {
    stateFeed.set({
      key: 'security',
      state: manager === undefined ? (failure?.code === 'security.locked' ? 'locked' : 'off') : 'ready',
      protection: keyring instanceof AppError ? null : keyring.protection,
      failure:
        failure === undefined
          ? null
          : { code: failure.code, message: failure.message, retryable: failure.retryable, details: { ...failure.details } },
      enrolled: enrolments?.size ?? 0,
    })
  }

  function requireEngine(): SecurityEngine {
    if (engine === undefined) throw new AppError('internal', 'The security layer is not connected')
    return engine
  }

  /** Devices that can be given keys get them, once each; again where what this tool sent is not known any more. */
  function enrolReachable({ inventory, enrolDevice }: SecurityConnections): (ids: readonly DeviceId[]) => void {
    const done = new Set<DeviceId>()
    return (ids) => {
      if (enrolDevice === undefined || enrolments === undefined) return
      for (const id of ids) {
        const device = inventory.get(id)
        if (device === undefined || device.eui64 === null || device.at === null || done.has(id)) continue
        if (enrolments.has(id) && !sequences.isCopy) {
          done.add(id)
          continue
        }
        const { number, ...enrolment } = enrolments.draw()
        if (!enrolDevice(device.eui64, enrolment)) continue
        done.add(id)
        enrolments.keep(id, enrolment, number)
        inventory.record(id, { source: 'operator', event: 'security-enrolled' })
      }
      showState()
    }
  }

  return {
    layer,
    sequences,
    stateFeed,
    planFeed,
    findingFeed,
    get engine() {
      return requireEngine()
    },
    connect(connections) {
      const { network, inventory, groups } = connections
      inventoryOf = inventory
      openKeys(connections)
      const keys = manager === undefined ? undefined : createKeyManager(manager, tool, logger)
      const door = createDeviceDoor({
        devices: inventory,
        links: (id) => inventory.links(id),
        securityOf: (id) => enrolments?.securityOf(id),
        joiningUri: (channelId, name) => {
          const base = uriOn(network, channelId)
          return base === undefined ? undefined : `${base}/ace-group/${encodeURIComponent(name)}`
        },
        onEnrolled: (listener) => enrolments?.onChange(listener) ?? (() => undefined),
      })
      const enrol = enrolReachable(connections)
      enrol(inventory.all().map(({ id }) => id))
      engine = createSecurity({ store: file.security, groups, devices: inventory, door, manager: keys, clock, random, logger })
      ends.push(
        mirror(engine.feeds.plan, planFeed),
        mirror(engine.feeds.findings, findingFeed),
        inventory.feed.subscribe(enrol),
        inventory.onRemoved((ids) => {
          enrolments?.remove(ids)
          showState()
        }),
        () => keys?.close(),
        () => engine?.close(),
      )
      // Groups that have keys already: the tool is part of them from the start.
      const ready = engine.feeds.groups.rows().filter(({ outcome }) => outcome === 'confirmed')
      joining = ready.map(async ({ name }) => {
        try {
          await keys?.toolJoined(name)
        } catch (thrown) {
          logger.warn({ code: toAppError(thrown).code, group: name }, 'the tool is no member of a security group')
        }
      })
      showState()
    },
    async joined() {
      // The network is up by now: where the Group Manager is found may be another address.
      publish()
      if (joining.length > 0) await Promise.race([Promise.all(joining), delay(clock, JOIN_LIMIT_MS)])
    },
    bench: {
      protectionFor(groupId: GroupId) {
        const names = requireEngine().protectionOf(groupId)
        if (names === undefined) return undefined
        if (manager === undefined) throw new AppError('security.locked', 'The keys of the security groups cannot be opened')
        const name = names.find((candidate) => tool.group(candidate) !== undefined)
        const group = name === undefined ? undefined : tool.group(name)
        if (name === undefined || group === undefined) {
          throw new AppError('security.not-ready', 'The security group has no keys yet', { details: { group: names[0] ?? '' } })
        }
        const keeper = manager
        return {
          name,
          security: group.groupMode(),
          memberOf: (peer) =>
            peer !== undefined && isGroupPeer(peer) && peer.group === name
              ? keeper
                  .members(name)
                  .find(({ identity, senderId }) => identity !== TOOL && senderId !== undefined && equalBytes(senderId, peer.senderId))
                  ?.identity
              : undefined,
          async introduce(shots, signal) {
            const once = async (): Promise<void> => {
              await Promise.all(
                shots.map(async ({ client, to }) => {
                  const request = { method: 'GET' as const, path: INTRODUCTION_PATH, security: group.groupMode() }
                  const answers = client.groupRequest(to, request, { deadlineMs: 1, signal })[Symbol.asyncIterator]()
                  // Whatever comes back says nothing: it is sent so that members ask.
                  while ((await answers.next()).done !== true);
                }),
              )
              await delay(clock, 0, signal)
            }
            await tool.introduce(name, once, signal)
          },
        }
      },
    },
    exported: {
      securityGroups: () => file.security.securityGroups(),
      protections: () => file.security.protections(),
      live: () => ({ groups: requireEngine().feeds.groups.rows(), members: requireEngine().feeds.members.rows() }),
    },
    enrol({ deviceId, masterSecret, masterSalt, deviceSenderId, toolSenderId }) {
      const bytes = [masterSecret, masterSalt, deviceSenderId, toolSenderId].map((text) => fromHex(text.toLowerCase()))
      const [secret, salt, theirs, ours] = bytes
      if (secret === undefined || salt === undefined || theirs === undefined || ours === undefined || equalBytes(theirs, ours)) {
        throw new AppError('input.invalid', 'The two Sender IDs must differ, and all values be hex')
      }
      if (enrolments === undefined) throw failure ?? new AppError('security.locked', 'The keys cannot be sealed')
      enrolments.keep(deviceId, { masterSecret: secret, masterSalt: salt, deviceId: theirs, toolId: ours })
      showState()
    },
    share(deviceId) {
      if (enrolments === undefined || inventoryOf === undefined)
        throw failure ?? new AppError('security.locked', 'The keys cannot be sealed')
      const { number, ...enrolment } = enrolments.draw()
      enrolments.keep(deviceId, enrolment, number)
      inventoryOf.record(deviceId, { source: 'admission', event: 'security-enrolled' })
      showState()
      return enrolment
    },
    wipe: () => store.wipe(),
    async close() {
      for (const end of ends.toReversed()) end()
      manager?.close()
      await tool.close()
      sequences.close()
    },
  }
}

function openSequences({ file, random, dataDirectory }: SecurityPorts): DurableSequences | AppError {
  try {
    return createSequenceStore(file.database, { random, anchorFile: join(dataDirectory, 'oscore-anchors.db'), siteId: file.meta().id })
  } catch (thrown) {
    return toAppError(thrown)
  }
}

function uriOn(network: SiteNetwork, channelId: string): string | undefined {
  const at = network.channels().find(({ client }) => client.channelId === channelId)?.local
  if (at !== undefined) return uriOf('coap', at)
  const secured = network.listening.find(({ channel }) => channel === channelId)
  return secured === undefined ? undefined : uriOf(secured.scheme, secured)
}

/** Where most devices are: behind a dongle, else wherever the site listens. */
function baseUriOf(network: SiteNetwork): string | undefined {
  const channels = network.channels()
  const first = channels.find(({ kind }) => kind === 'mesh') ?? channels[0]
  return first === undefined ? undefined : uriOn(network, first.client.channelId)
}
